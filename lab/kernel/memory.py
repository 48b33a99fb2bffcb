"""The log in memory: the reference of the store's contract, and the fake of all unit tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from lab.kernel.errors import Conflict
from lab.kernel.events import Codec, Meta, Recorded, canonical_json, chain_digest, codec
from lab.kernel.ports import Append, FollowUp


class MemoryEventStore:
    """An `EventStore` without a database. Events pass through the codec, as in the real one."""

    def __init__(
        self,
        *,
        events: Codec = codec,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        project: Callable[[Recorded], None] = lambda recorded: None,
    ) -> None:
        self._codec, self._now, self._project = events, now, project
        self._log: list[Recorded] = []
        self._last: dict[str, Recorded] = {}
        self.queued: list[FollowUp] = []

    def append(self, *batches: Append, meta: Meta, follow_ups: Sequence[FollowUp] = ()) -> list[Recorded]:
        new: list[Recorded] = []
        last = dict(self._last)
        for batch in batches:
            before = last.get(batch.stream)
            version, digest = (before.version, before.digest) if before else (0, "")
            if version != batch.expected:
                raise Conflict(batch.stream, batch.expected, version)
            for event in batch.events:
                type_, schema, data = self._codec.encode(event)
                version += 1
                body = canonical_json(data) + b"\n" + meta.json()
                digest = chain_digest(
                    digest, stream=batch.stream, version=version, type_=type_, schema=schema, data=body
                )
                recorded = Recorded(
                    position=len(self._log) + len(new) + 1,
                    stream=batch.stream,
                    version=version,
                    event=self._codec.decode(type_, schema, data),
                    meta=meta,
                    recorded_at=self._now(),
                    digest=digest,
                )
                last[batch.stream] = recorded
                new.append(recorded)
        for recorded in new:
            self._project(recorded)
        self._log += new
        self._last = last
        self.queued += follow_ups
        return new

    def read(self, stream: str, *, after: int = 0, limit: int | None = None) -> list[Recorded]:
        found = [r for r in self._log if r.stream == stream and r.version > after]
        return found if limit is None else found[:limit]

    def read_all(self, *, after: int = 0, limit: int = 1000, category: str = "") -> list[Recorded]:
        prefix = f"{category}/" if category else ""
        return [r for r in self._log[after:] if r.stream.startswith(prefix)][:limit]

    def head(self) -> int:
        return len(self._log)
