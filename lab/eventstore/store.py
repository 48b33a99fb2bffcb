"""The log in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils import timezone

from lab.eventstore import followups, live, projecting
from lab.eventstore.models import EventRow
from lab.kernel.errors import Conflict
from lab.kernel.events import Codec, Meta, Recorded, canonical_json, chain_digest, codec
from lab.kernel.ports import Append, FollowUp

# Any constant will do, it only has to be ours: "labbook" in ASCII.
ADVISORY_LOCK = 0x6C6162626F6F6B


class DjangoEventStore:
    """The `lab.kernel.ports.EventStore` on Django's default database (SQLite or PostgreSQL)."""

    def __init__(self, *, events: Codec = codec) -> None:
        self._codec = events

    def append(self, *batches: Append, meta: Meta, follow_ups: Sequence[FollowUp] = ()) -> list[Recorded]:
        try:
            with transaction.atomic():
                self._lock()
                new = self._insert(batches, meta, timezone.now())
                projecting.project(new)
                followups.queue(follow_ups)
                live.ring_on_commit()
        except IntegrityError as exc:
            # The lock makes this impossible between appends; a foreign writer is still only a conflict.
            first = batches[0]
            actual = EventRow.objects.filter(stream=first.stream).aggregate(v=Max("version"))["v"] or 0
            if actual == first.expected:
                raise
            raise Conflict(first.stream, first.expected, actual) from exc
        return new

    def read(self, stream: str, *, after: int = 0, limit: int | None = None) -> list[Recorded]:
        rows = EventRow.objects.filter(stream=stream, version__gt=after).order_by("version")
        return [self._recorded(row) for row in (rows if limit is None else rows[:limit])]

    def read_all(self, *, after: int = 0, limit: int = 1000, category: str = "") -> list[Recorded]:
        rows = EventRow.objects.filter(position__gt=after).order_by("position")
        if category:
            rows = rows.filter(stream__startswith=f"{category}/")
        return [self._recorded(row) for row in rows[:limit]]

    def head(self) -> int:
        return EventRow.objects.aggregate(p=Max("position"))["p"] or 0

    def _lock(self) -> None:
        """Make appends happen one after the other, so that positions are committed in their order.

        SQLite needs nothing: an IMMEDIATE transaction holds the only write lock.
        """
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])

    def _insert(self, batches: Sequence[Append], meta: Meta, now: datetime) -> list[Recorded]:
        position = self.head()
        recorded: list[Recorded] = []
        rows: list[EventRow] = []
        meta_json = meta.json()
        last: dict[str, tuple[int, str]] = {}
        for batch in batches:
            version, digest = last.get(batch.stream) or self._last(batch.stream)
            if version != batch.expected:
                raise Conflict(batch.stream, batch.expected, version)
            for event in batch.events:
                type_, schema, data = self._codec.encode(event)
                body = canonical_json(data)
                position, version = position + 1, version + 1
                digest = chain_digest(
                    digest,
                    stream=batch.stream,
                    version=version,
                    type_=type_,
                    schema=schema,
                    data=body + b"\n" + meta_json,
                )
                rows.append(
                    EventRow(
                        position=position,
                        stream=batch.stream,
                        version=version,
                        type=type_,
                        schema=schema,
                        data=body.decode(),
                        meta=meta_json.decode(),
                        recorded_at=now,
                        digest=digest,
                    )
                )
                recorded.append(
                    Recorded(
                        position=position,
                        stream=batch.stream,
                        version=version,
                        event=event,
                        meta=meta,
                        recorded_at=now,
                        digest=digest,
                    )
                )
            last[batch.stream] = version, digest
        EventRow.objects.bulk_create(rows)
        return recorded

    def _last(self, stream: str) -> tuple[int, str]:
        row = (
            EventRow.objects.filter(stream=stream)
            .order_by("-version")
            .values_list("version", "digest")
            .first()
        )
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


store = DjangoEventStore()
"""The log of this lab."""
