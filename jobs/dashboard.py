"""The lab at a glance: what runs, what waits and why, what is broken, what happened lately.

All lists are bounded, and none costs a query per row: 500 boards and a million jobs look like a few.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Sum

from devices import seen
from devices.reservations import Stretch, out_lately, out_of_use, used
from devices.seen import BoardView
from jobs import board_pages, queries, waiting
from jobs.board_pages import DAY, BoardRow, Strip
from jobs.doing import Now, now_of
from jobs.models import Job, Node, Tally

RUNNING, RECENT, LATELY, ATTENTION, STRIPS, CHIPS, TYPES = 40, 12, 8, 10, 16, 10, 40
"""How much of each is shown at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRow:
    """A job that has a board."""

    job: dict[str, Any]
    now: Now
    part: float
    """Of its time limit that is over, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A board as a number."""

    row: BoardRow
    short: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Boards of a type in the same case."""

    chips: tuple[Chip, ...]
    more: int
    states: str
    """For the address of the list that has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRow:
    name: str
    count: int
    free: Cell
    busy: Cell
    out: Cell

    @property
    def cells(self) -> tuple[Cell, Cell, Cell]:
        return self.free, self.busy, self.out


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """A board that somebody should look at."""

    row: BoardRow
    why: str
    stretch: Stretch | None
    """Since when, by whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    running: int
    queued: int
    boards: int
    free: int
    in_service: int
    used: int
    """Percent of the time of all boards in the last 24 hours."""
    passed: float | None
    """Percent of the results of public jobs of the last 24 hours; None: there were none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    totals: Totals
    running: tuple[RunningRow, ...]
    queue: waiting.Queue
    attention: tuple[Attention, ...]
    attention_more: int
    types: tuple[TypeRow, ...]
    types_more: int
    strips: tuple[tuple[BoardRow, Strip], ...]
    recent: tuple[dict[str, Any], ...]
    lately: tuple[Stretch, ...]

    @property
    def blocked(self) -> tuple[RunningRow, ...]:
        return tuple(one for one in self.running if one.now.blocked)


def dashboard(user: queries.User, now: float, *, mine: bool = False) -> Dashboard:
    """Return the lab as the user may see it at a time, seconds since the epoch; with `mine` only own jobs."""
    every, boards = seen.all_and_known(user)
    table = board_pages.board_rows(user, boards)
    whose: queries.Filters = {"submitter": user.get_username()} if mine else {}
    busy = used(now - DAY, now)
    attention = _attention(table)
    types = _types(table)
    return Dashboard(
        totals=_totals(boards, busy, now),
        running=_running(user, whose, now),
        queue=waiting.queue(user, submitter=whose.get("submitter", ""), boards=every, now=now),
        attention=tuple(attention[:ATTENTION]),
        attention_more=max(0, len(attention) - ATTENTION),
        types=tuple(types[:TYPES]),
        types_more=max(0, len(types) - TYPES),
        strips=_strips(user, table, busy, now),
        recent=tuple(queries.job_list(user, {"state": "finished", **whose}, limit=RECENT)),
        lately=_lately({one.name for one in boards}),
    )


def _running(user: queries.User, whose: queries.Filters, now: float) -> tuple[RunningRow, ...]:
    jobs = queries.job_list(user, {"state": "active", **whose}, limit=RUNNING)
    nodes: dict[int, list[Node]] = {}
    for node in Node.objects.filter(job__in=[job["id"] for job in jobs]).order_by("job", "index"):
        nodes.setdefault(node.job_id, []).append(node)
    return tuple(
        RunningRow(
            job=job,
            now=now_of(nodes.get(job["id"], []), now),
            part=_part(job, now),
        )
        for job in jobs
    )


def _part(job: dict[str, Any], now: float) -> float:
    if not job["started_at"]:
        return 0.0
    begun = datetime.fromisoformat(job["started_at"]).timestamp()
    part: float = 100 * (now - begun) / job["timeout"]
    return round(max(0.0, min(100.0, part)), 1)


def _attention(table: Sequence[BoardRow]) -> list[Attention]:
    """Boards that are out of use: those that nobody decided about first, then what began last."""
    since: dict[str, Stretch] = {}
    for stretch in out_of_use():
        since.setdefault(stretch.board, stretch)
    found = [
        Attention(row=row, why=_why_out(row.board), stretch=since.get(row.board.name))
        for row in table
        if row.board.offline or row.board.health == "bad"
    ]
    decided = {"offline": 1}
    return sorted(
        found,
        key=lambda one: (decided.get(one.row.board.state, 0), -(one.stretch.since if one.stretch else 0)),
    )


def _why_out(board: BoardView) -> str:
    told = board.closed if board.offline else board.reason
    return told.partition(": ")[2] or told


def _types(table: Sequence[BoardRow]) -> list[TypeRow]:
    by_type: dict[str, list[BoardRow]] = {}
    for row in table:
        by_type.setdefault(row.board.device_type, []).append(row)
    found = []
    for name, members in sorted(by_type.items()):
        cut = _shared([row.board.name for row in members])
        free = [row for row in members if row.board.free]
        busy = [row for row in members if row.board.state == "reserved"]
        out = [row for row in members if not row.board.free and row.board.state != "reserved"]
        found.append(
            TypeRow(
                name=name,
                count=len(members),
                free=_cell(free, cut, "free"),
                busy=_cell(busy, cut, "reserved"),
                out=_cell(out, cut, "out"),
            )
        )
    return found


def _cell(members: Sequence[BoardRow], cut: int, states: str) -> Cell:
    most = CHIPS if len(members) <= CHIPS else CHIPS - 1
    chips = tuple(Chip(row=row, short=row.board.name[cut:]) for row in members[:most])
    return Cell(chips=chips, more=len(members) - len(chips), states=states)


def _shared(names: Sequence[str]) -> int:
    """Return how much of the beginning all names share, up to a sign that ends a word."""
    first, last = min(names), max(names)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    start = first[: sum(1 for _ in same)] if len(names) > 1 else ""
    return max((start.rfind(sign) + 1 for sign in "-_."), default=0)


def _lately(known: Collection[str]) -> tuple[Stretch, ...]:
    return tuple(one for one in out_lately(5 * LATELY) if one.board in known)[:LATELY]


def _strips(
    user: queries.User, table: Sequence[BoardRow], busy: dict[str, float], now: float
) -> tuple[tuple[BoardRow, Strip], ...]:
    """The day of those boards that were used most, by name."""
    chosen = sorted(table, key=lambda row: (-busy.get(row.board.name, 0.0), row.board.name))[:STRIPS]
    days = board_pages.strips(user, [row.board.name for row in chosen], now - DAY, now)
    return tuple((row, days[row.board.name]) for row in sorted(chosen, key=lambda row: row.board.name))


def _totals(boards: Sequence[BoardView], busy: dict[str, float], now: float) -> Totals:
    counts = dict(
        Job.objects.filter(open=1).values_list("state").annotate(count=Count("id")).order_by("state")
    )
    passed, failed = _told(now - DAY)
    names = {one.name for one in boards}
    seconds = sum(share for name, share in busy.items() if name in names)
    return Totals(
        running=sum(count for state, count in counts.items() if state != "queued"),
        queued=counts.get("queued", 0),
        boards=len(boards),
        free=sum(one.free for one in boards),
        in_service=sum(not one.offline and one.health != "bad" for one in boards),
        used=round(100 * seconds / (DAY * len(boards))) if boards else 0,
        passed=100 * passed / (passed + failed) if passed + failed else None,
    )


def _told(start: float) -> tuple[int, int]:
    """Return what passed and what failed in public jobs that run, or ended after the minute of `start`."""
    ended = Tally.objects.filter(minute__gte=int(start // 60))
    open_ = Job.objects.filter(open=1, public=1)
    sums = [one.aggregate(passed=Sum("passed"), failed=Sum("failed")) for one in (ended, open_)]
    return sum(one["passed"] or 0 for one in sums), sum(one["failed"] or 0 for one in sums)
