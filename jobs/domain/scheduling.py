"""Which queued job gets which board, and why the others wait. A pure function of both lists.

Health checks are served first, then jobs by priority, then by age. A job gets the board that others will miss
least: healthy, not pinned by somebody else in the queue, with the fewest tags that it did not ask for, then
by name. The order of the inputs plays no part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Health = Literal["unknown", "good", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A job in the queue, and what it asks of a board."""

    job: int
    """Numbers rise with age: the smaller is the older."""
    host_type: str
    priority: int = 50
    """0-100, higher first."""
    board: str = ""
    """The pinned board; empty: any of the type."""
    tags: frozenset[str] = frozenset()
    """All of these the board must have."""
    vm_types: frozenset[str] = frozenset()
    """All of these the board must be able to run."""
    health_check: bool = False
    """It checks its board, and gets it also where no other job does."""
    submitter: str = ""
    name: str = ""
    """Of the job: those of one name take about as long."""
    barred: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Boards that its submitter may not use, each with who can grant it, in words."""

    @property
    def place(self) -> tuple[bool, int, int]:
        """By this the queue is served, the lowest first."""
        return (not self.health_check, -self.priority, self.job)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A board that might host a job."""

    name: str
    device_type: str
    site: str = ""
    tags: frozenset[str] = frozenset()
    unavailable: str = ""
    """Why no job can have it now, in words (``reserved for job 7``); empty: it is free."""
    only_checked: str = ""
    """Why only its health check can have it now, in words (``unhealthy: …``); empty: any job can."""
    runs: frozenset[str] = frozenset()
    """VM types that it can run."""
    health: Health = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    job: int
    board: str
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a job does not get a board."""

    board: str
    """Empty: about the inventory as a whole."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The outcome: who starts now, and how to explain the rest."""

    assignments: tuple[Assignment, ...]
    """In the order in which the jobs are served."""
    boards: tuple[Candidate, ...]
    taken: dict[str, int] = field(default_factory=dict)
    """Boards given away by this plan, to which job."""

    def given(self, job: Waiting) -> str | None:
        """Return the board that `job` gets, if it gets one."""
        return next((board for board, winner in self.taken.items() if winner == job.job), None)

    def without(self, boards: Collection[str]) -> Plan:
        """Return the same plan for somebody who may not know of these boards."""
        return replace(self, boards=tuple(one for one in self.boards if one.name not in boards))

    def why(self, job: Waiting) -> tuple[Refusal, ...]:
        """Return a reason for every board that `job` does not get, sorted by board."""
        refusals = []
        for board in self.boards:
            reason = refusal(job, board)
            if not reason and (winner := self.taken.get(board.name)) is not None:
                if winner == job.job:
                    continue
                reason = f"goes to job {winner}, which is served first"
            if reason:
                refusals.append(Refusal(board=board.name, reason=reason))
        if job.board and not any(board.name == job.board for board in self.boards):
            refusals.insert(0, Refusal(board=job.board, reason="there is no board of this name"))
        elif not any(board.device_type == job.host_type for board in self.boards):
            refusals.insert(0, Refusal(board="", reason=f"there is no board of type {job.host_type}"))
        return tuple(refusals)


def refusal(job: Waiting, board: Candidate) -> str:
    """Why this board cannot host this job now; empty if it can. What will not change comes first."""
    if job.board and job.board != board.name:
        return f"the job asks for the board {job.board}"
    if board.device_type != job.host_type:
        return f"is of type {board.device_type}, the job asks for {job.host_type}"
    if missing := sorted(job.tags - board.tags):
        return f"lacks the tag{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
    if missing := sorted(job.vm_types - board.runs):
        types = f"type{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        return f"cannot run VMs of the {types} (it runs {', '.join(sorted(board.runs)) or 'none'})"
    if (granters := job.barred.get(board.name)) and not job.health_check:
        return f"may not be used by {job.submitter}: {granters} can grant it"
    if board.unavailable:
        return f"is {board.unavailable}"
    if board.only_checked and not job.health_check:
        return f"is {board.only_checked}"
    return ""


def plan(queue: Iterable[Waiting], boards: Iterable[Candidate]) -> Plan:
    """Decide which of the queued jobs start now, on which boards."""
    ordered = sorted(queue, key=lambda job: job.place)
    everything = tuple(sorted(boards, key=lambda board: board.name))
    free: dict[str, list[Candidate]] = {}
    for board in everything:
        if not board.unavailable:
            free.setdefault(board.device_type, []).append(board)
    pins = Counter(job.board for job in ordered if job.board)
    assignments: list[Assignment] = []
    taken: dict[str, int] = {}
    for job in ordered:
        candidates = free.get(job.host_type)
        if not candidates:
            continue
        chosen = _best(job, candidates, pins)
        if chosen is None:
            continue
        candidates.remove(chosen)
        taken[chosen.name] = job.job
        assignments.append(Assignment(job=job.job, board=chosen.name, site=chosen.site))
    return Plan(assignments=tuple(assignments), boards=everything, taken=taken)


def _best(job: Waiting, candidates: Sequence[Candidate], pins: Counter[str]) -> Candidate | None:
    fitting = [board for board in candidates if not refusal(job, board)]
    return min(
        fitting,
        key=lambda board: (
            board.health != "good",
            pins[board.name] - (job.board == board.name),
            len(board.tags - job.tags),
            board.name,
        ),
        default=None,
    )
