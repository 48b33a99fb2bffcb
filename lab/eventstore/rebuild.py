"""Drawing projections anew: drop and replay, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from django.db import connection, transaction

from lab.eventstore import projecting
from lab.eventstore.projecting import Projection
from lab.eventstore.store import lock_log, store
from lab.kernel.errors import NotFound
from lab.kernel.ports import EventStore

BATCH = 1000

Progress = Callable[[int, int], None]
"""Called with (events replayed, events in the log)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild did."""

    events: int
    rows: dict[str, int]
    """Rows now, by table."""
    seconds: float


def rebuild(
    names: Collection[str] = (),
    *,
    log: EventStore = store,
    progress: Progress = lambda done, total: None,
) -> Rebuilt:
    """Empty the tables of the named projections (none named: of all) and replay the whole log into them.

    Readers see the old rows until the new ones are complete; whoever appends waits. Should it fail, nothing
    has happened. Raises `NotFound` for a projection that does not exist.
    """
    started = time.monotonic()
    chosen = _chosen(names)
    with transaction.atomic():
        lock_log()
        total = log.head()
        for projection in reversed(chosen):
            _empty(projection)
        done = 0
        while batch := log.read_all(after=done, limit=BATCH):
            for recorded in batch:
                for projection in chosen:
                    projection.apply(recorded)
            done = batch[-1].position
            progress(done, total)
        rows = {
            model._meta.db_table: model._base_manager.count()
            for projection in chosen
            for model in projection.models
        }
    return Rebuilt(events=done, rows=rows, seconds=time.monotonic() - started)


def _chosen(names: Collection[str]) -> list[Projection]:
    every = projecting.installed()
    known = {projection.name for projection in every}
    if unknown := sorted(set(names) - known):
        raise NotFound(f"There is no projection {unknown[0]!r}; there are: {', '.join(sorted(known))}.")
    return [projection for projection in every if not names or projection.name in names]


def _empty(projection: Projection) -> None:
    # Plain SQL: a queryset would load every row to look for what it cascades to.
    with connection.cursor() as cursor:
        for model in reversed(projection.models):
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")
