"""Whole runs on a real sshd, with shells in the place of VMs: the host they find, and how they leave it."""

from __future__ import annotations

import hashlib
import io
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from devices.drivers import ssh
from jobs.domain.definition.model import (
    DeployImage,
)
from jobs.domain.events import (
    CleanedUp,
    Fact,
    ImageUsed,
    SuiteStarted,
    TransferProgressed,
)
from jobs.execution.arrival import Arrival
from jobs.execution.cleanup import clean_host
from jobs.execution.ports import ConsoleFull, Superseded
from lab.kernel.deadline import Deadline
from tests.integration.execution.lab import Lab, Watching, shell_action, suite

pytestmark = pytest.mark.timeout(180)


def test_a_host_that_refuses_ssh(lab: Lab) -> None:
    lab.board = replace(lab.board, ssh=replace(lab.board.ssh, port=1))
    ran = lab.run(shell_action("a", suite("vm", "true")), vms=[lab.shell_vm("a")])

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("infrastructure", 0)
    assert "the connection was refused" in failure.message
    assert ran.results("lava")["ssh"] == "fail"
    assert ran.ending.clean
    assert ran.closed() == [1, 0]


def test_a_host_with_another_key(lab: Lab) -> None:
    kind, key = lab.board.ssh.host_key.split()
    other = key[:-6] + ("AAAAAA" if key[-6:] != "AAAAAA" else "BBBBBB")
    lab.board = replace(lab.board, ssh=replace(lab.board.ssh, host_key=f"{kind} {other}"))
    ran = lab.run(shell_action("a", suite("vm", "true")), vms=[lab.shell_vm("a")])

    assert ran.ending.failure is not None
    assert "the host key is not the configured one" in ran.ending.failure.message


def test_a_host_that_does_not_take_the_jobs_key(lab: Lab) -> None:
    elsewhere = str(lab.folder / "elsewhere" / "keys")
    lab.board = replace(lab.board, ssh=replace(lab.board.ssh, authorized_keys=elsewhere))
    ran = lab.run(shell_action("a", suite("vm", "true")), vms=[lab.shell_vm("a")])

    assert ran.ending.failure is not None
    assert f"written to {elsewhere} on the host: is that the file that its sshd reads?" in (
        ran.ending.failure.message
    )
    lab.assert_host_is_clean(ran)


def test_a_host_without_the_hypervisor(lab: Lab) -> None:
    lab.vm_types["shell"] = replace(lab.vm_types["shell"], qemu="qemu-system-none")
    ran = lab.run(shell_action("a", suite("vm", "true")), vms=[lab.shell_vm("a", launch_with=())])

    assert ran.ending.failure is not None
    assert ran.ending.failure.kind == "infrastructure"
    assert "qemu-system-none is not installed on board-1" in ran.ending.failure.message
    assert ran.results("lava")["qemu-system-none"] == "fail"


def test_a_host_that_is_lost_in_mid_test_is_not_called_clean_without_proof(lab: Lab) -> None:
    def cut(fact: Fact) -> None:
        if isinstance(fact, SuiteStarted):
            pid = int((Path(lab.server.key_file).parent / "pid").read_text())
            children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
            subprocess.run(["kill", "-9", str(pid), *children.stdout.split()], check=False)

    lab.board = replace(lab.board, cleanup_timeout=3)
    ran = lab.run(shell_action("host", suite("long", "sleep 1000")), vms=[lab.shell_vm("a")], react=cut)

    assert ran.ending.outcome == "incomplete"
    assert ran.ending.failure is not None
    assert ran.ending.failure.kind == "infrastructure"
    assert not ran.ending.clean
    assert "ssh to" in ran.ending.dirt
    assert ran.ending.failure.node == 0


def test_a_host_that_booted_anew_in_mid_test_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Arrival, "boot_id", "of-the-boot-before")

    def cut(fact: Fact) -> None:
        if isinstance(fact, SuiteStarted):
            pid = (Path(lab.server.key_file).parent / "pid").read_text().strip()
            children = subprocess.run(["pgrep", "-P", pid], capture_output=True, text=True, check=False)
            subprocess.run(["kill", "-9", *children.stdout.split()], check=False)

    ran = lab.run(shell_action("host", suite("long", "sleep 1000")), vms=[lab.shell_vm("a")], react=cut)

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("infrastructure", 0)
    assert "was lost; board-1 has booted anew in mid-test: it crashed, or was rebooted" in failure.message
    lab.assert_host_is_clean(ran)


def test_what_an_earlier_run_left_is_cleaned_first(lab: Lab) -> None:
    left = lab.folder / "work" / "jobs" / "1"
    left.mkdir(parents=True)
    (left / "handle").write_text("abc\n")
    ran = lab.run(shell_action("host", suite("x", "true")), vms=[lab.shell_vm("a")])

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert "was not cleaned up" in ran.notes()
    lab.assert_host_is_clean(ran)


def test_what_a_test_leaves_in_the_background_is_found_and_ended(lab: Lab) -> None:
    mark = f"labbook-test-{lab.folder.name}"
    ran = lab.run(
        shell_action(
            "host",
            suite(
                "leaves",
                f"setsid env NAME={mark} sleep 1001 >/dev/null 2>&1 </dev/null &",
            ),
        ),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    (evidence,) = ran.of(CleanedUp)
    assert any("had to be killed" in check.found for check in evidence.checks)
    lab.assert_host_is_clean(ran)
    assert subprocess.run(["pgrep", "-f", "sleep 1001"], check=False).returncode == 1


def test_a_lost_run_is_cleaned_up_by_its_number_alone(lab: Lab) -> None:
    watching = Watching(supersede_after=20)
    with pytest.raises(Superseded):
        lab.run(
            shell_action("", suite("long", "sleep 1000"), lava_test_dir=lab.roots()),
            vms=[lab.shell_vm("a")],
            watching=watching,
        )
    assert list((lab.folder / "work" / "jobs").iterdir()), "a run that is not ours any more touches nothing"

    evidence = clean_host(lab.board, lab.jobs, Deadline.after(30, "the clean-up"))

    assert evidence.clean, evidence.dirt
    lab.assert_host_is_clean()


def test_two_jobs_share_a_host(lab: Lab, tmp_path: Path) -> None:
    second = Lab(lab.server, lab.folder, ())
    second.jobs = 100
    results = {}

    def go(one: Lab, name: str) -> None:
        results[name] = one.run(
            shell_action("", suite("x", "lava-sync here"), lava_test_dir=lab.roots()), vms=[one.shell_vm("a")]
        )

    threads = [threading.Thread(target=go, args=pair) for pair in ((lab, "one"), (second, "two"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {name: ran.ending.outcome for name, ran in results.items()} == {
        "one": "complete",
        "two": "complete",
    }
    lab.assert_host_is_clean()


def test_a_console_that_prints_too_much_ends_its_node(lab: Lab) -> None:
    class Small(Watching):
        def write(self, node: int, data: bytes) -> int:
            offset = super().write(node, data)
            if offset > 300_000:
                raise ConsoleFull("a has printed more than 300000 bytes, which is all that this lab keeps")
            return offset

    ran = lab.run(
        shell_action("a", suite("prints", "yes | head -c 3000000"), lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a")],
        watching=Small(),
    )

    assert ran.ending.failure is not None
    assert (ran.ending.failure.kind, ran.ending.failure.node) == ("test", 1)
    assert "has printed more than 300000 bytes" in ran.ending.failure.message
    lab.assert_host_is_clean(ran)


def test_a_second_deploy_of_an_image_copies_nothing(lab: Lab) -> None:
    big = lab.folder / "big.img"
    big.write_bytes(bytes(510) + b"\x55\xaa" + bytes(200_000))
    deploy = DeployImage(command="deploy_linaro_image", index=0, image=big.as_uri(), role="a")
    first = lab.run(deploy, vms=[lab.shell_vm("a", image="", count=2)])
    second = lab.run(deploy, vms=[lab.shell_vm("a", image="", count=2)])

    def copies(phases: list[str]) -> int:
        return sum("copy big.img" in one for one in phases)

    assert first.ending.outcome == second.ending.outcome == "complete", (first.ending, second.ending)
    assert copies(first.phases(1) + first.phases(2)) == 1
    assert copies(second.phases(1) + second.phases(2)) == 0
    size = big.stat().st_size
    moved = [(one.what, one.done, one.total) for one in first.of(TransferProgressed) if one.ended]
    assert ("fetch big.img", size, size) in moved
    assert ("copy big.img", size, size) in moved
    assert second.of(TransferProgressed) == []
    digest = hashlib.sha256(big.read_bytes()).hexdigest()
    used = [(one.node, one.key, one.url, one.sha256, one.size) for one in second.of(ImageUsed)]
    assert sorted(used) == [(node, "image", big.as_uri(), digest, size) for node in (1, 2)]


def test_the_cache_on_the_host_keeps_its_limit(lab: Lab) -> None:
    lab.board = replace(lab.board, cache_limit=1)
    names = []
    for number in range(3):
        path = lab.folder / f"{number}.img"
        path.write_bytes(bytes(510) + b"\x55\xaa" + bytes([number]) * 600_000)
        ran = lab.run(vms=[lab.shell_vm("a", image=path.as_uri())])
        assert ran.ending.outcome == "complete", ran.ending.failure
        names.append({one.name for one in (lab.folder / "work" / "cache").iterdir()})

    assert [len(one) for one in names] == [1, 1, 1]
    assert names[0] != names[2]


def test_the_worker_leaves_no_connection_behind(lab: Lab) -> None:
    host = ssh.connect(lab.board.ssh, Deadline.after(20))
    host.put(io.BytesIO(b"x"), str(lab.folder / "x"), Deadline.after(20))
    host.close()

    assert [t.name for t in threading.enumerate() if "probe" in t.name or "ask" in t.name] == []
