"""Who had a board, and when; when it was out of use, and why; how much of its time jobs had it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Greatest, Least

from devices.models import FOREVER, Board, Span

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
        return lasts(self.until)

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


def lasts(until: float) -> bool:
    """Whether a stretch of time with this end has not ended."""
    return until >= FOREVER


def times(boards: Collection[str], start: float) -> Iterable[tuple[str, str, int | None, float, float]]:
    """Return (board, kind, job, since, until) of what kept these boards busy or out of use since `start`.

    In no order, and nothing else of a `Stretch`: a page of boards that are in use all day needs 20,000.
    """
    found = Span.objects.filter(board__in=boards, kind__in=KINDS, until__gt=start)
    return found.values_list("board", "kind", "job", "since", "until")


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


def used(start: float, now: float, boards: Collection[str] | None = None) -> dict[str, float]:
    """Return for how many seconds from `start` to `now` jobs had each board; without `boards`, of all.

    A board that no job had is not in it. Two rows are read for each board, however many jobs had it.
    """
    held = Span.objects.filter(board=OuterRef("name"), kind=HELD, until__gt=start)
    by_start = F("had_before") + Greatest(Value(float(start)) - F("since"), Value(0.0))
    by_now = F("had_before") + Least(F("until"), Value(float(now))) - F("since")
    seconds = Subquery(held.order_by("-until", "-id").values(had=by_now)[:1]) - Subquery(
        held.order_by("until", "id").values(had=by_start)[:1]
    )
    rows = Board.objects.all() if boards is None else Board.objects.filter(name__in=boards)
    found = rows.order_by().values_list("name", seconds)
    return {board: max(0.0, had) for board, had in found if had is not None}


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
