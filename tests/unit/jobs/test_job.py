"""The rules of a job's life: given events, when a command, then events or an error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain import job as life
from jobs.domain.events import (
    CancelRequested,
    Failure,
    JobAssigned,
    JobFinished,
    JobLost,
    JobStarted,
    JobSubmitted,
    NodePlan,
    NoteTaken,
    ResultReported,
)
from jobs.domain.job import Job, Stale
from lab.kernel.aggregate import fold
from lab.kernel.errors import LabError, Rejected
from lab.kernel.events import Event

FENCE = 3
SUBMITTED = JobSubmitted(
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
ASSIGNED = JobAssigned(board="alpha", site="attic")
STARTED = JobStarted(worker="w", fence=FENCE, at=1.0)
CANCEL = CancelRequested(reason="enough")
FINISHED = JobFinished(outcome="complete", failure=None, at=2.0)
FAILURE = Failure(kind="test", message="it hung")


def job(*events: Event) -> Job:
    return fold(life.apply, Job(number=7), events)


NONE = job()
QUEUED = job(SUBMITTED)
WITH_BOARD = job(SUBMITTED, ASSIGNED)
RUNNING = job(SUBMITTED, ASSIGNED, STARTED)
CANCELING = job(SUBMITTED, ASSIGNED, STARTED, CANCEL)
ENDED = job(SUBMITTED, ASSIGNED, STARTED, FINISHED)
ALL = [NONE, QUEUED, WITH_BOARD, RUNNING, CANCELING, ENDED]


def fact(node: int | None = 1) -> NoteTaken:
    return NoteTaken(node=node, level="info", text="hello", at=1.0)


def finish(state: Job, fence: int = FENCE, failure: Failure | None = None, **how: object) -> list[Event]:
    outcome = how.get("outcome", "complete")
    return life.finish(state, fence, outcome=outcome, failure=failure, at=2.0)  # type: ignore[arg-type]


def test_a_job_goes_through_its_states() -> None:
    assert [state.life for state in ALL] == [
        "none",
        "queued",
        "assigned",
        "running",
        "canceling",
        "finished",
    ]


def test_a_job_remembers_what_decisions_need() -> None:
    assert (RUNNING.submitter, RUNNING.host_type, RUNNING.visibility) == ("erika", "bench", "public")
    assert (RUNNING.board, RUNNING.site, RUNNING.worker, RUNNING.fence) == ("alpha", "attic", "w", FENCE)
    assert [node.name for node in RUNNING.nodes] == ["host", "guest"]
    assert CANCELING.cancel_reason == "enough"
    assert ENDED.outcome == "complete"


def test_facts_do_not_change_its_life() -> None:
    assert life.apply(RUNNING, fact()) == RUNNING


def test_a_new_job_is_submitted() -> None:
    assert life.submit(NONE, SUBMITTED) == [SUBMITTED]


def test_a_number_is_given_once() -> None:
    with pytest.raises(Rejected, match="job 7 exists already"):
        life.submit(QUEUED, SUBMITTED)


def test_a_queued_job_gets_a_board() -> None:
    assert life.assign(QUEUED, board="alpha", site="attic") == [ASSIGNED]


@pytest.mark.parametrize("state", [s for s in ALL if s.life != "queued"], ids=lambda s: s.life)
def test_no_other_job_gets_a_board(state: Job) -> None:
    with pytest.raises(Rejected, match="only a queued job"):
        life.assign(state, board="alpha", site="attic")


def test_an_assigned_job_starts() -> None:
    assert life.start(WITH_BOARD, worker="w", fence=FENCE, at=1.0) == [STARTED]


@pytest.mark.parametrize("state", [s for s in ALL if s.life != "assigned"], ids=lambda s: s.life)
def test_no_other_job_starts(state: Job) -> None:
    with pytest.raises(Stale, match="cannot be started"):
        life.start(state, worker="w", fence=FENCE, at=1.0)


def test_a_fence_must_be_new() -> None:
    with pytest.raises(Stale, match="not newer"):
        life.start(WITH_BOARD, worker="w", fence=0, at=1.0)


@pytest.mark.parametrize("state", [RUNNING, CANCELING], ids=lambda s: s.life)
def test_facts_of_the_worker_that_runs_it_are_taken_in_order(state: Job) -> None:
    facts = [fact(0), fact(1), fact(None)]
    assert life.record(state, FENCE, facts) == facts


@pytest.mark.parametrize("state", [s for s in ALL if not s.active], ids=lambda s: s.life)
def test_facts_are_refused_before_the_start_and_after_the_end(state: Job) -> None:
    with pytest.raises(Stale):
        life.record(state, FENCE, [fact()])


def test_facts_with_another_fence_are_refused() -> None:
    with pytest.raises(Stale, match="another worker"):
        life.record(RUNNING, FENCE + 1, [fact()])


def test_facts_of_nodes_that_the_group_does_not_have_are_a_bug() -> None:
    with pytest.raises(ValueError, match="no node 2"):
        life.record(RUNNING, FENCE, [fact(2)])


@pytest.mark.parametrize("state", [QUEUED, WITH_BOARD], ids=lambda s: s.life)
def test_canceling_what_nobody_runs_ends_it_at_once(state: Job) -> None:
    events = life.request_cancel(state, reason="enough", at=2.0)
    assert events == [CANCEL, JobFinished(outcome="canceled", failure=None, at=2.0)]


def test_canceling_what_runs_is_a_request() -> None:
    assert life.request_cancel(RUNNING, reason="enough", at=2.0) == [CANCEL]


@pytest.mark.parametrize("state", [CANCELING, ENDED], ids=lambda s: s.life)
def test_canceling_again_or_too_late_changes_nothing(state: Job) -> None:
    assert life.request_cancel(state, reason="again", at=2.0) == []


def test_what_does_not_exist_cannot_be_canceled() -> None:
    with pytest.raises(Rejected, match="no job 7"):
        life.request_cancel(NONE, reason="", at=2.0)


@pytest.mark.parametrize("state", [RUNNING, CANCELING], ids=lambda s: s.life)
def test_the_worker_that_runs_it_ends_it(state: Job) -> None:
    assert finish(state) == [FINISHED]


def test_an_incomplete_job_says_why() -> None:
    [event] = finish(RUNNING, outcome="incomplete", failure=FAILURE)
    assert event == JobFinished(outcome="incomplete", failure=FAILURE, at=2.0)
    with pytest.raises(ValueError, match="says why"):
        finish(RUNNING, outcome="incomplete")


def test_only_a_job_that_was_asked_to_ends_as_canceled() -> None:
    [event] = finish(CANCELING, outcome="canceled")
    assert event == JobFinished(outcome="canceled", failure=None, at=2.0)
    with pytest.raises(ValueError, match="nobody asked"):
        finish(RUNNING, outcome="canceled")


@pytest.mark.parametrize(("state", "fence"), [(ENDED, FENCE), (RUNNING, 99), (WITH_BOARD, FENCE)])
def test_nobody_else_ends_it(state: Job, fence: int) -> None:
    with pytest.raises(Stale):
        finish(state, fence)


def test_a_lost_job_is_incomplete() -> None:
    lost, ended = life.lose(RUNNING, FENCE, reason="silence", at=2.0)
    assert lost == JobLost(fence=FENCE, reason="silence")
    failure = Failure(kind="infrastructure", message="silence")
    assert ended == JobFinished(outcome="incomplete", failure=failure, at=2.0)


def test_a_job_lost_while_being_canceled_is_canceled() -> None:
    _, ended = life.lose(CANCELING, FENCE, reason="silence", at=2.0)
    assert isinstance(ended, JobFinished)
    assert ended.outcome == "canceled"


@pytest.mark.parametrize(("state", "fence"), [(ENDED, FENCE), (RUNNING, 99), (QUEUED, 0)])
def test_what_this_worker_does_not_run_is_not_lost(state: Job, fence: int) -> None:
    with pytest.raises(Stale):
        life.lose(state, fence, reason="silence", at=2.0)


Command = Callable[[Job], list[Event]]
COMMANDS: list[Command] = [
    lambda s: life.submit(s, SUBMITTED),
    lambda s: life.assign(s, board="alpha", site="attic"),
    lambda s: life.start(s, worker="w", fence=FENCE, at=1.0),
    lambda s: life.record(s, FENCE, [ResultReported(node=1, suite="s", case="c", result="pass", at=1.0)]),
    lambda s: life.request_cancel(s, reason="enough", at=2.0),
    lambda s: finish(s),
    lambda s: finish(s, outcome="incomplete", failure=FAILURE),
    lambda s: life.lose(s, FENCE, reason="silence", at=2.0),
]


@given(st.lists(st.sampled_from(COMMANDS), max_size=20))
def test_whatever_is_asked_in_whatever_order_an_end_is_final_and_comes_once(commands: list[Command]) -> None:
    log: list[Event] = []
    state = job()
    for command in commands:
        try:
            events = command(state)
        except LabError:
            continue
        assert not events or state.life != "finished"
        log += events
        state = fold(life.apply, state, events)
    assert state == job(*log)
    assert sum(isinstance(event, JobFinished) for event in log) == (state.life == "finished")


def test_the_stream_names_the_job() -> None:
    assert life.stream(57) == "job/57"
    assert life.number_of("job/57") == 57


@pytest.mark.parametrize(
    ("visibility", "user", "staff", "groups", "anonymous_read", "seen"),
    [
        ("public", "", False, [], True, True),
        ("public", "", False, [], False, False),
        ("public", "otto", False, [], False, True),
        ("private", "", False, [], True, False),
        ("private", "otto", False, [], True, False),
        ("private", "erika", False, [], True, True),
        ("private", "otto", True, [], True, True),
        ("kernel,boot", "otto", False, ["boot"], True, True),
        ("kernel,boot", "otto", False, ["net"], True, False),
        ("kernel,boot", "erika", False, [], True, True),
        ("kernel,boot", "", False, [], True, False),
    ],
)
def test_who_may_see_it(
    visibility: str, user: str, staff: bool, groups: list[str], anonymous_read: bool, seen: bool
) -> None:
    asked = life.may_be_seen(
        visibility, "erika", user=user, staff=staff, groups=groups, anonymous_read=anonymous_read
    )
    assert asked is seen
