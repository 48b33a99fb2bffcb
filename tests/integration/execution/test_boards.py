"""Runs on a board with a console, a power switch and a boot loader: scripted, but for shell and ssh."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devices.deploy import deploy_method
from devices.domain.config import BootConfig, ConsoleConfig, LoaderStep, Netboot, PowerConfig
from devices.drivers.serial_line import open_console
from jobs.domain.definition.model import BootImage, CommandRun, DeployKernel, Login, TestSource
from jobs.domain.events import CleanedUp, Fact, NodeClosed, PhaseStarted, ResultReported, SuiteStarted
from jobs.execution.boards.equipment import Equipment
from jobs.execution.cleanup import clean_host
from jobs.execution.ports import Cancellation
from lab.kernel.deadline import Deadline
from tests.integration.execution.lab import Lab, Ran, shell_action, suite
from tests.support.metal import LINUX, Boot, Metal

pytestmark = pytest.mark.timeout(240)

LOADER = (
    LoaderStep(expect="Hit any key", send=" ", newline=False, within=5),
    LoaderStep(expect="=> $", send="setenv serverip {server}", within=5),
    LoaderStep(expect="=> $", send="tftp ${kernel_addr_r} {kernel}", within=5),
    LoaderStep(expect="=> $", send="tftp ${ramdisk_addr_r} {ramdisk}", within=5),
    LoaderStep(expect="=> $", send="setenv bootargs console=ttyAMA0 {options}", within=5),
    LoaderStep(expect="=> $", send="booti ${kernel_addr_r} - ${fdtcontroladdr}", within=5),
)
OWN_SYSTEM = (*LOADER[:1], LoaderStep(expect="=> $", send="boot", within=5))


@pytest.fixture
def board(lab: Lab) -> Lab:
    """A lab whose board is metal: netbooted, entered by its console, and keeping nothing."""
    root = lab.folder / "tftp"
    root.mkdir()
    public = lab.folder / "host.pub"
    public.write_text(f"{lab.board.ssh.host_key} root@metal\n")
    lab.board = replace(
        lab.board,
        ssh=replace(lab.board.ssh, key_file="", host_key=""),
        console=ConsoleConfig(url="fake://"),
        power=PowerConfig(method="command", on="on", off="off", off_seconds=0),
        boot=BootConfig(
            loader=LOADER,
            loader_prompt="=> $",
            login_prompt="login: $",
            username="root",
            timeout=20,
            ssh_timeout=15,
            host_key_command=f"cat {public}",
        ),
        deploy="netboot",
        netboot=Netboot(folder=str(root), server="10.0.2.2"),
        volatile=True,
        cleanup_timeout=20,
    )
    return lab


def of(metal: Metal) -> Equipment:
    return Equipment(open_console=metal.open_console, switch=metal.switch, deploy_method=deploy_method)


def kernel(lab: Lab, **more: Any) -> DeployKernel:
    path = lab.folder / "Image"
    path.write_bytes(b"MZ not really a kernel" * 100)
    return DeployKernel(command="deploy_linaro_kernel", index=0, role="host", kernel=path.as_uri(), **more)


def own_system(lab: Lab, **more: Any) -> None:
    """Let the board boot what is installed on it, and keep what jobs write."""
    boot = replace(lab.board.boot, loader=OWN_SYSTEM, **more)
    lab.board = replace(lab.board, boot=boot, deploy="none", volatile=False)


def run(lab: Lab, metal: Metal, *actions: Any, installed: bool = False, **more: Any) -> Ran:
    return lab.run(
        *actions,
        vms=more.pop("vms", [lab.shell_vm("a")]),
        equipment=of(metal),
        installed=installed,
        **more,
    )


def lava(ran: Ran) -> dict[str, str]:
    return ran.results("lava", 0)


def test_a_board_is_deployed_booted_reached_tested_and_switched_off(board: Lab) -> None:
    metal = Metal()
    served: list[str] = []
    tftp = Path(board.board.netboot.folder)

    def look(what: str) -> None:
        if what == "on":
            served.extend(path.name for path in tftp.rglob("*") if path.is_file())

    metal.on_power = look
    ran = run(
        board,
        metal,
        kernel(board),
        shell_action("", suite("all", "lava-test-case ran --result pass"), lava_test_dir=board.roots()),
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert ran.results("all", 0)["ran"] == ran.results("all", 1)["ran"] == "pass"
    assert metal.power == ["off", "on", "off"]
    assert metal.opened_while == [False], "the console is open before the power is"
    assert served == ["kernel"]
    assert [path for path in tftp.rglob("*") if path.is_file()] == [], "what was deployed is taken away"
    assert metal.typed[:3] == [
        "setenv serverip 10.0.2.2",
        "tftp ${kernel_addr_r} labbook/1/kernel",
        "setenv bootargs console=ttyAMA0 ",
    ]
    milestones = ["power-on", "boot-loader", "kernel-started", "login-prompt", "shell-prompt", "ssh", "sftp"]
    assert [case for case in lava(ran) if case in milestones] == milestones
    reported = {one.case: one for one in ran.of(ResultReported) if one.node == 0}
    offset = reported["kernel-started"].offset
    assert offset is not None
    assert ran.consoles[0][offset:].startswith(LINUX[0].encode())
    assert reported["shell-prompt"].seconds is not None
    text = ran.text(0)
    assert text.index("U-Boot 2023.01") < text.index("Linux version") < text.index("metal login: root")
    assert text.index("metal login: root") < text.index("TEST_CASE_ID=ran")
    (evidence,) = ran.of(CleanedUp)
    assert ran.ending.clean
    assert [(one.what, one.ok) for one in evidence.checks] == [
        ("power", True),
        ("processes, files and key of the job", True),
        ("what was deployed", True),
    ]


def test_a_board_that_keeps_what_is_written_is_cleaned_before_it_is_switched_off(board: Lab) -> None:
    own_system(board)
    metal = Metal()
    ran = run(board, metal, shell_action("host", suite("x", "true")), installed=True)

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert metal.power == ["on", "off"]
    board.assert_host_is_clean(ran)
    (evidence,) = ran.of(CleanedUp)
    assert evidence.checks[-1].what == "power"


def test_two_shells_mean_a_power_cycle_and_the_tests_anew(board: Lab) -> None:
    own_system(board)
    metal = Metal()
    ran = run(
        board,
        metal,
        shell_action("host", suite("one", "lava-test-case ran --result pass")),
        BootImage(command="boot_linaro_image", index=0, role="host", boot_cmds=("setenv x y", "boot")),
        shell_action("host", suite("two", "lava-test-case ran --result pass")),
        shell_action("host", suite("three", "lava-test-case ran --result pass")),
        installed=True,
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert [ran.results(name)["ran"] for name in ("one", "two", "three")] == ["pass"] * 3
    assert metal.power == ["on", "off", "on", "off", "on", "off"]
    assert "setenv x y" in metal.typed
    assert ran.text(0).count("U-Boot 2023.01") == 3
    board.assert_host_is_clean(ran)


def boots_and_closings(ran: Ran) -> list[str]:
    """The boots of the host and the ends of the nodes, in their order."""
    told = []
    for one in ran.facts:
        if isinstance(one, PhaseStarted) and one.what == "boot loader":
            told.append("boot")
        elif isinstance(one, NodeClosed):
            told.append(f"closed {one.node}")
    return told


def test_the_host_is_deployed_anew_once_its_vms_are_closed(board: Lab) -> None:
    metal, served = Metal(), list[bytes]()
    tftp = Path(board.board.netboot.folder)

    def look(what: str) -> None:
        if what == "on":
            served.extend(path.read_bytes() for path in tftp.rglob("kernel"))

    metal.on_power = look
    second = board.folder / "Image-2"
    second.write_bytes(b"MZ another one")
    ran = run(
        board,
        metal,
        kernel(board),
        shell_action("host", suite("one", "lava-test-case ran --result pass")),
        shell_action(
            "a", suite("vm", "sleep 1", "lava-test-case ran --result pass"), lava_test_dir=board.roots()
        ),
        replace(kernel(board), kernel=second.as_uri()),
        shell_action("host", suite("two", "lava-test-case ran --result pass")),
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert [ran.results(name)["ran"] for name in ("one", "two")] == ["pass", "pass"]
    assert ran.results("vm", 1)["ran"] == "pass"
    assert served == [b"MZ not really a kernel" * 100, b"MZ another one"]
    assert metal.power == ["off", "on", "off", "on", "off"]
    assert boots_and_closings(ran) == ["boot", "closed 1", "boot", "closed 0"]
    assert ran.ending.clean, ran.ending.dirt


def test_a_host_that_is_booted_anew_before_its_first_test_shell_waits_for_its_vms(board: Lab) -> None:
    own_system(board)
    metal = Metal()
    ran = run(
        board,
        metal,
        CommandRun(command="lava_command_run", index=0, role="host", commands=("true",)),
        shell_action(
            "a", suite("vm", "sleep 1", "lava-test-case ran --result pass"), lava_test_dir=board.roots()
        ),
        BootImage(command="boot_linaro_image", index=0, role="host"),
        shell_action("host", suite("one", "lava-test-case ran --result pass")),
        installed=True,
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert (ran.results("one")["ran"], ran.results("vm", 1)["ran"]) == ("pass", "pass")
    assert metal.power == ["on", "off", "on", "off"]
    assert boots_and_closings(ran) == ["boot", "closed 1", "boot", "closed 0"]


def test_commands_before_the_first_test_shell_leave_host_and_vms_running(board: Lab) -> None:
    own_system(board)
    metal = Metal()
    ran = run(
        board,
        metal,
        CommandRun(command="lava_command_run", index=0, role="host", commands=("true",)),
        shell_action("a", suite("vm", "lava-sync both"), lava_test_dir=board.roots()),
        shell_action("host", suite("one", "lava-sync both")),
        installed=True,
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert metal.power == ["on", "off"]


def test_a_boot_that_fails_is_tried_again(board: Lab) -> None:
    own_system(board, attempts=2)
    panics = (LINUX[0], "[ 1.0] Kernel panic - not syncing: bad luck", "[ 1.0] ---[ end Kernel panic ]---")
    metal = Metal(Boot(kernel=panics, ends="hang"), Boot())
    ran = run(board, metal, shell_action("host", suite("x", "true")), installed=True)

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert metal.power == ["on", "off", "on", "off"]
    assert "boot 1 of 2 failed, another one follows: the kernel of board-1 panicked" in ran.notes()


NO_ROOT = (
    LINUX[0],
    '[ 1.1] VFS: Cannot open root device "vda" or unknown-block(0,0): error -6',
    '[ 1.1] Please append a correct "root=" boot option; here are the available partitions:',
    "[ 1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
)


@pytest.mark.parametrize(
    ("boot", "words"),
    [
        (
            Boot(answers={"tftp": "TFTP error: 'File not found' (1)\nNot retrying...\n"}),
            r"boot loader of board-1 could not fetch a file over the network: TFTP error: 'File not found'"
            r" \(1\); the lines around it:\n(?s:.*)Not retrying",
        ),
        (
            Boot(answers={"booti": "Bad Linux ARM64 Image magic!\n"}),
            "boot loader of board-1 was given no kernel that it can start: Bad Linux ARM64 Image magic!",
        ),
        (Boot(answers={"setenv b": "Unknown command 'setenv' - try 'help'\n"}), "does not know a command"),
        (
            Boot(kernel=NO_ROOT, ends="hang"),
            r"kernel of board-1 found no root file system: \[ 1.1\] VFS: Cannot open root device"
            r"(?s:.*)Unable to mount root fs",
        ),
        (
            Boot(
                kernel=(LINUX[0], "[ 2.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0b")
            ),
            "kernel of board-1 lost its first process",
        ),
    ],
    ids=["tftp", "magic", "command", "root", "init"],
)
def test_what_keeps_a_deployed_board_from_booting_is_named(board: Lab, boot: Boot, words: str) -> None:
    metal = Metal(boot)
    ran = run(board, metal, kernel(board), shell_action("host", suite("x", "true")))

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node, failure.action) == ("job", 0, "boot")
    assert re.search(words, failure.message), failure.message
    assert metal.power[-1] == "off"
    assert ran.ending.clean, ran.ending.dirt
    assert ran.seconds < 60


def test_a_boot_loader_that_is_silent(board: Lab) -> None:
    loader = (LoaderStep(expect="never said", send=" ", within=0.5),)
    board.board = replace(board.board, boot=replace(board.board.boot, loader=loader))
    ran = run(board, Metal(), kernel(board), shell_action("host", suite("x", "true")))

    assert ran.ending.failure is not None
    assert ran.ending.failure.kind == "infrastructure"
    assert "the boot loader of board-1 did not say 'never said' within 0.5 s; the last it printed was" in (
        ran.ending.failure.message
    )


def test_a_boot_loader_that_needs_what_was_not_deployed(board: Lab) -> None:
    ran = run(board, Metal(), shell_action("host", suite("x", "true")), installed=True)

    assert ran.ending.failure is not None
    assert "tftp ${kernel_addr_r} {kernel}', but no kernel was deployed to the board" in (
        ran.ending.failure.message
    )


def test_a_login_of_the_definitions_own(board: Lab) -> None:
    login = Login(login_prompt="login: $", username="admin", login_commands=("true as-admin",))
    metal = Metal()
    ran = run(board, metal, kernel(board, login=login), shell_action("host", suite("x", "true")))

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert "admin" in metal.typed
    assert any(line.startswith("true as-admin;") for line in metal.typed)


def test_the_address_is_read_from_the_console(board: Lab) -> None:
    boot = replace(
        board.board.boot,
        address_command="echo inet 127.0.0.1/8 scope global",
        address=r"inet (\d+\.\d+\.\d+\.\d+)/",
    )
    board.board = replace(board.board, boot=boot, ssh=replace(board.board.ssh, host=""))
    ran = run(board, Metal(), kernel(board), shell_action("host", suite("x", "true")))

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert "board-1 has the address 127.0.0.1" in ran.notes()


def test_an_address_that_is_printed_while_booting(board: Lab) -> None:
    boot = replace(board.board.boot, address_command="", address=r"lease of (\S+) obtained")
    board.board = replace(board.board, boot=boot, ssh=replace(board.board.ssh, host=""))
    metal = Metal(Boot(kernel=(*LINUX, "udhcpc: lease of 127.0.0.1 obtained, lease time 86400")))
    ran = run(board, metal, kernel(board), shell_action("host", suite("x", "true")))

    assert ran.ending.outcome == "complete", ran.ending.failure


def test_a_board_without_an_address(board: Lab) -> None:
    boot = replace(board.board.boot, address_command="echo none yet", address="inet (.+)/", ssh_timeout=2)
    board.board = replace(board.board, boot=boot, ssh=replace(board.board.ssh, host=""))
    ran = run(board, Metal(), kernel(board), shell_action("host", suite("x", "true")))

    assert ran.ending.failure is not None
    assert (
        "no address of board-1 ('inet (.+)/') was found in what 'echo none yet' said within 2 s; it was:\n"
        in (ran.ending.failure.message)
    )


def test_a_board_without_host_keys(board: Lab) -> None:
    boot = replace(board.board.boot, host_key_command="cat /nowhere/key.pub", ssh_timeout=2)
    board.board = replace(board.board, boot=boot)
    ran = run(board, Metal(), kernel(board), shell_action("host", suite("x", "true")))

    assert ran.ending.failure is not None
    assert "board-1 shows no ssh host key on its console" in ran.ending.failure.message
    assert lava(ran)["ssh"] == "fail"


def crash(lab: Lab, metal: Metal, words: str) -> Any:
    """Return what lets the host die when its test and that of its VM have begun."""
    begun = set()

    def react(fact: Fact) -> None:
        if isinstance(fact, SuiteStarted):
            begun.add(fact.node)
        if isinstance(fact, SuiteStarted) and begun == {0, 1}:
            pid = int((Path(lab.server.key_file).parent / "pid").read_text())
            children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
            subprocess.run(["kill", "-STOP", str(pid), *children.stdout.split()], check=False)
            metal.print(words)

    return react


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        (
            "[ 9.1] sysrq: Trigger a crash\r\n[ 9.1] Kernel panic - not syncing: sysrq triggered crash\r\n",
            "the host crashed in mid-test: the kernel of board-1 panicked: [ 9.1] Kernel panic - not syncing",
        ),
        ("\r\nU-Boot 2023.01\r\n\r\n" + LINUX[0] + "\r\n", "the host board-1 has started anew in mid-test"),
    ],
    ids=["panic", "reboot"],
)
def test_a_host_that_dies_in_mid_test(board: Lab, printed: str, words: str) -> None:
    board.board = replace(board.board, ssh=replace(board.board.ssh, proof_timeout=1))
    metal = Metal()
    ran = run(
        board,
        metal,
        kernel(board),
        shell_action("host", suite("long", "sleep 1000"), timeout=100),
        shell_action("a", suite("vm", "sleep 1000"), timeout=100, lava_test_dir=board.roots()),
        react=crash(board, metal, printed),
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("test", 0)
    assert failure.message.startswith(words), failure.message
    closed = {one.node: one.reason for one in ran.of(NodeClosed)}
    assert closed[1].startswith(words)
    assert list(closed) == [1, 0]
    assert ran.seconds < 60, "nobody waits for what cannot come"
    assert metal.power[-1] == "off"
    assert ran.ending.clean, ran.ending.dirt


def test_words_of_a_crash_on_a_host_that_lives_are_a_warning(board: Lab) -> None:
    metal = Metal()

    def react(fact: Fact) -> None:
        if isinstance(fact, SuiteStarted) and fact.node == 0:
            metal.print("[ 9.1] Internal error: Oops: 96000004 [#1] SMP\r\n")

    ran = run(board, metal, kernel(board), shell_action("host", suite("x", "sleep 2")), react=react)

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert "Oops: 96000004 [#1] SMP; it goes on to answer" in ran.notes()
    assert "Oops: 96000004" in ran.text(0)


def test_a_board_that_cannot_be_switched_off_is_not_called_clean(board: Lab) -> None:
    metal = Metal()

    def react(fact: Fact) -> None:
        metal.stuck = metal.stuck or isinstance(fact, SuiteStarted)

    ran = run(board, metal, kernel(board), shell_action("host", suite("x", "true")), react=react)

    assert not ran.ending.clean
    assert "power: could not be switched off: the power switch (fake) did not switch" in ran.ending.dirt


def test_a_lost_run_on_a_board_that_keeps_nothing_is_ended_by_its_switch(board: Lab) -> None:
    metal = Metal()
    metal.on(Deadline.after(1))
    left = Path(board.board.netboot.folder) / "labbook" / "7"
    left.mkdir(parents=True)
    (left / "kernel").touch()

    evidence = clean_host(board.board, 7, Deadline.after(30, "the clean-up"), equipment=of(metal))

    assert evidence.clean, evidence.dirt
    assert metal.power == ["on", "off"]
    assert not left.exists()


def test_a_lost_run_on_a_board_that_keeps_what_is_written_is_cleaned_by_booting_it(board: Lab) -> None:
    own_system(board)
    left = board.folder / "work" / "jobs" / "7"
    left.mkdir(parents=True)
    (left / "handle").write_text("a-handle-of-nobody\n")
    (left / "network").write_text("010203E6:4E21\n")
    metal = Metal()

    evidence = clean_host(board.board, 7, Deadline.after(60, "the clean-up"), equipment=of(metal))

    assert evidence.clean, evidence.dirt
    assert metal.power == ["on", "off"]
    assert not left.exists()
    assert "labbook-" not in board.server.authorized_keys.read_text().replace("labbook-demo", "")


def test_a_cancellation_while_a_board_boots_switches_it_off(board: Lab) -> None:
    cancel = Cancellation()

    def react(fact: Fact) -> None:
        if isinstance(fact, ResultReported) and fact.case == "kernel-started":
            cancel.cancel("by bob")

    metal = Metal(Boot(ends="hang"))
    ran = run(
        board, metal, kernel(board), shell_action("host", suite("x", "true")), react=react, cancel=cancel
    )

    assert ran.ending.outcome == "canceled"
    assert metal.power == ["off", "on", "off"]
    assert ran.ending.clean, ran.ending.dirt
    assert ran.seconds < 15


def test_a_definition_that_is_no_good_ends_the_run_while_the_board_still_boots(board: Lab) -> None:
    metal = Metal(Boot(ends="hang"))
    ran = run(board, metal, kernel(board), shell_action("a", TestSource(inline="metadata: [\n")))

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.action) == ("job", "lava_test_shell")
    assert ran.seconds < 15, "the boot would have taken 20 s"
    assert ran.notes().count(failure.message) == 1
    assert metal.power[-1] == "off"
    assert ran.ending.clean, ran.ending.dirt


def test_a_console_that_cannot_be_opened(board: Lab) -> None:
    board.board = replace(board.board, console=ConsoleConfig(url="/nowhere/ttyUSB0", reconnect=0))
    metal = Metal()
    ran = board.run(
        kernel(board),
        shell_action("host", suite("x", "true")),
        vms=[board.shell_vm("a")],
        equipment=replace(of(metal), open_console=open_console),
        installed=False,
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("infrastructure", 0)
    assert "/nowhere/ttyUSB0" in failure.message
    assert metal.power == ["off"], "it is left switched off"
