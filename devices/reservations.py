"""Who had a board, and when: told by its stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from devices.domain import board as boards
from devices.domain.events import BoardReleased, BoardReserved
from lab.eventstore.store import store


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A job had the board."""

    job: int
    since: datetime
    until: datetime | None
    """None: it still has."""
    why: str
    """Why it was given back, where that is worth words."""


def reservations(name: str) -> list[Reservation]:
    """Return who had a board, the newest first; empty for one that there is not."""
    found: dict[int, Reservation] = {}
    for one in store.read(boards.stream(name)):
        match one.event:
            case BoardReserved(job=job):
                found[job] = Reservation(job=job, since=one.recorded_at, until=None, why="")
            case BoardReleased(job=job, reason=why) if job in found:
                since = found[job].since
                found[job] = Reservation(job=job, since=since, until=one.recorded_at, why=why)
    return list(found.values())[::-1]
