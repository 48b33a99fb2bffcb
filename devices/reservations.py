"""Who had a board, and when; when it was out of use, and why; how much of its time jobs had it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import F, QuerySet, Sum, Value
from django.db.models.functions import Greatest, Least

from devices.models import FOREVER, Span

HELD = "job"
ERRAND = "errand"
KINDS = (HELD, ERRAND, "offline", "quarantined", "unhealthy")


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
    """``job``, ``errand``, ``offline``, ``quarantined`` or ``unhealthy``."""
    job: int | None
    since: float
    until: float
    reason: str
    begun_by: str
    ended_by: str

    @property
    def lasts(self) -> bool:
        return self.until >= FOREVER

    @property
    def begun_at(self) -> datetime:
        return datetime.fromtimestamp(self.since, UTC)

    @property
    def ended_at(self) -> datetime | None:
        return None if self.lasts else datetime.fromtimestamp(self.until, UTC)


def reservations(name: str, limit: int | None = None) -> list[Reservation]:
    """Return who had a board, the newest first; empty for one that there is not."""
    found = Span.objects.filter(board=name, kind=HELD).order_by("-until", "-id")[:limit]
    return [
        Reservation(job=one.job or 0, since=one.begun_at, until=one.ended_at, why=one.reason)
        for one in _stretches(found)
    ]


def stretches(boards: Collection[str], start: float) -> list[Stretch]:
    """Return what kept these boards busy or out of use since `start`, in the order it began."""
    found = Span.objects.filter(board__in=boards, kind__in=KINDS, until__gt=start)
    return _stretches(found.order_by("since", "id"))


def last_stretches(board: str, limit: int) -> list[Stretch]:
    """Return the last of them for one board, of each kind up to `limit`, what lasts or ended last first."""
    found: list[Stretch] = []
    for kind in KINDS:
        found += _stretches(Span.objects.filter(board=board, kind=kind).order_by("-until")[:limit])
    return sorted(found, key=lambda one: (one.until, one.since), reverse=True)[:limit]


def out_of_use() -> list[Stretch]:
    """Return what keeps boards from jobs now, other than jobs and errands, what began last first."""
    return _stretches(_out().filter(until=FOREVER).order_by("-since", "-id"))


def out_lately(limit: int) -> list[Stretch]:
    """Return which boards went out of use lately or came back, what happened last first."""
    begun = _stretches(_out().order_by("-since")[:limit])
    ended = _stretches(_out().filter(until__lt=FOREVER).order_by("-until")[:limit])
    found = dict.fromkeys((*begun, *ended))
    return sorted(found, key=lambda one: one.since if one.lasts else one.until, reverse=True)[:limit]


def held_since(start: float, boards: Collection[str] | None = None) -> QuerySet[Span]:
    """The reservations, of these boards or of all, that ended after `start` or last."""
    held = Span.objects.filter(kind=HELD, until__gt=start)
    return held if boards is None else held.filter(board__in=boards)


def used(start: float, now: float, boards: Collection[str] | None = None) -> dict[str, float]:
    """Return for how many seconds from `start` to `now` jobs had each board; without `boards`, of all.

    A board that no job had is not in it.
    """
    end, begin = Least(F("until"), Value(float(now))), Greatest(F("since"), Value(float(start)))
    rows = held_since(start, boards).values_list("board").annotate(seconds=Sum(end - begin)).order_by("board")
    return {board: max(0.0, seconds) for board, seconds in rows}


def _out() -> QuerySet[Span]:
    return Span.objects.exclude(kind=HELD).exclude(kind=ERRAND)


def _stretches(found: QuerySet[Span]) -> list[Stretch]:
    rows = found.values_list("board", "kind", "job", "since", "until", "reason", "begun_by", "ended_by")
    return [
        Stretch(
            board=board,
            kind=kind,
            job=job,
            since=since,
            until=until,
            reason=reason,
            begun_by=begun_by,
            ended_by=ended_by,
        )
        for board, kind, job, since, until, reason, begun_by, ended_by in rows
    ]
