"""The queue in the order in which it is served, with reasons; planned once, however many are explained."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from devices import access
from devices.seen import BoardView
from jobs import estimates, lab_view, queries, rows
from jobs.domain import reasons, scheduling
from jobs.domain.scheduling import Refusal, Waiting

MOST = 20
"""Jobs that are explained."""
MOST_BOARDS = 40
"""Boards that are told about for one job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRow:
    """A job in the queue, as pages show it."""

    job: dict[str, Any]
    why: str
    """In one sentence."""
    boards: tuple[Refusal, ...]
    """Board by board."""
    more: int
    """Boards beyond these."""
    place: int
    """In the queue for boards of its type, from 1."""
    starts: datetime | None
    """When it will start, by how long such jobs usually take; None: that cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    rows: tuple[WaitingRow, ...]
    """The first ones that the user may see."""
    count: int
    """All of them that wait, seen or not."""
    oldest: datetime | None
    """When the one that waits longest was submitted."""


def queue(
    user: queries.User,
    *,
    host_type: str = "",
    submitter: str = "",
    limit: int = MOST,
    boards: Sequence[BoardView] | None = None,
    now: float | None = None,
) -> Queue:
    """Return who waits, for boards of a type or by a submitter if given, first who is served first.

    `boards`: all that are in use, where somebody has read them already.
    """
    waiting = lab_view.waiting_jobs()
    asked = sorted(
        (one for one in waiting if not host_type or one.host_type == host_type), key=lambda one: one.place
    )
    if not asked:
        return Queue(rows=(), count=0, oldest=None)
    first = [one.job for one in asked if not submitter or one.submitter == submitter]
    seen = queries.seen(user, Q(pk__in=first[: 5 * limit]))
    shown = [one for one in asked if one.job in seen][:limit]
    every = lab_view.all_boards() if boards is None else boards
    plan = scheduling.plan(waiting, lab_view.candidates(every)).without(access.hidden(user).boards)
    starts = estimates.expected_starts(waiting, every, time.time() if now is None else now)
    return Queue(
        rows=tuple(
            _row(one, rows.summary(seen[one.job]), waiting, plan, starts.get(one.job)) for one in shown
        ),
        count=len(first),
        oldest=min((row.submitted_at for row in seen.values()), default=None),
    )


def _row(
    one: Waiting,
    job: dict[str, Any],
    waiting: list[Waiting],
    plan: scheduling.Plan,
    starts: datetime | None,
) -> WaitingRow:
    ahead = reasons.served_before(one, waiting)
    concerned = [
        board for board in plan.boards if board.device_type == one.host_type or board.name == one.board
    ]
    told = scheduling.Plan(assignments=plan.assignments, boards=tuple(concerned), taken=plan.taken).why(one)
    return WaitingRow(
        job=job,
        why=reasons.sentence(one, plan, ahead),
        boards=told[:MOST_BOARDS],
        more=max(0, len(told) - MOST_BOARDS),
        place=ahead + 1,
        starts=starts,
    )
