"""Events appended per second: ``python -m bench.events [--events N] [--json]``.

Each row is a database and a number of events per append. The floor, made in the same run on the same
database with the same durability, is the least that could be done: the same rows by one raw ``executemany``
in one transaction each, without versions read, digests, projections or doorbell. The ratio is what the log's
promises cost. Runs on a temporary SQLite file (synchronous=FULL, as a lab has it) and, where installed, on a
PostgreSQL server of its own with fsync on. Rounds of both are interleaved, so that a noisy machine hits them
alike; the best round counts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

BATCHES = (1, 10, 100, 1000)
ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    database: str
    batch: int
    """Events in one append."""
    events_per_second: float
    floor_per_second: float

    @property
    def ratio(self) -> float:
        return self.events_per_second / self.floor_per_second


def main() -> None:
    parser = argparse.ArgumentParser(description="Events appended per second, against a raw insert.")
    parser.add_argument("--events", type=int, default=2000, help="events of each measurement (default: 2000)")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="labbook-bench-") as folder:
        _set_up_django(folder)
        rows = [
            row
            for name, url in _databases(Path(folder))
            for row in _measure_database(name, url, options.events)
        ]
    if options.json:
        print(json.dumps([asdict(row) | {"ratio": round(row.ratio, 3)} for row in rows]))
        return
    print(f"{'database':<12} {'batch':>6} {'events/s':>10} {'floor/s':>10} {'ratio':>6}")
    for row in rows:
        print(
            f"{row.database:<12} {row.batch:>6} {row.events_per_second:>10,.0f} "
            f"{row.floor_per_second:>10,.0f} {row.ratio:>6.2f}"
        )


def _set_up_django(folder: str) -> None:
    os.environ["LABBOOK_VAR"] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "lab.settings"
    os.environ.pop("DATABASE_URL", None)
    import django

    django.setup()


def _databases(folder: Path) -> Iterator[tuple[str, str]]:
    from tests.support.postgres import NoPostgres, Postgres

    yield "SQLite", f"sqlite:///{folder}/events.sqlite3"
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(Postgres(durable=True))
        except NoPostgres as exc:
            print(f"PostgreSQL left out: {exc}", file=sys.stderr)
            return
        yield "PostgreSQL", server.create("bench")


def _measure_database(name: str, url: str, events: int) -> list[Row]:
    from tests.support.databases import default_database, migrate

    with default_database(url, durable=True):
        migrate(url, durable=True)
        return [_measure(name, batch, max(events, batch)) for batch in BATCHES]


def _measure(name: str, batch: int, events: int) -> Row:
    appends = max(1, events // batch)
    ours, floor = _appender(f"{name}-{batch}", batch), _inserter(batch)
    best_ours = best_floor = 0.0
    for _ in range(ROUNDS):
        best_floor = max(best_floor, appends * batch / _seconds(floor, appends))
        best_ours = max(best_ours, appends * batch / _seconds(ours, appends))
    return Row(database=name, batch=batch, events_per_second=best_ours, floor_per_second=best_floor)


def _seconds(once: Callable[[], None], times: int) -> float:
    once()
    started = time.perf_counter()
    for _ in range(times):
        once()
    return time.perf_counter() - started


def _appender(stream: str, batch: int) -> Callable[[], None]:
    """Append to one stream, as a running job does: nothing draws these events, all else is the real thing."""
    from lab.eventstore.store import DjangoEventStore
    from lab.kernel.ports import Append
    from tests.support.lamps import META, LampLit, lamps

    store = DjangoEventStore(events=lamps)
    events = [LampLit(room=f"room {number}") for number in range(batch)]
    version = 0

    def once() -> None:
        nonlocal version
        store.append(Append(stream=f"lamp/{stream}", expected=version, events=events), meta=META)
        version += batch

    return once


def _inserter(batch: int) -> Callable[[], None]:
    from django.db import connection, transaction

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_floor")
        cursor.execute(
            "CREATE TABLE bench_floor (position bigint PRIMARY KEY, stream varchar(200), version integer, "
            "type varchar(100), schema integer, data text, meta text, recorded_at varchar(40), "
            "digest varchar(64), UNIQUE (stream, version))"
        )
    sql = "INSERT INTO bench_floor VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    position = 0

    def once() -> None:
        nonlocal position
        rows = [
            (
                number, "lamp/floor", number, "lamp.lit", 1, '{"notes":{},"room":"room 1","watts":60.0}',
                '{"actor":"ann","cause":"bench"}', "2026-01-01T00:00:00.000000+00:00", "0" * 64,
            )
            for number in range(position + 1, position + batch + 1)
        ]  # fmt: skip
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(sql, rows)
        position += batch

    return once


if __name__ == "__main__":
    main()
