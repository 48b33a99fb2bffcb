"""The websockets of the pages. A socket has a cursor and nothing else: see docs in `lab.eventstore.live`.

``ws/jobs/<id>/?after=<position>&console=<node>:<offset>,…`` streams a job: each frame is a JSON object

* ``delta``: what `jobs.queries.job_snapshot` says since the cursor; absent when nothing happened,
* ``events``: the rows of `jobs.queries.job_events` since the cursor,
* ``consoles``: by node (of those named in the address), ``{offset, line, at, data}`` with `data` in base64,
* ``position``: what to connect with as ``after`` next time.

``ws/events/?after=<position>&topic=jobs,boards`` tells lists what changed: ``{position, jobs: [number…],
boards: [name…]}``; without ``after`` it begins with now.

``ws/feed/?after=<position>&type=<type>,…`` sends what ``GET /api/v1/events/`` answers: ``{events, position,
more}``; without ``after`` it begins with now. A program may show its token in the header Authorization.

The server speaks first, at once, so that a page knows it is connected; it never expects to be spoken to. It
sends at most each `PAUSE` and waits until a frame is taken before it looks for the next: a slow reader gets
fewer and fuller frames, and costs no memory. Closed with 4400 (address), 4401 (log in), 4404 (no such job, or
not for you).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

import msgspec
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib import auth
from django.db import Error
from django.http import HttpRequest

from devices import access, seen
from jobs import feed, queries
from jobs.live import Cursor, empty_frame, tail_of
from jobs.sight import Sight
from lab.eventstore import live
from lab.eventstore.live import LogHub
from lab.kernel.errors import NotFound
from lab.tokens.models import valid_token

log = logging.getLogger(__name__)

PAUSE = 0.03
"""Seconds between two frames, at least."""
FEED_BATCH = 500
"""Events that are looked at for one frame of the feed."""
LIST_PAUSE = 0.2
"""The same for lists: nobody reads a list as it changes 30 times a second."""
MAX_CONSOLES = 100
BIGGEST = 2**63 - 1


class Refused(Exception):
    """The socket is to be closed."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class StreamConsumer(AsyncWebsocketConsumer):
    """A socket that only sends: `start` reads the address, `step` sends what is new."""

    hub: LogHub
    user: queries.User
    pause = PAUSE

    async def connect(self) -> None:
        # Accept first: a browser is told the code and the reason only of an open connection.
        await self.accept()
        self._stream = asyncio.create_task(self._run())

    async def disconnect(self, code: int) -> None:
        await self._stop()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._stop()

    async def start(self, query: Mapping[str, str]) -> None:
        """Take the cursor from the address. Raises `Refused`."""
        raise NotImplementedError

    async def authorise(self) -> None:
        """Raises `Refused` or `NotFound` if the user may not see this."""
        raise NotImplementedError

    async def step(self) -> bool:
        """Send what is new, if anything; returns whether to look again without being woken."""
        raise NotImplementedError

    async def _run(self) -> None:
        try:
            self.hub = await live.hub()
            await self.start({k: v[-1] for k, v in parse_qs(self.scope["query_string"].decode()).items()})
            await self._follow()
        except Refused as exc:
            await self.close(exc.code, exc.reason)
        except NotFound as exc:
            await self.close(4404, str(exc))
        except Exception:
            log.exception("A live stream broke off.")
            await self.close(1011)

    async def _follow(self) -> None:
        checked = float("-inf")
        while True:
            seen = self.hub.wakes
            again = False
            try:
                if time.monotonic() - checked > settings.LABBOOK["RECHECK_SECONDS"]:
                    self.user = await self._current_user()
                    await self.authorise()
                    checked = time.monotonic()
                again = await self.step()
            except Error:
                # The hub has logged it, and wakes us when the database is back.
                log.debug("A live stream waits for the database.", exc_info=True)
            await asyncio.sleep(self.pause)
            if not again:
                await self.hub.wait(seen)

    async def _current_user(self) -> queries.User:
        """Who is behind the socket's session now: logging out ends what a private stream shows."""
        key = self.scope.get("cookies", {}).get(settings.SESSION_COOKIE_NAME)
        user = await self.hub.read(_user_of, key)
        if not await self.hub.read(access.may_read, user):
            raise Refused(4401, "Log in to watch.")
        return user

    async def _stop(self) -> None:
        stream: asyncio.Task[None] | None = getattr(self, "_stream", None)
        if stream is not None and stream is not asyncio.current_task():
            stream.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await stream


class JobConsumer(StreamConsumer):
    """One job, live."""

    async def start(self, query: Mapping[str, str]) -> None:
        self.job = int(self.scope["url_route"]["kwargs"]["job"])
        if self.job > BIGGEST:
            raise NotFound(f"There is no job {self.job}, or you may not see it.")
        after = number_of("after", query.get("after", "0"))
        # A position from the future (the database was put back to a copy) would wait for ever.
        position = after if after <= self.hub.head else 0
        self.cursor = Cursor(position=position, consoles=_consoles(query.get("console", "")))
        self.tail = tail_of(self.hub, self.job)
        self.greeted = False

    async def authorise(self) -> None:
        if not await self.hub.read(queries.may_see, self.user, self.job):
            raise NotFound(f"There is no job {self.job}, or you may not see it.")

    async def step(self) -> bool:
        frame = await self.tail.frame(self.cursor, self.user)
        if frame is not None:
            await self.send(text_data=frame.text)
            self.cursor = frame.cursor
        elif not self.greeted:
            await self.send(text_data=empty_frame(self.cursor))
        self.greeted = True
        return frame is not None and frame.more


class EventsConsumer(StreamConsumer):
    """What changed, for pages with lists: names only, the page asks for the rows it shows."""

    pause = LIST_PAUSE

    async def start(self, query: Mapping[str, str]) -> None:
        after = number_of("after", query.get("after") or str(self.hub.head))
        self.position = min(after, self.hub.head)
        self.topics = set(query.get("topic", "jobs,boards").split(","))
        if unknown := self.topics - {"jobs", "boards"}:
            raise Refused(4400, f"topic: {min(unknown)!r} is neither jobs nor boards")
        self.greeted = False

    async def authorise(self) -> None:
        """Whoever may watch at all may watch this; it names only what the user may know of."""

    async def step(self) -> bool:
        news = await self.hub.news_since(self.position)
        position = news[-1].position if news else self.position
        changed: dict[str, dict[str, None]] = {"job": {}, "board": {}}
        for one in news:
            kind, _, name = one.stream.partition("/")
            if kind in changed:
                changed[kind][name] = None
        frame: dict[str, Any] = {"position": position, "jobs": [], "boards": []}
        if "jobs" in self.topics and changed["job"]:
            numbers = [int(name) for name in changed["job"]]
            frame["jobs"] = await self.hub.read(_seen_jobs, self.user, numbers)
        if "boards" in self.topics and changed["board"]:
            frame["boards"] = await self.hub.read(_known_boards, self.user, list(changed["board"]))
        if frame["jobs"] or frame["boards"] or not self.greeted:
            await self.send(text_data=msgspec.json.encode(frame).decode())
            self.greeted = True
        self.position = position
        return bool(news)


class FeedConsumer(StreamConsumer):
    """All that happens, as far as the user may see it, for programs."""

    async def start(self, query: Mapping[str, str]) -> None:
        after = number_of("after", query.get("after") or str(self.hub.head))
        self.position = min(after, self.hub.head)
        self.types = frozenset(one for one in query.get("type", "").split(",") if one)
        self.greeted = False

    async def authorise(self) -> None:
        """Whoever may watch at all may watch this; it shows only what the user may see."""

    async def step(self) -> bool:
        if self.greeted and self.position >= self.hub.head:
            return False
        found = await self.hub.read(feed.feed, self.user, self.position, limit=FEED_BATCH, types=self.types)
        self.position = found["position"]
        if found["events"] or not self.greeted:
            await self.send(text_data=msgspec.json.encode(found).decode())
            self.greeted = True
        return bool(found["more"])

    async def _current_user(self) -> queries.User:
        headers = dict(self.scope.get("headers", ()))
        kind, _, token = headers.get(b"authorization", b"").decode(errors="replace").partition(" ")
        if kind.lower() not in ("token", "bearer"):
            return await super()._current_user()
        found = await self.hub.read(valid_token, token.strip())
        if found is None or "read" not in found.scopes:
            raise Refused(4401, "This token is not valid (any more).")
        return found.user


def _user_of(session_key: str | None) -> queries.User:
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return auth.get_user(request)


def _seen_jobs(user: queries.User, numbers: list[int]) -> list[int]:
    found = Sight(user).those_seen(numbers)
    return [number for number in numbers if number in found]


def _known_boards(user: queries.User, names: list[str]) -> list[str]:
    found = seen.may_know_boards(user, names)
    return [name for name in names if name in found]


def number_of(what: str, text: str) -> int:
    """Return a number of the address. Raises `Refused`."""
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > BIGGEST:
        raise Refused(4400, f"{what}: {text[:20]!r} is not a number")
    return int(text)


def _consoles(text: str) -> dict[int, int]:
    parts = [part.partition(":") for part in text.split(",") if part]
    if len(parts) > MAX_CONSOLES:
        raise Refused(4400, f"console: more than {MAX_CONSOLES} of them")
    return {number_of("console", node): number_of("console", offset or "0") for node, _, offset in parts}
