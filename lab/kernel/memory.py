"""The log in memory: the reference of the store's contract, and the fake of all unit tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from lab.kernel.events import Codec, Meta, Recorded, codec
from lab.kernel.ports import Append, FollowUp
from lab.kernel.sealing import seal


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
        self._lock = threading.RLock()
        self.queued: list[FollowUp] = []

    def append(self, *batches: Append, meta: Meta, follow_ups: Sequence[FollowUp] = ()) -> list[Recorded]:
        with self._lock:
            entries = seal(
                batches,
                last=self._end,
                head=len(self._log),
                meta=meta,
                now=self._now(),
                codec=self._codec,
            )
            new = [entry.recorded for entry in entries]
            for recorded in new:
                self._project(recorded)
            self._log += new
            self._last |= {recorded.stream: recorded for recorded in new}
            self.queued += follow_ups
            return new

    def _end(self, stream: str) -> tuple[int, str]:
        last = self._last.get(stream)
        return (last.version, last.digest) if last else (0, "")

    def read(self, stream: str, *, after: int = 0, limit: int | None = None) -> list[Recorded]:
        found = [r for r in self._log if r.stream == stream and r.version > after]
        return found if limit is None else found[:limit]

    def read_all(self, *, after: int = 0, limit: int = 1000, category: str = "") -> list[Recorded]:
        prefix = f"{category}/" if category else ""
        return [r for r in self._log[after:] if r.stream.startswith(prefix)][:limit]

    def head(self) -> int:
        return len(self._log)
