"""The websocket by which a page has the keyboard of a node.

``ws/jobs/<id>/nodes/<index>/keyboard/``: opening it takes the keyboard, closing it gives it back. The server
says ``{"taken": ticket, "idle": seconds}``, then ``{"given": reason}`` when the keyboard is gone, and
``{"refused": words}`` for what was not typed; the page sends what is typed, as bytes. What the node prints
comes by the job's own socket. Closed with 4403 (not for you), 4409 (somebody else has it, or nobody can type
now), 4410 (given back), besides the codes of `jobs.consumers`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import Error, close_old_connections, connection

from jobs import access, hand_commands, queries
from jobs.consumers import BIGGEST, Refused, StreamConsumer
from jobs.domain import job as life
from jobs.domain.events import JobFinished
from jobs.domain.hands import Keyboard
from jobs.domain.hands_events import KeyboardGiven, KeyboardTaken
from lab.kernel.errors import Conflict, LabError, NotFound, NotPermitted, Rejected

CHANGES = {KeyboardGiven.type, KeyboardTaken.type, JobFinished.type}
GIVEN, NOT_YOURS, NOT_NOW = 4410, 4403, 4409

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

# What is typed must not wait for what others read, nor they for it.
_typists = ThreadPoolExecutor(max_workers=2, thread_name_prefix="typist")


async def do(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a command in one of the typists' threads, each of which has a connection of its own."""

    def call() -> R:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        except Error:
            connection.close()
            raise

    return await asyncio.get_running_loop().run_in_executor(_typists, call)


class KeyboardConsumer(StreamConsumer):
    """One keyboard, for as long as the socket is open."""

    ticket: int | None = None
    _taking: asyncio.Future[Keyboard] | None = None
    """The keyboard that is being taken: a thread does that, which nobody can stop."""

    async def start(self, query: Mapping[str, str]) -> None:
        route = self.scope["url_route"]["kwargs"]
        self.job, self.node = int(route["job"]), int(route["node"])
        if self.job > BIGGEST:
            raise NotFound(f"There is no job {self.job}, or you may not see it.")
        self.user = await self._current_user()
        self.position = self.hub.head
        self._taking = asyncio.ensure_future(
            do(hand_commands.take_keyboard, self.job, self.node, user=self.user, cause="web")
        )
        try:
            taken = await asyncio.shield(self._taking)
        except NotFound:
            raise
        except NotPermitted as exc:
            raise Refused(NOT_YOURS, short(exc)) from exc
        except (Rejected, Conflict) as exc:
            raise Refused(NOT_NOW, short(exc)) from exc
        self.ticket, self._taking = taken.ticket, None
        await self._say({"taken": taken.ticket, "idle": settings.LABBOOK["KEYBOARD_IDLE"]})

    async def authorise(self) -> None:
        if not await self.hub.read(access.may, self.user, "console", self.job):
            raise Refused(NOT_YOURS, "You may not type on this console (any more).")

    async def step(self) -> bool:
        """Look whether the keyboard is still this socket's, when something may have changed that."""
        news = await self.hub.news_since(self.position)
        if not news:
            return False
        stream = life.stream(self.job)
        if any(one.stream == stream and one.type in CHANGES for one in news):
            reason = await self.hub.read(_gone, self.job, self.node, self.ticket)
            if reason:
                self.ticket = None
                await self._say({"given": reason})
                raise Refused(GIVEN, reason[:100])
        self.position = news[-1].position
        return True

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        data = bytes_data if bytes_data is not None else (text_data or "").encode()
        if self.ticket is None or not data:
            return
        try:
            await do(hand_commands.type_keys, self.job, self.node, self.ticket, data, user=self.user)
        except Rejected as exc:
            await self._say({"refused": str(exc)})
        except Error:
            log.warning("Typed keys could not be stored.", exc_info=True)
            await self._say({"refused": "The database is busy or away: this was not typed. Try again."})

    async def disconnect(self, code: int) -> None:
        await super().disconnect(code)
        ticket, self.ticket = self.ticket, None
        if self._taking is not None:
            with contextlib.suppress(LabError, Error):  # not taken: nothing is to be given back
                ticket = (await self._taking).ticket
        if ticket is None:
            return
        try:
            await do(
                hand_commands.give_keyboard,
                self.job,
                self.node,
                ticket=ticket,
                reason="its holder left",
                user=self.user,
                cause="web",
            )
        except (LabError, Error):
            log.warning("A keyboard could not be given back; the time-out does that.", exc_info=True)

    async def _say(self, words: Mapping[str, Any]) -> None:
        await self.send(text_data=json.dumps(words))


def short(error: Exception) -> str:
    """Return what fits into a closing frame: 123 bytes."""
    return str(error).encode()[:120].decode(errors="ignore")


def _gone(number: int, node: int, ticket: int | None) -> str:
    """Why the keyboard is not this ticket's any more; empty while it is."""
    return queries.keyboard_lost(number, node, ticket)
