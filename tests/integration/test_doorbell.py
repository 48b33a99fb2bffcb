"""Doorbells and the hub: who wrote wakes who shows, and whoever hears nothing looks each second.

The hubs of these tests poll once a minute unless polling is the point: only a ring can wake them in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from django.db import connection, transaction

from jobs import console_log
from lab.eventstore import live
from lab.eventstore.doorbell import (
    Doorbell,
    PostgresDoorbell,
    RedisDoorbell,
    SilentDoorbell,
    UnixDoorbell,
    Wake,
    ring_on_commit,
)
from lab.eventstore.live import LogHub, running_hub
from lab.eventstore.store import DjangoEventStore
from tests.support.bare_jobs import append, result, submitted
from tests.support.databases import Database
from tests.support.lamps import META, lamps, lit
from tests.support.redis import Redis

NEVER = 60.0
SOON = 10.0

store = DjangoEventStore(events=lamps)


def unix_bell(tmp_path: Path) -> UnixDoorbell:
    # As deep as a folder may lie: sun_path would not hold it.
    return UnixDoorbell(tmp_path / ("d" * 120) / "run")


@pytest.fixture(params=["unix", "postgres", "redis"])
def bell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Doorbell]:
    """Each of the doorbells, on the database it is used with."""
    if request.param == "postgres":
        request.getfixturevalue("postgres_database")
        yield PostgresDoorbell()
        return
    request.getfixturevalue("sqlite_database")
    if request.param == "unix":
        yield unix_bell(tmp_path)
    else:
        yield RedisDoorbell(request.getfixturevalue("redis_server").url)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.002)


async def rung(hub: LogHub, ring: Callable[[], object]) -> bool:
    """Whether the hub wakes because of what is done in `ring`."""
    await settled(hub)
    seen = hub.wakes
    await asyncio.to_thread(_in_thread, ring)
    return await hub.wait(seen, timeout=SOON) != seen


async def settled(hub: LogHub) -> None:
    """Wait until the hub has nothing left to do: it was started, or rung, a moment ago."""
    seen = -1
    while seen != hub.wakes:
        seen = await hub.wait(hub.wakes, timeout=0.2)


def _in_thread(function: Callable[[], object]) -> None:
    try:
        function()
    finally:
        connection.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(bounded())


# -- doorbells -----------------------------------------------------------------------------------


def test_a_ring_wakes_every_listener(bell: Doorbell) -> None:
    async def test() -> None:
        async with running_hub(bell, poll=NEVER) as one, running_hub(bell, poll=NEVER) as two:
            await asyncio.gather(settled(one), settled(two))
            seen = one.wakes, two.wakes
            await asyncio.to_thread(_in_thread, bell.ring)
            assert await one.wait(seen[0], timeout=SOON) != seen[0]
            assert await two.wait(seen[1], timeout=SOON) != seen[1]

    run(test)


def test_the_bell_is_rung_by_a_commit_and_not_by_a_rollback(bell: Doorbell) -> None:
    def commit() -> None:
        with transaction.atomic():
            ring_on_commit(bell)

    def roll_back() -> None:
        with transaction.atomic():
            ring_on_commit(bell)
            transaction.set_rollback(True)

    async def test() -> None:
        async with running_hub(bell, poll=NEVER) as hub:
            assert await rung(hub, commit)
            await settled(hub)
            seen = hub.wakes
            await asyncio.to_thread(_in_thread, roll_back)
            assert await rung(hub, commit)
            assert hub.wakes == seen + 1

    run(test)


def test_ringing_where_nobody_listens_is_nothing(bell: Doorbell) -> None:
    bell.ring()
    bell.ring()


class WatchedBell:
    """A bell that counts how often it began to be listened to."""

    def __init__(self, bell: Doorbell) -> None:
        self.transactional, self.ring, self._bell = bell.transactional, bell.ring, bell
        self.listened = 0

    @contextlib.asynccontextmanager
    async def listening(self, wake: Wake) -> AsyncIterator[asyncio.Future[None]]:
        async with self._bell.listening(wake) as end:
            self.listened += 1
            yield end


def test_a_bell_that_was_away_is_heard_again(postgres_database: Database, redis_server: Redis) -> None:
    """The server behind the bell is restarted: meanwhile nothing fails, afterwards it rings again."""
    postgres = postgres_database.server
    assert postgres is not None

    async def test(bell: WatchedBell, stop: Callable[[], None], start: Callable[[], None]) -> None:
        async with running_hub(bell, poll=NEVER) as hub:
            await settled(hub)
            seen = hub.wakes
            stop()
            started = time.monotonic()
            for _ in range(3):
                await asyncio.to_thread(_in_thread, bell.ring)
            assert time.monotonic() - started < 1.0
            start()
            await until(lambda: bell.listened == 2 and hub.wakes > seen)
            await settled(hub)
            seen = hub.wakes
            async with asyncio.timeout(SOON):
                # Redis is left alone for a second after a ring that failed.
                while await hub.wait(seen, timeout=0.1) == seen:
                    await asyncio.to_thread(_in_thread, bell.ring)

    run(lambda: test(WatchedBell(PostgresDoorbell()), lambda: postgres.stop("fast"), postgres.start))
    run(lambda: test(WatchedBell(RedisDoorbell(redis_server.url)), redis_server.stop, redis_server.start))


def test_a_socket_of_a_process_that_died_is_removed_by_the_next_ring(tmp_path: Path) -> None:
    bell = UnixDoorbell(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(tmp_path / "1-dead.sock"))
    (tmp_path / "note.txt").touch()
    bell.ring()
    assert os.listdir(tmp_path) == ["note.txt"]


def test_a_listener_that_does_not_listen_costs_the_ringer_nothing(tmp_path: Path) -> None:
    bell = UnixDoorbell(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "1-deaf.sock"))
        started = time.monotonic()
        for _ in range(2000):
            bell.ring()
        assert time.monotonic() - started < 5.0
    assert UnixDoorbell(tmp_path / "no such folder").ring() is None  # type: ignore[func-returns-value]


def test_a_listener_leaves_nothing_behind(tmp_path: Path, sqlite_database: Database) -> None:
    bell = unix_bell(tmp_path)

    async def test() -> None:
        async with running_hub(bell):
            assert len(list(bell._folder.iterdir())) == 1
        assert list(bell._folder.iterdir()) == []
        assert oct(bell._folder.stat().st_mode)[-3:] == "700"

    run(test)


@pytest.mark.parametrize(
    ("kind", "vendor", "redis_url", "expected"),
    [
        ("", "sqlite", "", UnixDoorbell),
        ("", "postgresql", "", PostgresDoorbell),
        ("", "sqlite", "redis://cache", RedisDoorbell),
        ("", "postgresql", "redis://cache", RedisDoorbell),
        ("unix", "postgresql", "", UnixDoorbell),
        ("none", "postgresql", "redis://cache", SilentDoorbell),
        ("postgres", "postgresql", "redis://cache", PostgresDoorbell),
        ("redis", "sqlite", "redis://cache", RedisDoorbell),
    ],
)
def test_the_doorbell_follows_from_the_shape_the_lab_runs_in(
    kind: str, vendor: str, redis_url: str, expected: type
) -> None:
    assert type(live.choose_doorbell(kind, vendor, redis_url)) is expected


def test_a_doorbell_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="LABBOOK_DOORBELL='gong' is none of unix, postgres, redis, none"):
        live.choose_doorbell("gong", "sqlite", "")


# -- the hub -------------------------------------------------------------------------------------


def test_an_append_and_console_bytes_wake_the_hub_of_another_thread(database: Database) -> None:
    async def test() -> None:
        hub = await live.hub()
        hub._poll = NEVER
        try:
            assert await live.hub() is hub
            assert await rung(hub, lambda: append("job/1", submitted()))
            assert [one.stream for one in await hub.news_since(0)] == ["job/1"]
            assert await rung(hub, lambda: console_log.append(1, [(0, b"x", 1.0)]))
            assert await rung(hub, live.ring)
        finally:
            await live.stop_hub()

    run(test)


def test_without_a_bell_news_come_with_the_next_poll(database: Database) -> None:
    async def test() -> None:
        async with running_hub(SilentDoorbell(), poll=0.3) as hub:
            await asyncio.to_thread(_in_thread, lambda: store.append(lit("lamp/1", 0), meta=META))
            await until(lambda: hub.head == 1)

    run(test)
    assert live.SAFETY_POLL <= 1.0


def test_memory_is_bounded_and_who_is_further_behind_reads_the_database(database: Database) -> None:
    async def test() -> None:
        async with running_hub(SilentDoorbell(), poll=0.05, remember=5) as hub:
            for version in range(4):
                one = partial(store.append, lit("lamp/1", version * 3, *"abc"), meta=META)
                await asyncio.to_thread(_in_thread, one)
            await until(lambda: hub.head == 12)
            assert [one.position for one in hub.news(7) or []] == [8, 9, 10, 11, 12]
            assert hub.news(6) is None
            assert hub.news(12) == []
            assert hub.news(99) == []
            assert [one.position for one in await hub.news_since(6)] == [7, 8, 9, 10, 11, 12]
            assert [one.position for one in await hub.news_since(0, limit=4)] == [1, 2, 3, 4]
            assert [one.position for one in await hub.news_since(9, limit=2)] == [10, 11]

    run(test)


def test_what_was_before_the_hub_is_read_from_the_database(sqlite_database: Database) -> None:
    store.append(lit("lamp/1", 0, *"abc"), meta=META)

    async def test() -> None:
        async with running_hub(SilentDoorbell()) as hub:
            assert hub.head == 3
            assert hub.news(1) is None
            assert [one.position for one in await hub.news_since(1)] == [2, 3]

    run(test)


def test_a_hub_outlives_an_outage_of_its_database(postgres_database: Database) -> None:
    postgres = postgres_database.server
    assert postgres is not None

    async def test() -> None:
        async with running_hub(PostgresDoorbell(), poll=0.1) as hub:
            postgres.stop("fast")
            seen = hub.wakes
            with pytest.raises(Exception, match="connection"):
                await hub.read(store.head)
            postgres.start()
            await asyncio.to_thread(_in_thread, lambda: store.append(lit("lamp/1", 0), meta=META))
            await until(lambda: hub.head == 1 and hub.wakes > seen)

    run(test)


def test_many_rings_make_few_looks(sqlite_database: Database, tmp_path: Path) -> None:
    bell = UnixDoorbell(tmp_path)

    async def test() -> None:
        async with running_hub(bell, poll=NEVER) as hub:
            await settled(hub)
            seen, started = hub.wakes, time.monotonic()
            for _ in range(500):
                bell.ring()
                await asyncio.sleep(0)
            await settled(hub)
            assert hub.wakes - seen <= 1 + (time.monotonic() - started) / live.GAP

    run(test)


def test_a_loop_that_is_gone_leaves_no_hub(sqlite_database: Database) -> None:
    async def leave() -> None:
        await live.hub()

    async def look() -> None:
        await live.hub()
        assert len(live._hubs) == 1
        await live.stop_hub()
        await live.stop_hub()

    asyncio.run(leave())
    asyncio.run(look())
    assert live._hubs == {}


def test_news_is_what_an_event_concerns(sqlite_database: Database) -> None:
    append("job/1", submitted(), result("ping"))

    async def test() -> None:
        async with running_hub(SilentDoorbell()) as hub:
            assert await hub.news_since(0) == [
                (1, "job/1", "job.submitted"),
                (2, "job/1", "job.result_reported"),
            ]

    run(test)
