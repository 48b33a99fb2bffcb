"""When queued jobs will start: the queue, the boards and what is known of earlier runs, put together.

Three queries more than the queue itself, however long it is and however many boards there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from devices.queries import BoardView
from jobs import lab_view
from jobs.domain import estimating
from jobs.domain.hands import Hold
from jobs.domain.scheduling import Waiting
from jobs.models import Job

HISTORY = 2000
"""Of the last jobs so many are looked at for runs of the same name."""
Key = tuple[str, str]
"""What makes runs alike: the name of the job and the type of its board."""


def expected_starts(
    waiting: Sequence[Waiting], boards: Sequence[BoardView], now: float
) -> dict[int, datetime]:
    """Return when jobs of the queue will start, those of which it can be told."""
    if not waiting:
        return {}
    holders = {
        one.held_by_job: one.name
        for one in boards
        # Nobody gets a board next that goes out of use, or whose health is looked at first.
        if one.held_by_job is not None and not one.offline and one.health != "bad" and not one.check
    }
    held = list(
        Job.objects.filter(pk__in=holders, state="running").only(
            "id", "name", "host_type", "started_at", "hold"
        )
    )
    keys = {(one.name, one.host_type) for one in waiting} | {(one.name, one.host_type) for one in held}
    usual = _usual(keys, before=max(one.job for one in waiting))
    free_at: dict[str, float] = {}
    for row in held:
        until = _ends(row, usual.get((row.name, row.host_type)))
        if until is not None:
            free_at[holders[row.id]] = until
    takes = {
        one.job: seconds for one in waiting if (seconds := usual.get((one.name, one.host_type))) is not None
    }
    found = estimating.starts(waiting, lab_view.candidates(boards), free_at=free_at, takes=takes, now=now)
    return {job: datetime.fromtimestamp(int(at), UTC) for job, at in found.items()}


def _ends(row: Job, seconds: float | None) -> float | None:
    """When a running job gives its board back, if that can be told."""
    if row.hold is not None and (until := Hold.from_json(row.hold).until) is not None:
        return until
    if seconds is None or row.started_at is None:
        return None
    return row.started_at.timestamp() + seconds


def _usual(keys: Iterable[Key], *, before: int) -> dict[Key, float]:
    """Return how long runs of these names usually took on boards of these types, if they came to an end."""
    wanted = set(keys)
    runs = Job.objects.filter(
        pk__gt=before - HISTORY,
        pk__lt=before,
        outcome="complete",
        name__in={name for name, _ in wanted},
        started_at__isnull=False,
        finished_at__isnull=False,
    ).order_by("-id")
    found: dict[Key, list[float]] = {}
    for name, host_type, begun, ended in runs.values_list("name", "host_type", "started_at", "finished_at"):
        if begun and ended and (name, host_type) in wanted:
            found.setdefault((name, host_type), []).append((ended - begun).total_seconds())
    told = {key: estimating.usual(seconds) for key, seconds in found.items()}
    return {key: seconds for key, seconds in told.items() if seconds is not None}
