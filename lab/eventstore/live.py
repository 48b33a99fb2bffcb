"""Following the log as it grows: the doorbell of this lab, and one `LogHub` per web process."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, ParamSpec, TypeVar

from django.conf import settings
from django.db import Error, close_old_connections, connection

from lab.eventstore.doorbell import (
    Doorbell,
    PostgresDoorbell,
    RedisDoorbell,
    SilentDoorbell,
    UnixDoorbell,
)
from lab.eventstore.doorbell import (
    ring_on_commit as _ring_on_commit,
)
from lab.eventstore.models import EventRow

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

GAP = 0.01
"""Seconds between two looks at the database. The first ring after a quiet time is answered at once."""
SAFETY_POLL = 1.0
"""Seconds. The longest that a lost ring can delay anything."""
REMEMBERED = 20_000
"""News kept in memory; who is further behind reads from the database."""
AGAIN = 1.0
"""Seconds until a doorbell that went silent, or a database that could not be read, is tried again."""
BATCH = 2_000


class News(NamedTuple):
    """What the hub remembers of an event: enough to know whom it concerns."""

    position: int
    stream: str
    type: str


@functools.cache
def choose_doorbell(kind: str, vendor: str, redis_url: str) -> Doorbell:
    """Return the doorbell that LABBOOK_DOORBELL names or, if empty, that fits database and REDIS_URL."""
    match kind or ("redis" if redis_url else "postgres" if vendor == "postgresql" else "unix"):
        case "redis":
            return RedisDoorbell(redis_url)
        case "postgres":
            return PostgresDoorbell()
        case "unix":
            return UnixDoorbell(settings.VAR_DIR / "run")
        case "none":
            return SilentDoorbell()
        case other:
            raise ValueError(f"LABBOOK_DOORBELL={other!r} is none of unix, postgres, redis, none")


def doorbell() -> Doorbell:
    """Return the doorbell of the shape that this lab runs in."""
    return choose_doorbell(settings.LABBOOK["DOORBELL"], connection.vendor, settings.REDIS_URL)


def ring() -> None:
    """Wake every reader of this lab, now. Never fails and never waits: who misses it polls a second later."""
    doorbell().ring()


def ring_on_commit() -> None:
    """Wake every reader when the current transaction commits. Call it last in the transaction."""
    _ring_on_commit(doorbell())


class LogHub:
    """Follows the log once for all sockets of a process.

    On every ring, and each second besides, it reads what is new by position, remembers the last
    `REMEMBERED` events' names and wakes its waiters. A waiter only ever learns *that* it should look: its
    cursor says where. Nothing grows with the number of slow readers.
    """

    def __init__(self, bell: Doorbell, *, poll: float = SAFETY_POLL, remember: int = REMEMBERED) -> None:
        self._bell, self._poll = bell, poll
        self._news: deque[News] = deque(maxlen=remember)
        self._since = 0
        self._wakes = 0
        self._rung = asyncio.Event()
        self._woken = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        # One thread with one connection for everything that is read for sockets of this process.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loghub")
        self.head = 0

    async def start(self) -> None:
        """Begin to follow; returns when the hub has caught up for the first time."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._follow())]
        await self._caught_up.wait()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self.read(_close_connection)
        self._thread.shutdown()

    def abandon(self) -> None:
        """Let go of the thread of a hub whose event loop is gone."""
        self._thread.shutdown(wait=False)

    async def read(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function that uses the database, in the hub's thread."""

        def call() -> R:
            close_old_connections()
            try:
                return function(*args, **kwargs)
            except Error:
                connection.close()  # do not meet a dead connection twice
                raise

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    @property
    def _again(self) -> float:
        return min(self._poll, AGAIN)

    @property
    def wakes(self) -> int:
        """How often the waiters were woken; hand it to `wait`."""
        return self._wakes

    async def wait(self, seen: int, timeout: float | None = None) -> int:
        """Return the number of wakes as soon as it differs from `seen`, or after `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._wakes == seen:
                    await self._woken.wait()
        return self._wakes

    def news(self, after: int) -> list[News] | None:
        """Return what came after a position, oldest first; None if that is longer ago than memory reaches."""
        if after < self._since:
            return None
        # From the end: whoever asks is at most a few events behind.
        found = list(itertools.takewhile(lambda one: one.position > after, reversed(self._news)))
        found.reverse()
        return found

    async def news_since(self, after: int, limit: int = BATCH) -> list[News]:
        """Return up to `limit` events' names after a position, from memory or else the database."""
        found = self.news(after)
        if found is None:
            found = await self.read(_read_news, after, limit)
        return found[:limit]

    async def _follow(self) -> None:
        first = True
        while True:
            self._rung.clear()
            try:
                if first:
                    self.head = self._since = await self.read(_head)
                    first = False
                await self._catch_up()
            except Exception:
                # The database is away. Sockets stay. However rarely it polls: a ring may have been in vain.
                log.warning("The log cannot be read; trying again in %s s.", self._again, exc_info=True)
                await asyncio.sleep(self._again)
                continue
            self._caught_up.set()
            self._wakes += 1
            self._woken.set()
            self._woken = asyncio.Event()
            await asyncio.sleep(GAP)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll):
                    await self._rung.wait()

    async def _catch_up(self) -> None:
        while found := await self.read(_read_news, self.head, BATCH):
            self._news.extend(found)
            self.head = found[-1].position
            if len(self._news) == self._news.maxlen:
                self._since = self._news[0].position - 1
            if len(found) < BATCH:
                return

    async def _listen(self) -> None:
        while True:
            try:
                async with self._bell.listening(self._rung.set) as end:
                    self._rung.set()  # something may have come while nobody listened
                    await end
            except asyncio.CancelledError:
                raise
            except Exception:
                log.warning("The doorbell is silent; polling each %s s.", self._poll, exc_info=True)
            await asyncio.sleep(self._again)


def _close_connection() -> None:
    connection.close()  # that of the thread this runs in


def _head() -> int:
    return EventRow.objects.order_by("-position").values_list("position", flat=True).first() or 0


def _read_news(after: int, limit: int) -> list[News]:
    rows = EventRow.objects.filter(position__gt=after).order_by("position")
    return [News(*row) for row in rows.values_list("position", "stream", "type")[:limit]]


_hubs: dict[asyncio.AbstractEventLoop, LogHub] = {}


async def hub() -> LogHub:
    """Return the running hub of this process (to be exact: of this event loop)."""
    loop = asyncio.get_running_loop()
    for old in [one for one in _hubs if one.is_closed()]:
        _hubs.pop(old).abandon()
    found = _hubs.get(loop)
    if found is None:
        found = _hubs[loop] = LogHub(doorbell())
    await found.start()
    return found


async def stop_hub() -> None:
    """Stop the hub of this event loop, if there is one."""
    if found := _hubs.pop(asyncio.get_running_loop(), None):
        await found.stop()


@contextlib.asynccontextmanager
async def running_hub(
    bell: Doorbell, *, poll: float = SAFETY_POLL, remember: int = REMEMBERED
) -> AsyncIterator[LogHub]:
    """A hub of one's own, stopped at the end."""
    one = LogHub(bell, poll=poll, remember=remember)
    try:
        await one.start()
        yield one
    finally:
        await one.stop()
