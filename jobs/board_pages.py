"""What pages show of boards beside the inventory: who holds one and what came of it, and a day at a glance.

Everything here costs the same number of queries for one board and for a hundred.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q

from devices.queries import BoardView
from devices.reservations import ERRAND, HELD, Stretch, lasts, times, used
from jobs import queries, rows
from jobs.domain.strips import Path, strip

HOUR = 3600.0
DAY = 24 * HOUR
MOST = 100
"""Boards on one page."""
Happened = dict[str, list[tuple[float, float]]]
"""When each kind of stretch began and ended on a board; those of jobs are named by `BY_JOBS`."""
BY_JOBS = ("used", "fail", "run")
DRAWN_AS = {ERRAND: "hand", "quarantined": "kept", "unhealthy": "kept"}
"""As what of `jobs.domain.strips.KINDS`; others by their own name."""
_BY_JOB = re.compile(r"reserved for job \d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A window of time of one board."""

    paths: tuple[Path, ...]
    share: float
    """Of the time jobs had it, 0 to 1."""
    count: int
    """Reservations."""
    failed: int
    """Of them, by jobs that did not go well."""
    label: str
    """The same in words."""

    @property
    def percent(self) -> int:
        return round(100 * self.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """A board as lists show it."""

    board: BoardView
    job: dict[str, Any] | None
    """That has it, if the user may see it."""
    reason: str
    """Why no job gets it now, as the user may know it."""
    strip: Strip | None = None


def board_rows(
    user: queries.User, boards: Sequence[BoardView], *, now: float | None = None
) -> list[BoardRow]:
    """Return boards with who holds them; with `now`, also with the day that ends then."""
    held = seen_holders(user, boards)
    days = strips(user, [one.name for one in boards], now - DAY, now) if now is not None else {}
    return [
        BoardRow(
            board=one,
            job=held.get(one.held_by_job or 0),
            reason=told_reason(one, held),
            strip=days.get(one.name),
        )
        for one in boards
    ]


def seen_holders(user: queries.User, boards: Iterable[BoardView]) -> dict[int, dict[str, Any]]:
    """Return the jobs that hold these boards, by number, as far as the user may see them."""
    numbers = {one.held_by_job for one in boards if one.held_by_job is not None}
    if not numbers:
        return {}
    return {number: rows.summary(row) for number, row in queries.seen(user, Q(pk__in=numbers)).items()}


def told_reason(board: BoardView, held: Collection[int]) -> str:
    """Return why no job gets a board now; the number of a job that the user may not see is left out."""
    if board.held_by_job is None or board.held_by_job in held:
        return board.reason
    return _BY_JOB.sub("reserved for another job", board.reason)


def strips(user: queries.User, boards: Collection[str], start: float, end: float) -> dict[str, Strip]:
    """Return what happened to each of these boards from `start` to `end`, seconds since the epoch.

    Of jobs that the user may not see it shows that they had the board, not what came of them.
    """
    wrong = queries.went_wrong(user, boards, start)
    found: dict[str, Happened] = {name: defaultdict(list) for name in boards}
    for board, kind, job, since, until in times(boards, start):
        what = kind
        if kind == HELD:
            what = "run" if lasts(until) else "fail" if job in wrong else "used"
        if since < start:
            since = start
        if until > end:
            until = end
        if since < until:
            found[board][what].append((since, until))
    return {name: _strip(name, happened, start, end) for name, happened in found.items()}


def _strip(name: str, happened: Happened, start: float, end: float) -> Strip:
    held = [one for kind in BY_JOBS for one in happened.get(kind, ())]
    share = min(1.0, sum(until - since for since, until in held) / (end - start))
    failed = len(happened.get("fail", ()))
    label = f"{name}: {round(100 * share)} % used by {len(held)} job{'' if len(held) == 1 else 's'}"
    if failed:
        label += f", {failed} failed"
    if out := sorted(kind for kind in happened if kind not in BY_JOBS and kind != ERRAND):
        label += f"; {' and '.join(out)} for a time"
    if ERRAND in happened:
        label += "; tested or switched by hand"
    drawn: Happened = {}
    for kind, one in happened.items():
        drawn.setdefault(DRAWN_AS.get(kind, kind), []).extend(one)
    return Strip(
        paths=tuple(strip(drawn, start, end)), share=share, count=len(held), failed=failed, label=label
    )


def kind_of(one: Stretch, wrong: Collection[int]) -> str:
    """Return as what a stretch is drawn, if these jobs did not go well: one of `jobs.domain.strips.KINDS`."""
    if one.kind != HELD:
        return DRAWN_AS.get(one.kind, one.kind)
    return "run" if one.lasts else "fail" if one.job in wrong else "used"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldStretch:
    """A row of the table beside the strip."""

    stretch: Stretch
    kind: str
    """As it is drawn: one of `jobs.domain.strips.KINDS`."""
    job: dict[str, Any] | None
    """If the user may see it."""
    seconds: float | None
    """How long it took; None: it lasts."""


def told_stretches(user: queries.User, found: Sequence[Stretch]) -> list[ToldStretch]:
    """Return stretches with their jobs, as far as the user may see them."""
    numbers = {one.job for one in found if one.job is not None}
    seen = queries.seen(user, Q(pk__in=numbers)) if numbers else {}
    wrong = {number for number, job in seen.items() if job.outcome == "incomplete" or job.failed}
    return [
        ToldStretch(
            stretch=one,
            kind=kind_of(one, wrong),
            job=rows.summary(seen[one.job]) if one.job in seen else None,
            seconds=None if one.lasts else one.until - one.since,
        )
        for one in found
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How much jobs had a board: percent of the last day, week and month."""

    day: int
    week: int
    month: int


def use(name: str, now: float) -> Use:
    def share(days: int) -> int:
        return round(100 * used(now - days * DAY, now, [name]).get(name, 0.0) / (days * DAY))

    return Use(day=share(1), week=share(7), month=share(30))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A time on the axis below a strip."""

    percent: float
    """Of the strip's width, from the left."""
    at: datetime


def marks(now: float, seconds: float, step: int) -> list[Mark]:
    """Return the full hours (each `step` hours, UTC) of a window that ends now."""
    first = math.ceil((now - seconds) / (step * HOUR)) * step * HOUR
    count = int((now - first) // (step * HOUR)) + 1
    times = [first + number * step * HOUR for number in range(count)]
    return [
        Mark(percent=round(100 * (1 - (now - at) / seconds), 2), at=datetime.fromtimestamp(at, UTC))
        for at in times
    ]
