"""Errands of a board, as its stream tells them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from devices.domain import board as boards
from devices.domain.errand_events import (
    BoardErrandEnded,
    BoardErrandRequested,
    BoardErrandStarted,
    BoardErrandStep,
)
from lab.eventstore.store import store
from lab.kernel.events import Recorded

KEPT = 20
"""Errands of a board that are shown."""
EVENTS = 60
"""More events than come between the begin of an errand and its end."""
TYPES = tuple(
    event.type for event in (BoardErrandRequested, BoardErrandStarted, BoardErrandStep, BoardErrandEnded)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One errand, as the board's stream tells it."""

    number: int
    what: str
    """``test``, ``on``, ``off``, ``cycle`` or ``console``."""
    by: str
    """Who asked for it."""
    asked_at: datetime
    worker: str = ""
    """Who works on it, or did; empty: nobody yet."""
    steps: tuple[BoardErrandStep, ...] = ()
    ended_at: datetime | None = None
    outcome: str = ""
    """``pass``, ``fail`` or ``lost``; empty: it is not over."""
    reason: str = ""

    @property
    def seconds(self) -> float:
        """How long it took from when it was asked for; 0: it is not over."""
        return (self.ended_at - self.asked_at).total_seconds() if self.ended_at else 0.0

    @property
    def title(self) -> str:
        return {"test": "Connection test", "console": "Console"}.get(self.what, f"Power {self.what}")


def errands(name: str, *, limit: int = KEPT) -> list[Errand]:
    """Return the last errands of a board, the newest first; none for a board that there is not."""
    stream = boards.stream(name)
    asked = store.read_back(stream, limit=limit, types=(BoardErrandRequested.type,))
    if not asked:
        return []
    # A board lives through thousands of jobs: nothing of those is read.
    return _told(reversed(store.read_back(stream, after=asked[-1].version - 1, types=TYPES)))[::-1]


def errand(name: str, number: int) -> Errand | None:
    """Return one errand of a board, however long ago it was; None: there is none of this number."""
    # It has the number of its first event, and the next errand begins when it has ended.
    events = store.read(boards.stream(name), after=number - 1, limit=EVENTS)
    return next((one for one in _told(events) if one.number == number), None)


def _told(events: Iterable[Recorded]) -> list[Errand]:
    """Return the errands that these events tell of, in their order."""
    found: dict[int, Errand] = {}
    for one in events:
        match one.event:
            case BoardErrandRequested(errand=number, what=what):
                found[number] = Errand(number=number, what=what, by=one.meta.actor, asked_at=one.recorded_at)
            case BoardErrandStarted(errand=number, worker=worker) if number in found:
                found[number] = replace(found[number], worker=worker)
            case BoardErrandStep(errand=number) as step if number in found:
                found[number] = replace(found[number], steps=(*found[number].steps, step))
            case BoardErrandEnded(errand=number) as end if number in found:
                found[number] = replace(
                    found[number], outcome=end.outcome, reason=end.reason, ended_at=one.recorded_at
                )
    return list(found.values())
