"""Whole runs on a real sshd, with shells in the place of VMs: cancellation."""

from __future__ import annotations

import time

import pytest

from jobs.domain.events import (
    Fact,
    NodeClosed,
    PhaseStarted,
    WaitStarted,
)
from jobs.execution.ports import Cancellation
from tests.integration.execution.lab import Lab, shell_action, suite

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize(
    "moment",
    [
        "connect to board-1",
        "look at the host",
        "the host's test environment",
        "start",
        "bring the tests",
        "long",
    ],
)
def test_a_cancellation_ends_the_run_at_once_whatever_it_does(lab: Lab, moment: str) -> None:
    cancel = Cancellation()
    at: list[float] = []

    def react(fact: Fact) -> None:
        if isinstance(fact, PhaseStarted) and fact.what == moment and not at:
            at.append(time.monotonic())
            cancel.cancel("by bob")

    started = time.monotonic()
    ran = lab.run(
        shell_action("", suite("long", "sleep 1000"), lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a"), lab.shell_vm("b")],
        cancel=cancel,
        react=react,
    )

    assert at, f"it never came to {moment!r}"
    assert ran.ending.outcome == "canceled"
    assert started + ran.seconds - at[0] < 15
    assert ran.closed()[-1] == 0
    assert sorted(ran.closed()) == [0, 1, 2]
    assert all("by bob" in one.reason for one in ran.of(NodeClosed))
    lab.assert_host_is_clean(ran)


def test_a_cancellation_at_the_gate(lab: Lab) -> None:
    cancel = Cancellation()

    def react(fact: Fact) -> None:
        if isinstance(fact, WaitStarted) and fact.kind == "vms":
            cancel.cancel("by bob")

    ran = lab.run(
        shell_action("host", suite("short", "true")),
        shell_action("a", suite("long", "sleep 1000"), lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a")],
        cancel=cancel,
        react=react,
    )

    assert ran.ending.outcome == "canceled"
    assert ran.closed() == [1, 0]
    lab.assert_host_is_clean(ran)
