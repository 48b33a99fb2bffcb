"""How a running job's facts, and its end, get into the log."""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.db import transaction

from devices.commands import load_board
from devices.domain import board as boards
from jobs import leases
from jobs.domain import job as life
from jobs.domain.events import Fact, Failure, Outcome
from jobs.domain.job import Job
from lab.eventstore.store import store
from lab.kernel.aggregate import fold
from lab.kernel.errors import Conflict
from lab.kernel.events import Event, Meta
from lab.kernel.ports import Append, FollowUp


def load_job(number: int) -> tuple[Job, int]:
    """Read a job's stream; returns the job and the version of its stream (0: there is no such job)."""
    recorded = store.read(life.stream(number))
    job = fold(life.apply, Job(number=number), (one.event for one in recorded))
    return job, recorded[-1].version if recorded else 0


def board_returned(job: Job, *, reason: str, dirt: str = "") -> list[Append]:
    """What becomes of the board when the job has ended: free again or, with `dirt`, quarantined for it.

    Nothing, where the job holds no board (any more).
    """
    if not job.board:
        return []
    board = load_board(job.board)
    if board.state.held_by != job.number:
        return []
    if dirt:
        events = boards.quarantine(board.state, job.number, dirt)
    else:
        events = boards.release(board.state, job.number, reason)
    return [Append(stream=board.stream, expected=board.version, events=events)]


class Recorder:
    """Writes for the worker that holds `fence`. Keeps the state in memory: a batch costs one append.

    Not thread-safe: one thread writes.
    """

    def __init__(self, number: int, fence: int) -> None:
        self.number, self.fence = number, fence
        self.job, self._version = load_job(number)
        self._meta = Meta(actor=f"worker:{self.job.worker}", cause="run", extra={"fence": fence})

    def record(self, facts: Sequence[Fact]) -> None:
        """Append what happened. Raises `Stale` if this worker's time is over."""
        while True:
            events = life.record(self.job, self.fence, facts)
            if not events or self._appended(
                Append(stream=self._stream, expected=self._version, events=events)
            ):
                return

    def finish(
        self, *, outcome: Outcome, failure: Failure | None = None, dirt: str = "", at: float | None = None
    ) -> None:
        """Append the end, and what happens to the board: free again or, with `dirt`, quarantined for it.

        Raises `Stale` if this worker's time is over.
        """
        moment = time.time() if at is None else at
        while True:
            events = life.finish(self.job, self.fence, outcome=outcome, failure=failure, at=moment)
            appends = [
                Append(stream=self._stream, expected=self._version, events=events),
                *board_returned(self.job, reason=f"job {self.number} ended", dirt=dirt),
            ]
            with transaction.atomic():
                if self._appended(*appends, follow_ups=[FollowUp(task="jobs.tasks.schedule")]):
                    leases.drop(self.number, self.fence)
                    return

    def refresh(self) -> Job:
        """Take in what others appended, for example a request to cancel."""
        self._catch_up()
        return self.job

    @property
    def _stream(self) -> str:
        return life.stream(self.number)

    def _appended(self, own: Append, *others: Append, follow_ups: Sequence[FollowUp] = ()) -> bool:
        """Append; false after a lost race, when the caller must decide again on the new state."""
        try:
            recorded = store.append(own, *others, meta=self._meta, follow_ups=follow_ups)
        except Conflict:
            # A commit whose answer got lost (the database went away just then) looks like a race that was
            # lost against oneself.
            return self._catch_up() == list(own.events)
        self._version = max(one.version for one in recorded if one.stream == own.stream)
        self.job = fold(life.apply, self.job, own.events)
        return True

    def _catch_up(self) -> list[Event]:
        """Returns the events that were new."""
        news = store.read(self._stream, after=self._version)
        if news:
            self._version = news[-1].version
            self.job = fold(life.apply, self.job, (one.event for one in news))
        return [one.event for one in news if one.meta == self._meta]
