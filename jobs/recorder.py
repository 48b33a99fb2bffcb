"""How a running job's facts, and its end, get into the log."""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.db import transaction

from devices.domain.checks import Verdict
from jobs import delivering, leases
from jobs.domain import job as life
from jobs.domain.events import Fact, Failure, Outcome
from jobs.domain.health import judge
from jobs.loading import board_returned, load_job
from jobs.models import Result
from lab.eventstore.store import store
from lab.kernel.aggregate import fold
from lab.kernel.errors import Conflict
from lab.kernel.events import Event, Meta
from lab.kernel.ports import Append, FollowUp


class Recorder:
    """Writes for the worker that holds `fence`. Keeps the state in memory: a batch costs one append.

    Not thread-safe: one thread writes. After an error of the database, or when a transaction around a call
    was rolled back, call `resync` before anything else.
    """

    def __init__(self, number: int, fence: int) -> None:
        self.number, self.fence = number, fence
        self.job, self.version = load_job(number)
        self._stream = life.stream(number)
        self._meta = Meta(actor=f"worker:{self.job.worker}", cause="run", extra={"fence": fence})

    def record(self, facts: Sequence[Fact]) -> None:
        """Append what happened. Raises `Stale` if this worker's time is over."""
        while True:
            events = life.record(self.job, self.fence, facts)
            if not events:
                return
            if self._appended(Append(stream=self._stream, expected=self.version, events=events)):
                return

    def finish(
        self,
        *,
        outcome: Outcome,
        failure: Failure | None = None,
        dirt: str = "",
        interrupted: bool = False,
        at: float | None = None,
    ) -> None:
        """Append the end, and what happens to the board: free again or, with `dirt`, quarantined for it.

        `interrupted`: this worker ends it because it has to end itself. Raises `Stale` if its time is over.
        """
        moment = time.time() if at is None else at
        told = delivering.planned(self.number, outcome)
        while True:
            verdict = self._verdict(outcome, failure, interrupted)
            events = life.finish(self.job, self.fence, outcome=outcome, failure=failure, at=moment)
            with transaction.atomic():
                appended = self._appended(
                    Append(stream=self._stream, expected=self.version, events=[*events, *told]),
                    *board_returned(self.job, reason=f"job {self.number} ended", dirt=dirt, verdict=verdict),
                    follow_ups=[
                        FollowUp(task="jobs.tasks.schedule"),
                        *delivering.follow_ups(self.number, told),
                    ],
                )
                if appended:
                    leases.drop(self.number, self.fence)
                    return

    def _verdict(self, outcome: Outcome, failure: Failure | None, interrupted: bool) -> Verdict | None:
        """What the end of a health check says about its board; None: it is none."""
        if not self.job.health_check:
            return None
        failed = Result.objects.filter(job=self.number, result="fail").order_by("version")
        cases = list(failed.values_list("case", flat=True))
        reason = self.job.cancel_reason or ""
        return judge(outcome, failure, cases, interrupted=interrupted, reason=reason)

    def refresh(self) -> list[Event]:
        """Take in what others appended (a request to cancel, the end); returns those events."""
        news = store.read(self._stream, after=self.version)
        if news:
            self.version = news[-1].version
            self.job = fold(life.apply, self.job, (one.event for one in news))
        return [one.event for one in news]

    def resync(self, version: int) -> list[Event]:
        """Read the state anew; returns what this very recorder has in the log after `version`."""
        self.job, self.version = load_job(self.number)
        return [one.event for one in store.read(self._stream, after=version) if one.meta == self._meta]

    def _appended(self, own: Append, *others: Append, follow_ups: Sequence[FollowUp] = ()) -> bool:
        """Append; false after a lost race: decide again, on the state of now."""
        try:
            store.append(own, *others, meta=self._meta, follow_ups=follow_ups)
        except Conflict:
            self.refresh()
            return False
        self.version += len(own.events)
        self.job = fold(life.apply, self.job, own.events)
        return True
