"""Who had a board, and when; when it was out of use, and why; how much of its time jobs had it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Greatest, Least

from devices.models import Span

HELD = "job"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A job had the board."""

    job: int
    since: datetime
    until: datetime | None
    """None: it still has."""
    why: str
    """Why it was given back, where that is worth words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time in which a board was not free. Times are in seconds since the epoch."""

    board: str
    kind: str
    """``job``, ``offline``, ``quarantined`` or ``unhealthy``."""
    job: int | None
    since: float
    until: float
    """Infinite: it lasts."""
    reason: str
    begun_by: str
    ended_by: str

    @property
    def lasts(self) -> bool:
        return math.isinf(self.until)


def reservations(name: str, limit: int | None = None) -> list[Reservation]:
    """Return who had a board, the newest first; empty for one that there is not."""
    found = Span.objects.filter(board=name, kind=HELD).order_by("-since", "-id")[:limit]
    return [
        Reservation(
            job=one.job or 0,
            since=datetime.fromtimestamp(one.since, UTC),
            until=None if one.until is None else datetime.fromtimestamp(one.until, UTC),
            why=one.reason,
        )
        for one in found
    ]


def stretches(boards: Collection[str], start: float) -> list[Stretch]:
    """Return what kept these boards busy or out of use since `start`, in the order it began."""
    return [_stretch(one) for one in _since(start).filter(board__in=boards).order_by("since", "id")]


def out_of_use() -> list[Stretch]:
    """Return what keeps boards from jobs now, other than jobs, what began last first."""
    return [_stretch(one) for one in _out().filter(until=None).order_by("-since", "-id")]


def out_lately(limit: int) -> list[Stretch]:
    """Return which boards went out of use lately or came back, what happened last first."""
    begun = _out().order_by("-since")[:limit]
    ended = _out().filter(until__isnull=False).order_by("-until")[:limit]
    found = {one.pk: _stretch(one) for one in (*begun, *ended)}
    return sorted(found.values(), key=lambda one: one.since if one.lasts else one.until, reverse=True)[:limit]


def held_since(start: float) -> QuerySet[Span]:
    """The reservations that ended, or last, after `start`."""
    return _since(start).filter(kind=HELD)


def used(start: float, now: float, boards: Collection[str] | None = None) -> dict[str, float]:
    """Return for how many seconds from `start` to `now` jobs had each board; without `boards`, of all.

    A board that no job had is not in it.
    """
    found = held_since(start) if boards is None else held_since(start).filter(board__in=boards)
    end = Least(Coalesce(F("until"), Value(float(now))), Value(float(now)))
    rows = found.values_list("board").annotate(seconds=Sum(end - Greatest(F("since"), Value(float(start)))))
    return {board: max(0.0, seconds) for board, seconds in rows.order_by("board")}


def _since(start: float) -> QuerySet[Span]:
    return Span.objects.filter(Q(until=None) | Q(until__gt=start))


def _out() -> QuerySet[Span]:
    return Span.objects.exclude(kind=HELD)


def _stretch(row: Span) -> Stretch:
    return Stretch(
        board=row.board,
        kind=row.kind,
        job=row.job,
        since=row.since,
        until=math.inf if row.until is None else row.until,
        reason=row.reason,
        begun_by=row.begun_by,
        ended_by=row.ended_by,
    )
