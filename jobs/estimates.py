"""When queued jobs will start: the queue, the boards and what is known of earlier runs, put together.

Three queries more than the queue itself, however long it is and however many boards there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from django.db.models import F, FloatField, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from devices.queries import BoardView
from jobs import lab_view
from jobs.domain import estimating
from jobs.domain.hands import Hold
from jobs.domain.scheduling import Waiting
from jobs.hand_projections import HELD
from jobs.models import Job, Phase

HISTORY = 2000
"""Of the last jobs that have ended so many are looked at for runs of the same name."""
MOST_NAMES = 500
"""Names that are asked for with one query: databases take only so many values."""
Key = tuple[str, str]
"""What makes runs alike: the name of the job and the type of its board."""


def expected_starts(queue: Iterable[Waiting], boards: Sequence[BoardView], now: float) -> dict[int, datetime]:
    """Return when jobs of the queue will start, those of which it can be told."""
    waiting = estimating.first(queue)
    if not waiting:
        return {}
    types = {one.host_type for one in waiting}
    boards = [one for one in boards if one.device_type in types]
    holders = {
        one.held_by_job: one.name
        for one in boards
        # Nobody gets a board next that goes out of use, or whose health is looked at first.
        if one.held_by_job is not None and not one.offline and one.health != "bad" and not one.check
    }
    held = list(
        Job.objects.filter(pk__in=holders, state="running").only(
            "id", "name", "host_type", "started_at", "hold", "failed"
        )
    )
    keys = {(one.name, one.host_type) for one in waiting} | {(one.name, one.host_type) for one in held}
    usual = _usual(keys)
    free_at: dict[str, float] = {}
    for row in held:
        until = _ends(row, usual.get((row.name, row.host_type)), now)
        if until is not None:
            free_at[holders[row.id]] = until
    wishes = _wishes()
    takes: dict[int, float] = {}
    for one in waiting:
        seconds = usual.get((one.name, one.host_type))
        longer = estimating.held_for(wishes.get(one.job), failed=False)
        if seconds is not None and longer is not None:
            takes[one.job] = seconds + longer
    found = estimating.starts(waiting, lab_view.candidates(boards), free_at=free_at, takes=takes, now=now)
    return {job: datetime.fromtimestamp(int(at), UTC) for job, at in found.items()}


def _ends(row: Job, seconds: float | None, now: float) -> float | None:
    """When a running job gives its board back, if that can be told."""
    hold = None if row.hold is None else Hold.from_json(row.hold)
    if hold is not None and hold.until is not None:
        return hold.until
    if seconds is None or row.started_at is None:
        return None
    done = row.started_at.timestamp() + seconds
    longer = estimating.held_for(hold, failed=row.failed > 0)
    # Where its work should be done by now, nobody knows when a hold after it begins.
    return None if longer is None or done <= now else done + longer


def _wishes() -> dict[int, Hold]:
    """Return which jobs of the queue are to be held when their work is done."""
    wished = Job.objects.filter(open=1, state="queued", hold__isnull=False).values_list("id", "hold")
    return {number: Hold.from_json(hold) for number, hold in wished if hold}


def _usual(keys: Iterable[Key]) -> dict[Key, float]:
    """Return how long runs of these names usually took on boards of these types, if they came to an end.

    Without the time that they were held: that is what people wanted of one run, not what the next one takes.
    """
    wanted = set(keys)
    names = sorted({name for name, _ in wanted})
    last = Job.objects.filter(open=0).order_by("-id").values("id")
    held = (
        Phase.objects.filter(job=OuterRef("pk"), phase=HELD)
        .order_by()
        .values("job")
        .annotate(seconds=Sum(F("end") - F("start")))
        .values("seconds")
    )
    runs = (
        Job.objects.filter(
            pk__gte=Coalesce(Subquery(last[HISTORY - 1 : HISTORY]), 0),
            outcome="complete",
            started_at__isnull=False,
            finished_at__isnull=False,
        )
        .annotate(held=Subquery(held, output_field=FloatField()))
        .order_by("-id")
        .values_list("name", "host_type", "started_at", "finished_at", "held")
    )
    found: dict[Key, list[float]] = {}
    for at in range(0, len(names), MOST_NAMES):
        for name, host_type, begun, ended, idle in runs.filter(name__in=names[at : at + MOST_NAMES]):
            if begun and ended and (name, host_type) in wanted:
                taken = (ended - begun).total_seconds() - (idle or 0.0)
                found.setdefault((name, host_type), []).append(taken)
    told = {key: estimating.usual(seconds) for key, seconds in found.items()}
    return {key: seconds for key, seconds in told.items() if seconds is not None}
