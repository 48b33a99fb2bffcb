"""Whole runs on a real sshd, with shells in the place of VMs: what goes wrong with images, VMs and tests."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from jobs.domain.definition.model import (
    DeployImage,
    TestSource,
)
from jobs.domain.events import (
    Fact,
    NodeClosed,
    SuiteStarted,
    VmStarted,
    WaitEnded,
)
from lab.kernel.deadline import Deadline
from tests.integration.execution.lab import Lab, shell_action, suite

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("missing.img", "does not exist on the worker"),
        ("../outside.img", "may not be used: file:// URLs must lie below"),
        ("empty.img", "is not a disk image: it is empty"),
    ],
)
def test_an_image_that_is_no_good(lab: Lab, image: str, words: str) -> None:
    (lab.folder.parent / "outside.img").write_bytes(b"x" * 1024)
    (lab.folder / "empty.img").touch()
    ran = lab.run(
        DeployImage(command="deploy_linaro_image", index=0, role="a", image=f"file://{lab.folder}/{image}"),
        shell_action("a", suite("vm", "true")),
        vms=[lab.shell_vm("a", image=""), lab.shell_vm("b")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node, failure.action) == ("job", 1, "deploy_linaro_image")
    assert words in failure.message
    assert ran.of(VmStarted) == []
    assert ran.closed()[-1] == 0
    assert len(ran.closed()) == 3
    lab.assert_host_is_clean(ran)


def test_a_wrong_digest(lab: Lab) -> None:
    ran = lab.run(
        DeployImage(command="deploy_linaro_image", index=0, role="a", image=lab.an_image(), sha256="0" * 64),
        shell_action("a", suite("vm", "true")),
        vms=[lab.shell_vm("a", image="")],
    )

    assert ran.ending.failure is not None
    assert "is not the expected content" in ran.ending.failure.message


def test_a_test_definition_that_is_no_good(lab: Lab) -> None:
    ran = lab.run(
        shell_action("a", TestSource(inline="metadata: [\n")),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.failure is not None
    assert (ran.ending.failure.kind, ran.ending.failure.action) == ("job", "lava_test_shell")
    assert "inline" in ran.ending.failure.message


def test_a_deploy_that_an_always_on_host_cannot_do(lab: Lab) -> None:
    ran = lab.run(
        DeployImage(command="deploy_linaro_image", index=0, role="host", image=lab.an_image()),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.failure is not None
    assert "is an always-on host: deploy_linaro_image cannot change what it boots; use dummy_deploy" in (
        ran.ending.failure.message
    )
    assert ran.ending.failure.node == 0


def test_a_wrong_prompt(lab: Lab) -> None:
    lab.vm_types["shell"] = replace(lab.vm_types["shell"], boot_timeout=3)
    ran = lab.run(
        shell_action("a", suite("vm", "true")),
        vms=[
            lab.shell_vm(
                "a", shell_prompt="never-this> $", launch_with=("stty sane -echo", "PS1='other> ' exec sh -i")
            )
        ],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node, failure.action) == ("job", 1, "lava_test_shell")
    assert "a did not come to a shell prompt ('never-this> $') within" in failure.message
    assert "other>" in failure.message, "what it printed instead is shown"


def test_a_vm_that_never_boots(lab: Lab) -> None:
    lab.vm_types["shell"] = replace(lab.vm_types["shell"], boot_timeout=2)
    ran = lab.run(
        shell_action(
            "", suite("vm", "lava-sync all || lava-test-case told --result pass"), lava_test_dir=lab.roots()
        ),
        vms=[lab.shell_vm("a", launch_with=("exec sleep 1000",)), lab.shell_vm("b")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("job", 1)
    assert "within 2 s; it printed nothing" in failure.message
    assert ran.results("vm", 2)["told"] == ran.results("vm", 0)["told"] == "pass", (
        "the others are told at once"
    )
    waits = [one for one in ran.of(WaitEnded) if one.kind == "sync"]
    assert waits
    assert all("a is closed" in one.reason for one in waits)
    lab.assert_host_is_clean(ran)


def test_a_vm_whose_command_fails(lab: Lab) -> None:
    ran = lab.run(
        shell_action("a", suite("vm", "true")),
        vms=[lab.shell_vm("a", launch_with=("echo preparing", "no-such-hypervisor --run"))],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("job", 1)
    assert "a ended while it booted" in failure.message
    assert "no-such-hypervisor" in failure.message


def test_a_vm_that_panics(lab: Lab) -> None:
    panics = "echo Booting; echo 'Kernel panic - not syncing: no luck'; sleep 1000"
    ran = lab.run(shell_action("a", suite("vm", "true")), vms=[lab.shell_vm("a", launch_with=(panics,))])

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("job", 1)
    assert failure.message == (
        "the kernel of a panicked: Kernel panic - not syncing: no luck; the lines around it:\n"
        "Booting\nKernel panic - not syncing: no luck"
    )
    assert [one.reason for one in ran.of(NodeClosed) if one.node == 1] == [
        "the kernel of a panicked: Kernel panic - not syncing: no luck"
    ]
    assert ran.seconds < 30
    lab.assert_host_is_clean(ran)


def test_a_test_that_hangs_on_a_vm(lab: Lab) -> None:
    ran = lab.run(
        shell_action(
            "a",
            suite("hangs", "lava-test-case before --result pass", "lava-test-case long --shell sleep 1000"),
            timeout=8,
            lava_test_dir=lab.roots(),
        ),
        shell_action("host", suite("waits", "lava-wait never || lava-test-case told --result pass")),
        shell_action("host", suite("after", "lava-test-case ran --result pass")),
        vms=[lab.shell_vm("a")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node, failure.action) == ("test", 1, "lava_test_shell")
    assert (
        "the test shell of a did not end within 8 s, in hangs, case long; 1 result until then"
        in failure.message
    )
    assert ran.results("hangs") == {"before": "pass"}
    assert ran.results("waits")["told"] == "pass"
    assert ran.results("after")["ran"] == "pass", "the gate opens when a VM is closed, for whatever reason"
    lab.assert_host_is_clean(ran)


def test_a_test_that_hangs_on_the_host(lab: Lab) -> None:
    ran = lab.run(
        shell_action("host", suite("hangs", "sleep 1000"), timeout=3),
        shell_action("host", suite("after", "lava-test-case ran --result pass")),
        shell_action("a", suite("vm", "lava-test-case x --result pass"), lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("test", 0)
    assert ran.results("after") == {}
    assert ran.results("vm")["x"] == "pass"
    lab.assert_host_is_clean(ran)


def test_a_shell_that_is_killed_by_its_test(lab: Lab) -> None:
    ran = lab.run(
        shell_action(
            "a", suite("kills", "lava-test-case x --result pass", "kill -9 $PPID"), lava_test_dir=lab.roots()
        ),
        vms=[lab.shell_vm("a")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert failure.kind == "test"
    assert "ended early" in failure.message
    assert (
        "1 result until then are kept" in failure.message or "1 result until then is kept" in failure.message
    )


def test_a_vm_that_is_gone_in_mid_test(lab: Lab) -> None:
    ran = lab.run(
        shell_action(
            "a",
            suite(
                "dies",
                "lava-test-case x --result pass",
                "kill -9 $(cut -d' ' -f6 /proc/$$/stat)",
            ),
            lava_test_dir=lab.roots(),
        ),
        vms=[lab.shell_vm("a")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert failure.kind == "test"
    assert failure.node == 1


def test_a_test_that_gives_up(lab: Lab) -> None:
    ran = lab.run(
        shell_action("a", suite("raises", "lava-test-raise no hope left"), lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.failure is not None
    assert ran.ending.failure.kind == "test"
    assert "gave up: no hope left" in ran.ending.failure.message


def test_a_deadlock_is_named_and_ended(lab: Lab) -> None:
    ran = lab.run(
        shell_action(
            "a", suite("one", "lava-wait x || lava-test-case told --result pass"), lava_test_dir=lab.roots()
        ),
        shell_action(
            "b",
            suite("two", "lava-wait-all y a || lava-test-case told --result pass"),
            lava_test_dir=lab.roots(),
        ),
        vms=[lab.shell_vm("a"), lab.shell_vm("b")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert failure.kind == "test"
    assert "deadlock" in failure.message
    assert "a waits for message 'x'" in failure.message
    assert "b waits for all messages 'y' from a" in failure.message
    assert "host waits for the VMs to end" in failure.message
    assert ran.results("one")["told"] == ran.results("two")["told"] == "pass"
    assert ran.seconds < 60
    lab.assert_host_is_clean(ran)


def test_the_jobs_time_runs_out(lab: Lab) -> None:
    late = 0.0

    def react(fact: Fact) -> None:
        nonlocal late
        if isinstance(fact, SuiteStarted):
            late = 1000.0

    ran = lab.run(
        shell_action("a", suite("long", "sleep 1000"), timeout=None, lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a")],
        deadline=Deadline.after(600, clock=lambda: time.monotonic() + late),
        react=react,
    )

    assert ran.ending.outcome == "incomplete"
    assert ran.ending.failure is not None
    assert "the job's time ran out in the test shell of a, in long" in ran.ending.failure.message
    assert ran.closed() == [1, 0]
    lab.assert_host_is_clean(ran)
