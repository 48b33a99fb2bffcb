"""A job as it is watched: what is new since a reader's cursor, shared by all sockets of a process.

However many browsers watch a job, each wake of the `LogHub` costs one query for its consoles and, if
something happened to it, one for its rows. Readers in step get the very same frame, encoded once. Who is
far behind reads the database at its own pace; memory holds the last bytes of each console and no more.
"""

from __future__ import annotations

import asyncio
import base64
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from jobs import console_log, queries
from jobs.console_log import Chunk
from lab.eventstore.live import LogHub

REMEMBERED = 256 * 1024
"""Bytes of each console that stay in memory for the readers that keep up."""
FRAME = 256 * 1024
"""Console bytes in one frame, about. The rest comes with the next one."""
SHARED = 32
"""Frames kept for readers that are at the same place."""

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """What a reader has seen: events up to a position, consoles (those it watches) up to an offset."""

    position: int = 0
    consoles: Mapping[int, int] = field(default_factory=dict)

    def key(self) -> tuple[int, tuple[tuple[int, int], ...]]:
        return self.position, tuple(sorted(self.consoles.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is new, as JSON text, and the cursor of who has received it."""

    text: str
    cursor: Cursor
    more: bool
    """There is more already."""


def empty_frame(cursor: Cursor) -> str:
    """Return the JSON text that says: connected, and nothing is new."""
    return msgspec.json.encode({"events": [], "consoles": {}, "position": cursor.position}).decode()


class ConsoleTail:
    """The last bytes of one node's console."""

    def __init__(self, end: int) -> None:
        self.start = self.end = end
        self._chunks: deque[Chunk] = deque()

    def add(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self.end = chunk.end
        while self.end - self.start > REMEMBERED and len(self._chunks) > 1:
            self.start = self._chunks.popleft().end

    def since(self, offset: int) -> list[Chunk]:
        """Return the chunks from `offset` on, which must not lie before `start`."""
        return [chunk.starting_at(offset) for chunk in self._chunks if chunk.end > offset]


class JobTail:
    """Follows one job for all sockets of a process that show it."""

    def __init__(self, job: int, hub: LogHub) -> None:
        self.job, self._hub = job, hub
        self._stream = f"job/{job}"
        self._lock = asyncio.Lock()
        self._seen = -1
        self._consoles: dict[int, ConsoleTail] | None = None
        self._noticed = hub.head
        self._changed = hub.head
        # A queued job waits for what happens to others, so everything may change what its page says.
        self._queued = True
        self._shared: dict[object, Frame | None] = {}

    async def frame(self, cursor: Cursor, user: queries.User) -> Frame | None:
        """Return what is new since a cursor, or None.

        Raises `NotFound` if the user may not (any more) see the job, and what the database raises.
        """
        async with self._lock:
            await self._catch_up()
            key = (user.pk, cursor.key())
            if key not in self._shared:
                if len(self._shared) >= SHARED:
                    self._shared.clear()
                self._shared[key] = await self._make_frame(cursor, user)
            return self._shared[key]

    async def _catch_up(self) -> None:
        seen = self._hub.wakes
        if seen == self._seen:
            return
        news = await self._hub.news_since(self._noticed)
        while news:
            if self._queued or any(one.stream == self._stream for one in news):
                self._changed = news[-1].position
                self._shared.clear()
            self._noticed = news[-1].position
            news = await self._hub.news_since(self._noticed)
        if self._consoles is None:
            sizes = await self._hub.read(console_log.sizes, self.job)
            self._consoles = {node: ConsoleTail(size) for node, size in sizes.items()}
            self._shared.clear()
        ends = {node: tail.end for node, tail in self._consoles.items()}
        while found := await self._hub.read(console_log.since, self.job, ends, REMEMBERED):
            self._shared.clear()
            for node, chunks in found.items():
                tail = self._consoles.setdefault(node, ConsoleTail(0))
                for chunk in chunks:
                    tail.add(chunk)
                ends[node] = tail.end
        self._seen = seen

    async def _make_frame(self, cursor: Cursor, user: queries.User) -> Frame | None:
        body: JsonObject = {}
        position = cursor.position
        if position < self._changed:
            delta, events = await self._hub.read(_news_of, user, self.job, position)
            body |= {"delta": delta, "events": events}
            position = delta["position"]
            self._queued = delta["state"] == "queued"
        consoles, offsets = await self._console_news(cursor.consoles)
        if not body and not consoles:
            return None
        position = max(position, self._noticed)
        text = msgspec.json.encode(
            {"events": [], **body, "consoles": consoles, "position": position}
        ).decode()
        after = replace(cursor, position=position, consoles=offsets)
        return Frame(text=text, cursor=after, more=self._is_behind(offsets))

    async def _console_news(self, cursors: Mapping[int, int]) -> tuple[JsonObject, dict[int, int]]:
        assert self._consoles is not None
        found: JsonObject = {}
        offsets = dict(cursors)
        budget = FRAME
        # Who is furthest behind comes last: a flood on one console does not hold up the others.
        for node, tail in sorted(self._consoles.items(), key=lambda one: one[1].end - cursors.get(one[0], 0)):
            offset = cursors.get(node, tail.end)
            if offset >= tail.end or budget <= 0:
                continue
            if offset >= tail.start:
                chunks = tail.since(offset)
            else:
                chunks = await self._hub.read(console_log.chunks, self.job, node, offset, budget)
            taken = _take(chunks, budget)
            found[str(node)] = [_row(chunk) for chunk in taken]
            offsets[node] = taken[-1].end
            budget -= offsets[node] - offset
        return found, offsets

    def _is_behind(self, offsets: Mapping[int, int]) -> bool:
        assert self._consoles is not None
        return any(
            node in self._consoles and offset < self._consoles[node].end for node, offset in offsets.items()
        )


def _news_of(user: queries.User, job: int, after: int) -> tuple[JsonObject, list[JsonObject]]:
    delta = queries.job_snapshot(user, job, after=after)
    # Events that came since the rows were read belong to the next frame.
    events = queries.job_events(job, after=after)
    return delta, [event for event in events if event["position"] <= delta["position"]]


def _take(chunks: list[Chunk], budget: int) -> list[Chunk]:
    taken: list[Chunk] = []
    for chunk in chunks:
        taken.append(chunk)
        budget -= len(chunk.data)
        if budget <= 0:
            break
    return taken


def _row(chunk: Chunk) -> JsonObject:
    data = base64.b64encode(chunk.data).decode()
    return {"offset": chunk.offset, "line": chunk.line, "at": chunk.at, "data": data}


_tails: weakref.WeakKeyDictionary[LogHub, weakref.WeakValueDictionary[int, JobTail]]
_tails = weakref.WeakKeyDictionary()


def tail_of(hub: LogHub, job: int) -> JobTail:
    """Return the tail that all sockets of this hub share. It lives as long as one of them holds it."""
    tails = _tails.setdefault(hub, weakref.WeakValueDictionary())
    found = tails.get(job)
    if found is None:
        found = tails[job] = JobTail(job, hub)
    return found
