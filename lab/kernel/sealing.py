"""From events to log entries: versions, positions, stored form and digest. Shared by every store.

What is sealed has been read back from its stored form. So no event gets into the log that cannot be got out
again, and projections see in the hour of the append exactly what a rebuild will see years later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from lab.kernel.errors import Conflict
from lab.kernel.events import Codec, Event, Meta, Recorded, canonical_json, chain_digest
from lab.kernel.ports import Append

LONGEST_STREAM = 200


class Unstorable(ValueError):
    """An event, or the name of a stream, that has no stored form: a bug of whoever made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event in the form that the log keeps."""

    recorded: Recorded
    type: str
    schema: int
    data: str
    meta: str


def seal(
    batches: Sequence[Append],
    *,
    last: Callable[[str], tuple[int, str]],
    head: int,
    meta: Meta,
    now: datetime,
    codec: Codec,
) -> list[Entry]:
    """Return the entries that follow position `head`.

    `last` tells version and digest of a stream's last event, (0, "") for a stream that does not exist.
    Raises `Conflict` if a stream is not at its expected version, `Unstorable`, `UnknownEvent`.
    """
    meta_json = meta.json()
    meta = Meta.from_json(meta_json)
    entries: list[Entry] = []
    ends: dict[str, tuple[int, str]] = {}
    for batch in batches:
        version, digest = ends.get(batch.stream) or last(_checked_name(batch.stream))
        if version != batch.expected:
            raise Conflict(batch.stream, batch.expected, version)
        for event in batch.events:
            version += 1
            type_, schema, data, event = _stored_form(event, codec)
            position = head + len(entries) + 1
            digest = chain_digest(
                digest,
                position=position,
                stream=batch.stream,
                version=version,
                type_=type_,
                schema=schema,
                recorded_at=now,
                data=data,
                meta=meta_json,
            )
            recorded = Recorded(
                position=position,
                stream=batch.stream,
                version=version,
                event=event,
                meta=meta,
                recorded_at=now.astimezone(UTC),
                digest=digest,
            )
            entries.append(
                Entry(
                    recorded=recorded, type=type_, schema=schema, data=data.decode(), meta=meta_json.decode()
                )
            )
        ends[batch.stream] = version, digest
    return entries


def _stored_form(event: Event, codec: Codec) -> tuple[str, int, bytes, Event]:
    """Return type, schema and JSON of an event, and the event that a reader will get."""
    type_, schema, data = codec.encode(event)
    body = canonical_json(data)
    try:
        return type_, schema, body, codec.decode(type_, schema, msgspec.json.decode(body))
    except msgspec.DecodeError as exc:
        raise Unstorable(f"{type_} could not be read back ({exc}): {event!r:.500}") from exc


def _checked_name(stream: str) -> str:
    if not 0 < len(stream) <= LONGEST_STREAM or not stream.isprintable():
        raise Unstorable(f"{stream[:LONGEST_STREAM]!r} is no name for a stream")
    return stream
