"""The rules of hands: who has a keyboard, when a job can be held."""

from __future__ import annotations

import pytest

from jobs.domain import hand_rules
from jobs.domain import job as life
from jobs.domain.events import CancelRequested, JobAssigned, JobFinished, JobStarted, JobSubmitted, NodePlan
from jobs.domain.hand_rules import Taken
from jobs.domain.hands_events import (
    ConsoleClosed,
    ConsoleOpened,
    HoldEnded,
    HoldExtended,
    HoldRequested,
    HoldStarted,
    KeyboardGiven,
    KeyboardTaken,
)
from jobs.domain.job import Job
from lab.kernel.aggregate import fold
from lab.kernel.errors import NotFound, Rejected
from lab.kernel.events import Event

QUEUED = JobSubmitted(
    name="a job",
    submitter="erika",
    text="{}",
    host_type="bench",
    board="",
    tags=[],
    priority=50,
    timeout=60,
    visibility="public",
    nodes=[
        NodePlan(index=0, name="host", role="host", device_type="bench"),
        NodePlan(index=1, name="guest", role="guest", device_type="kvm"),
    ],
)
RUNNING = (QUEUED, JobAssigned(board="alpha", site="attic"), JobStarted(worker="w", fence=3, at=1))
OPENED = ConsoleOpened(node=1, at=2)
TAKEN = KeyboardTaken(node=1, user="erika", ticket=9, at=3)
HELD = HoldRequested(user="erika", seconds=600, reason="odd", if_failed=False, at=4)
STARTED = HoldStarted(until=1600, at=1000)
END = JobFinished(outcome="complete", failure=None, at=9)


def job(*events: Event) -> Job:
    return fold(life.apply, Job(number=7), events)


def hold(
    state: Job, seconds: int = 600, at: float = 1100, longest: int = 3600, *, cleaning: bool = False
) -> list[Event]:
    return hand_rules.hold(
        state,
        user="bob",
        seconds=seconds,
        reason="",
        if_failed=False,
        longest=longest,
        at=at,
        cleaning=cleaning,
    )


def take(state: Job, user: str = "bob", node: int = 1) -> list[Event]:
    return hand_rules.take_keyboard(state, node, user=user, ticket=12, at=5)


def test_one_person_has_the_keyboard_of_a_node() -> None:
    assert take(job(*RUNNING, OPENED)) == [KeyboardTaken(node=1, user="bob", ticket=12, at=5)]
    with pytest.raises(Taken, match="erika has the keyboard of guest: only one can type at a time"):
        take(job(*RUNNING, OPENED, TAKEN))


def test_who_has_it_has_it_in_the_window_opened_last() -> None:
    given, taken = take(job(*RUNNING, OPENED, TAKEN), "erika")
    assert given == KeyboardGiven(node=1, user="erika", ticket=9, reason="taken in another window", at=5)
    assert job(*RUNNING, OPENED, TAKEN, given, taken).keyboards[0].ticket == 12


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((QUEUED,), "job 7 is queued: nobody can type on the console of guest"),
        ((*RUNNING, OPENED, CancelRequested(reason="")), "is being cancelled"),
        ((*RUNNING, OPENED, END), "has ended"),
        (RUNNING, "the console of guest is not open just now"),
        ((*RUNNING, OPENED, ConsoleClosed(node=1, at=3)), "the console of guest is not open just now"),
    ],
)
def test_nobody_types_where_there_is_no_console(events: tuple[Event, ...], words: str) -> None:
    with pytest.raises(Rejected, match=words):
        take(job(*events))


def test_there_is_no_keyboard_of_a_node_that_is_not_there() -> None:
    with pytest.raises(NotFound, match="job 7 has no node 5"):
        take(job(*RUNNING, OPENED), node=5)


def test_a_keyboard_is_given_back_once_and_only_by_its_own_ticket() -> None:
    state = job(*RUNNING, OPENED, TAKEN)
    assert hand_rules.give_keyboard(state, 1, ticket=8, reason="late", at=6) == []
    given = hand_rules.give_keyboard(state, 1, ticket=9, reason="left", at=6)
    assert given == [KeyboardGiven(node=1, user="erika", ticket=9, reason="left", at=6)]
    after = job(*RUNNING, OPENED, TAKEN, *given)
    assert after.keyboards == ()
    assert hand_rules.give_keyboard(after, 1, ticket=None, reason="", at=7) == []


def test_the_end_of_the_job_ends_all_of_it() -> None:
    ended = job(*RUNNING, OPENED, TAKEN, HELD, END)
    assert (ended.keyboards, ended.consoles, ended.hold) == ((), frozenset(), None)
    assert job(*RUNNING, HELD, CancelRequested(reason="")).hold is None


def test_a_job_can_be_held_from_the_time_it_is_queued() -> None:
    (asked,) = hold(job(QUEUED))
    assert asked == HoldRequested(user="bob", seconds=600, reason="", if_failed=False, at=1100)
    with pytest.raises(Rejected, match="has ended"):
        hold(job(*RUNNING, END))
    with pytest.raises(Rejected, match="is being cancelled"):
        hold(job(*RUNNING, CancelRequested(reason="")))
    with pytest.raises(Rejected, match="job 7 is being cleaned up: it cannot be held any more"):
        hold(job(*RUNNING), cleaning=True)
    with pytest.raises(NotFound):
        hold(Job(number=8))


@pytest.mark.parametrize("seconds", [0, 29, 3601])
def test_a_hold_has_bounds(seconds: int) -> None:
    with pytest.raises(Rejected, match=f"for 30 s to 60 min, not {seconds if seconds < 120 else '60.0 min'}"):
        hold(job(QUEUED), seconds)


def test_a_hold_is_extended_from_now_up_to_the_longest_in_all() -> None:
    state = job(*RUNNING, HELD, STARTED)
    assert state.hold is not None
    assert (state.hold.since, state.hold.until) == (1000, 1600)
    (extended,) = hold(state, at=1500)
    assert extended == HoldExtended(user="bob", until=2100, reason="", at=1500)
    longer = job(*RUNNING, HELD, STARTED, extended).hold
    assert longer is not None
    assert (longer.until, longer.user, longer.reason) == (2100, "bob", "odd")
    with pytest.raises(
        Rejected, match="has been held for 50 min, and may be held for 60 min in all: 10 min more"
    ):
        hold(state, 601, at=4000)


def test_a_hold_is_let_go_once() -> None:
    (released,) = hand_rules.release(job(*RUNNING, HELD), user="bob", reason="seen", at=5)
    assert job(*RUNNING, HELD, released).hold is None
    assert hand_rules.release(job(*RUNNING), user="bob", reason="", at=5) == []
    assert job(*RUNNING, HELD, STARTED, HoldEnded(reason="time", at=9)).hold is None
