"""A VM group of four nodes, told through the real store: what the pages are shown with in tests.

A host, a server and two clients boot, meet at a barrier and move data; then client-2 stalls, and everything
else waits for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User

from jobs import commands, console_log
from jobs.domain.events import (
    CaseStarted,
    Check,
    CleanedUp,
    Fact,
    Failure,
    MessageSent,
    NodeClosed,
    NoteTaken,
    PhaseEnded,
    PhaseStarted,
    ResultReported,
    SuiteEnded,
    SuiteStarted,
    Verdict,
    VmStarted,
    WaitEnded,
    WaitStarted,
)
from jobs.recorder import Recorder

HOST, SERVER, CLIENT_1, CLIENT_2 = range(4)
NAME = "vm-groups basic test case"

DEFINITION = json.dumps(
    {
        "job_name": NAME,
        "timeout": 18000,
        "vm_group": {
            "host": {"device_type": "bench", "role": "host"},
            "vms": [
                {"device_type": "kvm", "role": "server", "image": "http://images.test/server.img"},
                {
                    "device_type": "kvm",
                    "role": "client",
                    "image": "http://images.test/client.img",
                    "count": 2,
                },
            ],
        },
        "actions": [
            {"command": "dummy_deploy", "parameters": {"role": "host"}},
            {
                "command": "lava_test_shell",
                "parameters": {"testdef": "{metadata: {name: smoke}, run: {steps: [true]}}"},
            },
        ],
    },
    indent=2,
)


class Story:
    """One run of the job, fact by fact. Times are seconds since its start."""

    def __init__(self, number: int, recorder: Recorder, start: float) -> None:
        self.number, self.recorder, self.start = number, recorder, start

    def tell(self, *facts: Callable[[float], Fact] | Fact) -> None:
        self.recorder.record([fact(self.start) if callable(fact) else fact for fact in facts])

    def print(self, node: int, at: float, text: str) -> None:
        """Let a node print lines, as a console brings them."""
        data = text.replace("\n", "\r\n").encode()
        console_log.append(self.number, [(node, data, self.start + at)])

    def print_lines(self, node: int, lines: list[tuple[float, str]]) -> None:
        """The same for many lines with a time each, at once."""
        pieces = [(node, f"{text}\r\n".encode(), self.start + at) for at, text in lines]
        console_log.append(self.number, pieces)

    def where(self, node: int, line_start: str) -> int:
        """Return the byte offset of the first line that begins so."""
        _, data = console_log.read(self.number, node, 0, 1 << 20)
        return data.index(line_start.encode())

    def phase(self, node: int, phase: str, what: str, at: float) -> None:
        self.recorder.record(
            [PhaseStarted(node=node, phase=phase, what=what, at=self.start + at)]  # type: ignore[arg-type]
        )

    def result(self, node: int, suite: str, case: str, result: Verdict, at: float, **fields: object) -> None:
        self.recorder.record(
            [
                ResultReported(
                    node=node,
                    suite=suite,
                    case=case,
                    result=result,
                    at=self.start + at,
                    **fields,  # type: ignore[arg-type]
                )
            ]
        )

    def signal(self, node: int, suite: str, case: str, result: Verdict, at: float, **fields: object) -> None:
        """Print a test signal and report the result it stands for."""
        extra = "".join(f" {k.upper()}={v}" for k, v in fields.items() if k in ("measurement", "units"))
        line = f"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID={case} RESULT={result}{extra}>"
        self.print(node, at, line + "\n")
        self.result(node, suite, case, result, at, offset=self.where(node, line), **fields)


def begin(user: User, monkeypatch: pytest.MonkeyPatch, *, ago: float = 506.0) -> Story:
    """Submit the job, give it a board and start it, as if that had been `ago` seconds ago."""
    start = time.time() - ago
    number = commands.submit_job(DEFINITION, user=user, cause="web")
    assert number in [one.job for one in commands.schedule()]
    with monkeypatch.context() as patched:
        patched.setattr(commands, "time", SimpleNamespace(time=lambda: start))
        fence = commands.start_job(number, "worker-1")
    return Story(number, Recorder(number, fence), start)


def tell_until_stall(story: Story) -> None:
    """Everything up to the moment at which client-2 hangs and the others wait."""
    boot_host(story)
    boot_vms(story)
    meet(story)
    move_data(story)
    stall(story)


def boot_host(story: Story) -> None:
    s = story.start
    story.phase(HOST, "deploy", "installed system", 0)
    story.print(HOST, 1, "Connecting to bench-02 by ssh\n")
    story.phase(HOST, "boot", "connect by ssh", 40)
    story.print(HOST, 78, "Linux bench-02 6.1.0-32-arm64 #1 SMP Debian 6.1.129-1 aarch64 GNU/Linux\n")
    story.result(HOST, "lava", "sftp", "pass", 80, message="an sftp session opens")
    story.result(HOST, "lava", "qemu-system-aarch64", "pass", 81)
    story.result(HOST, "lava", "kvm", "skip", 82, message="/dev/kvm hangs, VMs are emulated")
    story.tell(
        NoteTaken(
            node=HOST, level="warning", text="KVM hangs on this board: its VMs are emulated.", at=s + 82
        )
    )
    story.phase(HOST, "test", "kvm-host-smoke", 86)
    story.tell(SuiteStarted(node=HOST, suite="kvm-host-smoke", uuid="0.0", at=s + 86))
    story.print(HOST, 87, "<LAVA_TEST_RUNNER>: started kvm-host-smoke\n")
    for case, at in (("bridge-up", 110), ("qemu-version", 122), ("disk-space", 131)):
        story.signal(HOST, "kvm-host-smoke", case, "pass", at)


def boot_vms(story: Story) -> None:
    s = story.start
    for node, name, begun in (
        (SERVER, "server", 203),
        (CLIENT_1, "client-1", 206),
        (CLIENT_2, "client-2", 209),
    ):
        story.phase(node, "deploy", f"copy {name}.img (64 MB)", begun)
        story.phase(node, "boot", "boot", begun + 45)
        story.tell(
            VmStarted(
                node=node, command=f"qemu-system-aarch64 … -name {name}", pid=1480 + node, at=s + begun + 46
            )
        )
        story.print(node, begun + 47, "\x1b[0mBooting Linux on physical CPU 0x0000000000 [0x410fd034]\n")
        story.print_lines(
            node,
            [
                (
                    begun + 48 + step / 8,
                    f"[    {step * 0.0417:.6f}] virtio_blk virtio{step % 4}: [vda] {step * 2048} sectors",
                )
                for step in range(60)
            ],
        )
        story.print(node, begun + 58, f"Debian GNU/Linux 12 {name} ttyAMA0\n{name} login: root\n")
        story.result(node, "lava", "boot", "pass", begun + 60, measurement="14.2", units="s")
        story.result(node, "lava", "login", "pass", begun + 62)


def meet(story: Story) -> None:
    s = story.start
    everybody = ["host", "server", "client-1", "client-2"]
    for node, at in ((HOST, 262), (SERVER, 284), (CLIENT_1, 295)):
        story.phase(node, "wait", "vms-up", at)
        story.print(node, at, "<LAVA_MULTI_NODE> <LAVA_SYNC vms-up>\n")
        story.tell(
            WaitStarted(
                node=node,
                kind="sync",
                id="vms-up",
                role="",
                needs=[n for n in everybody if n != everybody[node]],
                at=s + at,
            )
        )
    story.print(CLIENT_2, 312, "<LAVA_MULTI_NODE> <LAVA_SYNC vms-up>\n")
    story.tell(WaitStarted(node=CLIENT_2, kind="sync", id="vms-up", role="", needs=[], at=s + 312))
    for node in range(4):
        story.tell(WaitEnded(node=node, kind="sync", id="vms-up", ok=True, reason="", at=s + 312))
        story.print(node, 312, "<LAVA_SYNC_COMPLETE>\n")


def move_data(story: Story) -> None:
    s = story.start
    story.phase(HOST, "test", "kvm-stat", 312)
    story.signal(HOST, "kvm-stat", "exits-sane", "pass", 331)
    story.signal(HOST, "kvm-stat", "mem-overcommit", "pass", 343)
    story.tell(SuiteEnded(node=HOST, suite="kvm-stat", uuid="0.1", at=s + 344))
    story.phase(SERVER, "test", "net-server", 312)
    story.signal(SERVER, "net-server", "dhcp-lease", "pass", 314, message="192.168.77.10")
    story.signal(SERVER, "net-server", "iperf-listen", "pass", 321, message="port 5201")
    story.tell(
        MessageSent(
            node=SERVER, id="server-ready", data={"ipaddr": "192.168.77.10", "port": "5201"}, at=s + 322
        )
    )
    story.phase(HOST, "wait", "waits for VMs", 344)
    story.tell(
        WaitStarted(
            node=HOST, kind="vms", id="", role="", needs=["server", "client-1", "client-2"], at=s + 344
        )
    )
    story.phase(SERVER, "wait", "all traffic-done", 330)
    story.print(SERVER, 330, "<LAVA_MULTI_NODE> <LAVA_WAIT_ALL traffic-done client>\n")
    story.tell(
        WaitStarted(
            node=SERVER,
            kind="wait-all",
            id="traffic-done",
            role="client",
            needs=["client-1", "client-2"],
            at=s + 330,
        )
    )
    for node in (CLIENT_1, CLIENT_2):
        story.phase(node, "test", "net-client", 322)
        story.tell(SuiteStarted(node=node, suite="net-client", uuid=f"{node}.0", at=s + 322))
        story.signal(node, "net-client", "ping-server", "pass", 331, measurement="0.41", units="ms")
        story.signal(node, "net-client", "dns-resolve", "pass", 333)
        story.signal(node, "net-client", "mtu-9000", "skip", 334, message="tap mtu 1500")
        for second in range(0, 30, 10):
            story.print(
                node,
                344 + second,
                f"[  5]  {second:2}.00-{second + 10}.00  sec   492 MBytes   413 Mbits/sec    0\n",
            )
        story.signal(node, "net-client", "iperf-tcp", "pass", 394, measurement="413", units="Mbit/s")
    story.signal(
        CLIENT_1,
        "net-client",
        "iperf-udp",
        "fail",
        425,
        measurement="11.8",
        units="% loss",
        message="more than 1 % lost",
    )
    story.signal(CLIENT_1, "net-client", "scp-roundtrip", "pass", 429, measurement="64", units="MiB")
    story.tell(
        MessageSent(node=CLIENT_1, id="traffic-done", data={"result": "ok"}, at=s + 430),
        WaitStarted(
            node=SERVER, kind="wait-all", id="traffic-done", role="client", needs=["client-2"], at=s + 430
        ),
    )
    story.phase(CLIENT_1, "wait", "server-stop", 430)
    story.tell(
        WaitStarted(node=CLIENT_1, kind="wait", id="server-stop", role="", needs=["server"], at=s + 430)
    )


def stall(story: Story) -> None:
    story.phase(CLIENT_2, "test", "iperf-udp", 396)
    story.tell(CaseStarted(node=CLIENT_2, suite="net-client", case="iperf-udp", at=story.start + 396))
    story.print(CLIENT_2, 437, "[  170.886401] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\n")
    for line in (
        "CPU: 0 PID: 214 Comm: iperf3 Not tainted 6.1.0-32-arm64 #1",
        "Hardware name: linux,dummy-virt (DT)",
        "Call trace:",
        " dump_backtrace+0xe4/0x140",
        " dev_hard_start_xmit+0xa4/0x214",
    ):
        story.print(CLIENT_2, 437.5, f"[  170.889790] {line}\n")
    story.print(CLIENT_2, 445, "[  178.601320] virtio_net virtio0: output.0:id 61 is not a head!\n")


def lose_client_2(story: Story) -> None:
    """The end: client-2 is cut off, all others are released, the host is cleaned."""
    s, end = story.start, 506.0
    words = "The test shell of client-2 printed nothing for 60 s and did not end; its VM was killed."
    story.tell(NodeClosed(node=CLIENT_2, reason="killed after a timeout", ok=False, at=s + end))
    for node, kind, wait in (
        (SERVER, "wait-all", "traffic-done"),
        (CLIENT_1, "wait", "server-stop"),
        (HOST, "vms", ""),
    ):
        story.tell(
            WaitEnded(node=node, kind=kind, id=wait, ok=False, reason="client-2 is closed", at=s + end),  # type: ignore[arg-type]
            NodeClosed(node=node, reason="actions done", ok=True, at=s + end),
        )
    story.tell(
        PhaseEnded(node=HOST, at=s + end),
        CleanedUp(
            checks=[
                Check(what="processes of the job", found="none", ok=True),
                Check(what="overlay disks", found="removed", ok=True),
                Check(what="job's key", found="removed", ok=True),
            ],
            clean=True,
            at=s + end,
        ),
    )
    story.recorder.finish(
        outcome="incomplete",
        failure=Failure(kind="test", message=words, node=CLIENT_2, action="lava_test_shell"),
        at=s + end,
    )
