"""The life of a job: what may happen to it, and when.

queued ──► assigned ──► running ──► finished
   │          │            │  └──► canceling ──► finished
   └──────────┴── cancel ──┴──► finished

Deciders take the state and say what happens (a list of events, empty: nothing) or raise; only `apply`
changes the state. A job that has ended stays as it is, whatever comes later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from jobs.domain.events import (
    CancelRequested,
    Fact,
    Failure,
    JobAssigned,
    JobFinished,
    JobLost,
    JobStarted,
    JobSubmitted,
    NodePlan,
    Outcome,
)
from jobs.domain.hands import Hold, Keyboard
from jobs.domain.hands_events import (
    ConsoleClosed,
    ConsoleOpened,
    HoldEnded,
    HoldExtended,
    HoldReleased,
    HoldRequested,
    HoldStarted,
    KeyboardGiven,
    KeyboardTaken,
)
from lab.kernel.errors import LabError, Rejected
from lab.kernel.events import Event

Life = Literal["none", "queued", "assigned", "running", "canceling", "finished"]


class Stale(LabError):
    """A worker acts for a job that is no longer its own: another one has it, or it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What decisions about a job are made from."""

    number: int
    life: Life = "none"
    name: str = ""
    submitter: str = ""
    visibility: str = "public"
    """``public``, ``private``, or group names joined by commas."""
    host_type: str = ""
    nodes: tuple[NodePlan, ...] = ()
    health_check: bool = False
    """It checks the health of the board that it is pinned to."""
    pinned: str = ""
    """The board it asks for; empty: any of the type."""
    board: str = ""
    """The board reserved for it; empty before that."""
    site: str = ""
    worker: str = ""
    fence: int = 0
    """The token of the worker that runs it; 0 before the start."""
    cancel_reason: str | None = None
    """None: nobody has asked for it to be canceled."""
    outcome: Outcome | None = None
    consoles: frozenset[int] = frozenset()
    """The nodes on whose consoles somebody could type."""
    keyboards: tuple[Keyboard, ...] = ()
    """Who does, in the order of taking."""
    hold: Hold | None = None
    """It is held before its clean-up, or is to be."""

    @property
    def exists(self) -> bool:
        return self.life != "none"

    @property
    def active(self) -> bool:
        """A worker runs it."""
        return self.life in ("running", "canceling")

    def __str__(self) -> str:
        return f"job {self.number}"


def stream(number: int) -> str:
    return f"job/{number}"


def number_of(stream_name: str) -> int:
    """The inverse of `stream`."""
    return int(stream_name.partition("/")[2])


def apply(job: Job, event: Event) -> Job:
    """Return the job after `event`. Facts from the run are not part of its life, they change nothing."""
    match event:
        case JobSubmitted():
            return replace(
                job,
                life="queued",
                name=event.name,
                submitter=event.submitter,
                visibility=event.visibility,
                host_type=event.host_type,
                nodes=tuple(event.nodes),
                health_check=event.health_check,
                pinned=event.board,
            )
        case JobAssigned():
            return replace(job, life="assigned", board=event.board, site=event.site)
        case JobStarted():
            return replace(job, life="running", worker=event.worker, fence=event.fence)
        case CancelRequested():
            life: Life = "canceling" if job.life == "running" else job.life
            return replace(job, life=life, cancel_reason=event.reason, hold=None)
        case JobFinished():
            return replace(
                job, life="finished", outcome=event.outcome, consoles=frozenset(), keyboards=(), hold=None
            )
    return _hands(job, event)


def _hands(job: Job, event: Event) -> Job:
    match event:
        case ConsoleOpened():
            return replace(job, consoles=job.consoles | {event.node})
        case ConsoleClosed():
            return replace(job, consoles=job.consoles - {event.node})
        case KeyboardTaken():
            others = tuple(one for one in job.keyboards if one.node != event.node)
            return replace(job, keyboards=(*others, Keyboard.of(event)))
        case KeyboardGiven():
            return replace(job, keyboards=tuple(one for one in job.keyboards if one.ticket != event.ticket))
        case HoldRequested():
            return replace(job, hold=Hold.of(event))
        case HoldStarted() if job.hold is not None:
            return replace(job, hold=job.hold.started(event))
        case HoldExtended() if job.hold is not None:
            return replace(job, hold=job.hold.extended(event))
        case HoldReleased() | HoldEnded():
            return replace(job, hold=None)
    return job


LIFE_EVENTS: tuple[type[Event], ...] = (
    JobSubmitted,
    JobAssigned,
    JobStarted,
    CancelRequested,
    JobLost,
    JobFinished,
    ConsoleOpened,
    ConsoleClosed,
    KeyboardTaken,
    KeyboardGiven,
    HoldRequested,
    HoldStarted,
    HoldExtended,
    HoldReleased,
    HoldEnded,
)
"""The events that `apply` looks at: a few in a stream of thousands."""


def submit(job: Job, submitted: JobSubmitted) -> list[Event]:
    if job.exists:
        raise Rejected(f"{job} exists already: numbers are given once")
    return [submitted]


def assign(job: Job, *, board: str, site: str) -> list[Event]:
    """Reserve a board for it. The caller appends the board's own event in the same step."""
    if job.life != "queued":
        raise Rejected(f"{job} is {job.life}: only a queued job can be given a board")
    return [JobAssigned(board=board, site=site)]


def start(job: Job, *, worker: str, fence: int, at: float) -> list[Event]:
    """Begin to run. Raises `Stale` where that has happened before: tasks may be delivered twice."""
    if job.life != "assigned":
        raise Stale(f"{job} is {job.life}: it cannot be started (again)")
    if fence <= job.fence:
        raise Stale(f"the fencing token {fence} is not newer than {job.fence}")
    return [JobStarted(worker=worker, fence=fence, at=at)]


def check_fence(job: Job, fence: int) -> None:
    """Raise `Stale` unless the holder of `fence` is the one that runs the job."""
    if job.life == "finished":
        raise Stale(f"{job} has ended: nothing more can be added to it")
    if not job.active:
        raise Stale(f"{job} is {job.life}: nobody runs it")
    if fence != job.fence:
        raise Stale(f"{job} is run by another worker (token {job.fence}, not {fence})")


def record(job: Job, fence: int, facts: Sequence[Fact]) -> list[Event]:
    """Accept what a running job reports. Raises `Stale` for a wrong fence or after the end."""
    check_fence(job, fence)
    known = {node.index for node in job.nodes}
    for fact in facts:
        node = getattr(fact, "node", None)
        if node is not None and node not in known:
            raise ValueError(f"{job} has no node {node}: {fact}")
    return [_as_wanted_now(job, fact) for fact in facts]


def _as_wanted_now(job: Job, fact: Fact) -> Fact:
    """The same; a hold that begins lasts as long as was asked for last, heard of by the run or not."""
    if isinstance(fact, HoldStarted) and job.hold is not None:
        return replace(fact, until=fact.at + job.hold.seconds)
    return fact


def request_cancel(job: Job, *, reason: str, at: float) -> list[Event]:
    """Ask for its end. A job that nobody runs yet ends at once; asking again changes nothing."""
    if not job.exists:
        raise Rejected(f"there is no {job}")
    if job.life in ("finished", "canceling"):
        return []
    events: list[Event] = [CancelRequested(reason=reason)]
    if job.life in ("queued", "assigned"):
        events.append(JobFinished(outcome="canceled", failure=None, at=at))
    return events


def finish(job: Job, fence: int, *, outcome: Outcome, failure: Failure | None, at: float) -> list[Event]:
    """End it, by the worker that runs it."""
    check_fence(job, fence)
    if outcome == "canceled" and job.cancel_reason is None:
        raise ValueError(f"{job} ended as canceled though nobody asked for it")
    if outcome == "incomplete" and failure is None:
        raise ValueError(f"{job} ended as incomplete without a failure that says why")
    return [JobFinished(outcome=outcome, failure=failure, at=at)]


def lose(job: Job, fence: int, *, reason: str, at: float) -> list[Event]:
    """Give up on its worker. What was asked for stays true: a job being canceled ends as canceled."""
    check_fence(job, fence)
    failure = Failure(kind="infrastructure", message=reason)
    outcome: Outcome = "canceled" if job.life == "canceling" else "incomplete"
    return [JobLost(fence=fence, reason=reason), JobFinished(outcome=outcome, failure=failure, at=at)]


def groups_of(visibility: str) -> list[str]:
    """The groups that may see it, where its visibility names groups."""
    return [] if visibility in ("public", "private") else [name for name in visibility.split(",") if name]


def may_be_seen(
    job_visibility: str,
    submitter: str,
    *,
    user: str,
    staff: bool,
    groups: Iterable[str],
    anonymous_read: bool,
    knows_machine: bool = True,
) -> bool:
    """Who may know of a job: everybody of a public one, else its submitter, its groups and the staff.

    `user` is empty for a visitor who is not logged in. `knows_machine`: may know of the board it runs on or
    is meant for; without that only its submitter and the staff may know of the job.
    """
    if user and (staff or user == submitter):
        return True
    if not knows_machine:
        return False
    if job_visibility == "public":
        return bool(user) or anonymous_read
    return bool(user) and not set(groups_of(job_visibility)).isdisjoint(groups)
