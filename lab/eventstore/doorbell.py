"""Doorbells: how a process that wrote to the log wakes those that show it.

A ring carries nothing and may be lost: who misses it finds out by the safety poll of `LogHub`, a second
later. In exchange ringing is cheap, synchronous, and can neither fail nor wait. Three kinds, by the shape the
lab runs in (measured: a datagram 14-40 µs and 0.5 ms to the reader; a channel layer's `group_send` from
synchronous code 2.8 ms, which is why there is none):

* `unix`: a datagram to the socket of every web process of this machine,
* `postgres`: NOTIFY inside the writer's transaction, so it is delivered exactly when that commits,
* `redis`: PUBLISH.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Protocol

import psycopg
import redis
import redis.asyncio
from django.db import Error, connection, transaction

CHANNEL = "labbook"

Wake = Callable[[], None]


class Doorbell(Protocol):
    """One way to ring, and to hear it."""

    transactional: bool
    """Whether `ring` belongs inside the writer's transaction (it is then delivered at commit)."""

    def ring(self) -> None:
        """Wake every listener. Never waits; outside a transaction it never raises."""

    def listening(self, wake: Wake) -> contextlib.AbstractAsyncContextManager[asyncio.Future[None]]:
        """While in this context, call `wake` in the event loop for every ring.

        The future fails or ends when rings can no longer be heard: leave, and enter again.
        """


class SilentDoorbell:
    """Nobody hears anything: readers live on their safety poll."""

    transactional = False

    def ring(self) -> None:
        pass

    @contextlib.asynccontextmanager
    async def listening(self, wake: Wake) -> AsyncIterator[asyncio.Future[None]]:
        yield asyncio.get_running_loop().create_future()


class UnixDoorbell:
    """Datagrams to every socket in a folder that this user alone can enter."""

    transactional = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ring(self) -> None:
        # Socket and descriptor are made for each ring (some µs): nothing to share between threads and forks.
        try:
            with self._opened() as folder, _datagram_socket() as sender:
                for name in os.listdir(folder):
                    if name.endswith(".sock"):
                        _send(sender, folder, name)
        except OSError:
            pass  # No folder, no descriptors left: whoever listens has its poll.

    @contextlib.asynccontextmanager
    async def listening(self, wake: Wake) -> AsyncIterator[asyncio.Future[None]]:
        loop = asyncio.get_running_loop()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{os.getpid()}-{secrets.token_hex(3)}.sock"
        with self._opened() as folder, _datagram_socket() as receiver:

            def heard() -> None:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        receiver.recv(16)
                wake()

            receiver.bind(_short(folder, name))
            loop.add_reader(receiver.fileno(), heard)
            try:
                yield loop.create_future()
            finally:
                loop.remove_reader(receiver.fileno())
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield folder
        finally:
            os.close(folder)


def _datagram_socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)


def _send(sender: socket.socket, folder: int, name: str) -> None:
    try:
        sender.sendto(b"", _short(folder, name))
    except ConnectionRefusedError:
        # Its process is gone without a goodbye.
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
    except OSError:
        pass  # Full: it is being woken as it is. Gone: fine.


def _short(folder: int, name: str) -> str:
    """Return a path of the socket that fits into sun_path's 107 bytes, however deep the folder lies."""
    return f"/proc/self/fd/{folder}/{name}"


class PostgresDoorbell:
    """NOTIFY on the connection, and in the transaction, that wrote."""

    transactional = True

    def ring(self) -> None:
        if connection.in_atomic_block:
            # Must not be caught: a statement that failed has doomed the transaction, and PostgreSQL would
            # answer its COMMIT by rolling back without an error.
            self._notify()
        else:
            with contextlib.suppress(Error):
                self._notify()

    @staticmethod
    def _notify() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")

    @contextlib.asynccontextmanager
    async def listening(self, wake: Wake) -> AsyncIterator[asyncio.Future[None]]:
        parameters = connection.get_connection_params()
        for key in ("cursor_factory", "context", "prepare_threshold"):
            parameters.pop(key, None)
        async with await psycopg.AsyncConnection.connect(
            **parameters, autocommit=True, application_name="labbook doorbell", keepalives_idle=30
        ) as listener:
            await listener.execute(f"LISTEN {CHANNEL}")

            async def follow() -> None:
                async for _ in listener.notifies():
                    wake()

            async with _following(follow()) as end:
                yield end


class RedisDoorbell:
    """PUBLISH, for labs of many machines."""

    transactional = False

    def __init__(self, url: str) -> None:
        self._url = url
        self._local = threading.local()
        self._quiet_until = 0.0

    def ring(self) -> None:
        if time.monotonic() < self._quiet_until:
            return
        try:
            self._client().publish(CHANNEL, b"")
        except redis.RedisError:
            # Do not let every append wait for a server that is away.
            self._quiet_until = time.monotonic() + 1.0

    def _client(self) -> redis.Redis:
        # One per thread and process: a connection must not be shared over a fork.
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid = os.getpid()
            self._local.client = redis.Redis.from_url(
                self._url, socket_timeout=0.25, socket_connect_timeout=0.25, retry=None
            )
        client: redis.Redis = self._local.client
        return client

    @contextlib.asynccontextmanager
    async def listening(self, wake: Wake) -> AsyncIterator[asyncio.Future[None]]:
        async with redis.asyncio.Redis.from_url(self._url, socket_connect_timeout=2) as client:
            subscription = client.pubsub()
            async with subscription:
                await subscription.subscribe(CHANNEL)

                async def follow() -> None:
                    async for _ in subscription.listen():
                        wake()

                async with _following(follow()) as end:
                    yield end


@contextlib.asynccontextmanager
async def _following(work: Coroutine[None, None, None]) -> AsyncIterator[asyncio.Future[None]]:
    """Run a coroutine beside the body, and stop it with the body."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def ring_on_commit(bell: Doorbell) -> None:
    """Ring when, and only if, the current transaction commits."""
    if bell.transactional:
        bell.ring()
    else:
        transaction.on_commit(bell.ring)
