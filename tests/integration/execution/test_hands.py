"""Hands on a run: typing on the consoles of its nodes, and holding it before its clean-up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from jobs.domain.events import CaseStarted, CleanedUp, Fact, NodeClosed, NoteTaken
from jobs.domain.hands_events import ConsoleClosed, ConsoleOpened, HoldEnded, HoldStarted
from jobs.execution.hands import Hands, HoldWish, NoConsole
from jobs.execution.ports import Cancellation
from lab.kernel.errors import JobError
from tests.integration.execution.lab import Lab, Ran, Watching, shell_action, suite
from tests.unit.drivers.scripted import wait_for

pytestmark = pytest.mark.e2e
WISH = HoldWish(user="erika", seconds=60, reason="", if_failed=False)


class Person:
    """Acts in a thread of its own, once something has happened."""

    def __init__(self, when: Callable[[Fact], bool], act: Callable[[], None]) -> None:
        self._when, self._act = when, act
        self.thread: threading.Thread | None = None
        self.problem: Exception | None = None

    def __call__(self, fact: Fact) -> None:
        if self.thread is None and self._when(fact):
            self.thread = threading.Thread(target=self._go)
            self.thread.start()

    def _go(self) -> None:
        try:
            self._act()
        except (AssertionError, JobError) as exc:
            self.problem = exc

    def done(self) -> None:
        assert self.thread is not None, "it never came to that"
        self.thread.join(30)
        if self.problem is not None:
            raise self.problem


def is_held(fact: Fact) -> bool:
    return isinstance(fact, HoldStarted)


def order(ran: Ran, *kinds: type[Fact]) -> list[str]:
    return [type(fact).__name__ for fact in ran.facts if isinstance(fact, kinds)]


def test_what_is_typed_while_a_test_runs_goes_to_the_console_that_it_reads(lab: Lab) -> None:
    hands, watching = Hands(), Watching()
    watching.react = person = Person(
        lambda fact: isinstance(fact, CaseStarted) and fact.node == 1, lambda: hands.type(1, b"\x03")
    )
    long = suite("long", "lava-test-case before --result pass", "lava-test-case nap --shell sleep 1000")
    ran = lab.run(shell_action("a", long), vms=[lab.shell_vm("a")], watching=watching, hands=hands)
    person.done()
    assert ran.ending.failure is not None
    assert "exit status 130" in ran.ending.failure.message
    assert ran.results("long")["before"] == "pass"
    assert [one.node for one in ran.of(ConsoleOpened)] == [1]
    assert [one.node for one in ran.of(ConsoleClosed)] == [1]
    with pytest.raises(NoConsole):
        hands.type(1, b"too late\n")


def test_a_held_run_keeps_its_vms_and_gives_a_shell_on_the_host_until_it_is_let_go(lab: Lab) -> None:
    hands, watching = Hands(), Watching()
    hands.want(WISH)

    def look() -> None:
        wait_for(lambda: 0 in [one.node for one in watching.facts if isinstance(one, ConsoleOpened)])
        hands.type(0, b"echo on-$((40+2)); sleep 1000 &\n")
        wait_for(lambda: b"on-42" in watching.consoles.get(0, b""))
        hands.type(1, b"echo vm-$((40+2))\n")
        wait_for(lambda: b"vm-42" in watching.consoles.get(1, b""))
        hands.want(None)

    watching.react = person = Person(is_held, look)
    ran = lab.run(
        shell_action("a", suite("fine", "lava-test-case fine --result pass")),
        vms=[lab.shell_vm("a")],
        watching=watching,
        hands=hands,
    )
    person.done()
    assert ran.ending.outcome == "complete"
    assert order(ran, NodeClosed, HoldStarted, HoldEnded, CleanedUp) == [
        *("NodeClosed", "NodeClosed", "HoldStarted", "HoldEnded", "CleanedUp")
    ]
    assert [one.reason for one in ran.of(HoldEnded)] == ["it was let go"]
    assert {one.node for one in ran.of(ConsoleClosed)} == {0, 1}
    lab.assert_host_is_clean(ran)


def test_a_hold_ends_in_time_and_may_be_extended(lab: Lab) -> None:
    hands, watching = Hands(), Watching()
    hands.want(replace(WISH, seconds=0.5))
    ran = lab.run(shell_action("host", suite("fine", "true")), watching=watching, hands=hands)
    assert [one.reason for one in ran.of(HoldEnded)] == ["its time is over"]

    hands.want(WISH)
    watching = Watching(
        react=lambda fact: (
            hands.want(replace(WISH, until=hands.now() + 0.5)) if isinstance(fact, HoldStarted) else None
        )
    )
    ran = lab.run(shell_action("host", suite("fine", "true")), watching=watching, hands=hands)
    (begun,), (ended,) = ran.of(HoldStarted), ran.of(HoldEnded)
    assert ended.at < begun.until - 30, "it was made shorter meanwhile"


def test_a_run_that_fails_is_held_where_only_failures_are_wanted(lab: Lab) -> None:
    hands = Hands()
    hands.want(replace(WISH, seconds=0.3, if_failed=True))
    fine = lab.run(shell_action("host", suite("fine", "lava-test-case a --result pass")), hands=hands)
    assert fine.of(HoldStarted) == []
    vms = [lab.shell_vm("a")]
    fails = suite("fails", "lava-test-case a --result fail")
    failed = lab.run(shell_action("a", fails), vms=vms, hands=hands)
    assert len(failed.of(HoldStarted)) == 1
    hangs = lab.run(shell_action("a", suite("hangs", "sleep 1000"), timeout=2), vms=vms, hands=hands)
    assert hangs.ending.outcome == "incomplete"
    assert len(hangs.of(HoldStarted)) == 1
    lab.assert_host_is_clean(hangs)


def test_a_cancellation_ends_a_hold_and_what_was_found_out_stays(lab: Lab) -> None:
    hands, cancel = Hands(), Cancellation()
    hands.want(WISH)
    ran = lab.run(
        shell_action("a", suite("fine", "lava-test-case fine --result pass")),
        vms=[lab.shell_vm("a")],
        hands=hands,
        cancel=cancel,
        react=lambda fact: cancel.cancel("by bob") if isinstance(fact, HoldStarted) else None,
    )
    assert [one.reason for one in ran.of(HoldEnded)] == ["canceled: by bob"]
    assert ran.ending.outcome == "complete", "its work was done before"
    assert ran.results("fine")["fine"] == "pass"
    assert not [one for one in ran.of(NoteTaken) if one.level == "error"]
    lab.assert_host_is_clean(ran)
