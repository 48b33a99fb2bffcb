"""The log in the database."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from lab.eventstore import followups, live, projecting
from lab.eventstore.models import EventRow
from lab.kernel.errors import Conflict
from lab.kernel.events import Codec, Meta, Recorded, codec
from lab.kernel.ports import Append, FollowUp
from lab.kernel.sealing import Entry, seal

# Any constant will do, it only has to be ours: "labbook" in ASCII.
ADVISORY_LOCK = 0x6C6162626F6F6B


def lock_log() -> None:
    """Let nobody else append until this transaction ends.

    It makes appends happen one after the other, so that positions are committed in their order. SQLite needs
    nothing: an IMMEDIATE transaction holds the only write lock.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])


class DjangoEventStore:
    """The `lab.kernel.ports.EventStore` on Django's default database (SQLite or PostgreSQL)."""

    def __init__(self, *, events: Codec = codec) -> None:
        self._codec = events

    def append(self, *batches: Append, meta: Meta, follow_ups: Sequence[FollowUp] = ()) -> list[Recorded]:
        try:
            with transaction.atomic():
                lock_log()
                entries = seal(
                    batches,
                    last=self._end,
                    head=self.head(),
                    meta=meta,
                    now=timezone.now(),
                    codec=self._codec,
                )
                _insert(entries)
                new = [entry.recorded for entry in entries]
                projecting.project(new)
                followups.queue(follow_ups)
                live.ring_on_commit()
        except IntegrityError as exc:
            # Between appends the lock makes this impossible. A writer past the lock is still only a
            # conflict; anything else (a projection that broke a rule of its tables) is a bug.
            for batch in batches:
                version, _ = self._end(batch.stream)
                if version != batch.expected:
                    raise Conflict(batch.stream, batch.expected, version) from exc
            raise
        return new

    def read(self, stream: str, *, after: int = 0, limit: int | None = None) -> list[Recorded]:
        rows = EventRow.objects.filter(stream=stream, version__gt=after).order_by("version")
        return [self._recorded(row) for row in (rows if limit is None else rows[:limit])]

    def read_back(
        self,
        stream: str,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        types: Sequence[str] = (),
    ) -> list[Recorded]:
        """Return the last events of a stream, the newest first: these types, versions between these two."""
        rows = EventRow.objects.filter(stream=stream, version__gt=after).order_by("-version")
        if before is not None:
            rows = rows.filter(version__lt=before)
        if types:
            rows = rows.filter(type__in=types)
        return [self._recorded(row) for row in rows[:limit]]

    def read_all(self, *, after: int = 0, limit: int = 1000, category: str = "") -> list[Recorded]:
        rows = EventRow.objects.filter(position__gt=after).order_by("position")
        if category:
            rows = rows.filter(stream__startswith=f"{category}/")
        return [self._recorded(row) for row in rows[:limit]]

    def head(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT max(position) FROM es_event")
            row = cursor.fetchone()
        return (row[0] if row else 0) or 0

    def _end(self, stream: str) -> tuple[int, str]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT version, digest FROM es_event WHERE stream = %s ORDER BY version DESC LIMIT 1",
                [stream],
            )
            row: tuple[int, str] | None = cursor.fetchone()
        return row or (0, "")

    def _recorded(self, row: EventRow) -> Recorded:
        return Recorded(
            position=row.position,
            stream=row.stream,
            version=row.version,
            event=self._codec.decode(row.type, row.schema, msgspec.json.decode(row.data)),
            meta=Meta.from_json(row.meta),
            recorded_at=row.recorded_at,
            digest=row.digest,
        )


def _insert(entries: Sequence[Entry]) -> None:
    # Plain SQL, as are the queries above: of an append's time the ORM would take more than half.
    rows = [
        (
            entry.recorded.position,
            entry.recorded.stream,
            entry.recorded.version,
            entry.type,
            entry.schema,
            entry.data,
            entry.meta,
            connection.ops.adapt_datetimefield_value(entry.recorded.recorded_at),
            entry.recorded.digest,
        )
        for entry in entries
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO es_event (position, stream, version, type, schema, data, meta, recorded_at, digest)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            rows,
        )


store = DjangoEventStore()
"""The log of this lab."""
