"""The websocket by which a page has the console of a board that no job has, or watches who does.

``ws/boards/<name>/console/?sit=1&minutes=<n>&power=<on|cycle>`` takes it, or comes back to one's own;
``?errand=<number>&after=<id>`` goes on with a sitting, from a place of its record; without ``after`` from
`AT_FIRST` bytes before its end. The server says, as JSON,

* ``{"sitting": number, "by": user, "mine": bool, "idle": seconds}`` first,
* ``{"open": true}`` once a worker has the board's line,
* ``{"pieces": [{id, kind, at, data}…]}``: the record as it grows, ``data`` in base64; of ``kind`` ``o`` (the
  board printed it), ``i`` (it was typed) or ``n`` (a remark),
* ``{"refused": words}`` for what was not typed, and ``{"over": words}`` at the end.

Whoever has it sends what is typed as bytes, and the text ``leave``. A connection that breaks gives nothing
back at once: who comes back within `devices.sitting_life.AWAY` seconds goes on. Closed with 4403 (not for
you), 4409 (somebody else has the board), 4410 (over), besides the codes of `jobs.consumers`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import Error

from devices import sitting, sitting_input, sitting_life, sitting_record, sitting_view
from devices.domain import board as boards
from jobs.consumers import Refused, StreamConsumer, number_of
from jobs.keyboard_socket import GIVEN, NOT_NOW, NOT_YOURS, do, short
from lab.kernel.errors import Conflict, NotFound, NotPermitted, Rejected

MINUTES = 60
MOST_MINUTES = 24 * 60
AT_FIRST = 256 * 1024
"""Bytes of what went before that a window begins with, about."""
FRAME = 128 * 1024
"""Bytes of the record in one frame, about."""

log = logging.getLogger(__name__)


class BoardConsoleConsumer(StreamConsumer):
    """One window at a board's console."""

    mine = False
    _alive: asyncio.Task[None] | None = None

    async def start(self, query: Mapping[str, str]) -> None:
        self.board = str(self.scope["url_route"]["kwargs"]["board"])
        self.user = await self._current_user()
        await self.authorise()
        self.position, self.opened = self.hub.head, False
        self.errand = number_of("errand", query.get("errand") or "0")
        if query.get("sit"):
            self.errand = await self._take(query)
        found = await self.hub.read(sitting_view.current, self.board)
        if not self.errand:
            if found is None:
                raise Refused(NOT_NOW, "Nobody sits at this console.")
            self.errand = found.errand
        self.after = (
            number_of("after", query["after"])
            if "after" in query
            else await self.hub.read(sitting_view.beginning, self.user, self.board, self.errand, AT_FIRST)
        )
        by = found.by if found is not None and found.errand == self.errand else ""
        self.mine = bool(by) and by == self.user.get_username()
        idle = settings.LABBOOK["KEYBOARD_IDLE"]
        await self._say({"sitting": self.errand, "by": by, "mine": self.mine, "idle": idle})
        if self.mine:
            self._alive = asyncio.create_task(self._keep_saying_here())
        self.looked = False

    async def _stop(self) -> None:
        self._stop_signs()
        await super()._stop()

    async def authorise(self) -> None:
        try:
            await self.hub.read(sitting_view.require, self.user, self.board)
        except NotFound as exc:
            raise NotFound("There is no such board, or you may not see it.") from exc
        except NotPermitted as exc:
            raise Refused(NOT_YOURS, short(exc)) from exc

    async def step(self) -> bool:
        """Send what is new of the record; and, when the board's events may have changed it, how it stands."""
        news = await self.hub.news_since(self.position)
        looks = not self.looked or any(one.stream == boards.stream(self.board) for one in news)
        self.looked = not looks  # until all of this has gone well
        found = await self.hub.read(sitting_view.current, self.board) if looks else None
        if found is not None and found.errand == self.errand and found.open and not self.opened:
            self.opened = True
            await self._say({"open": True})
        is_over = looks and (found is None or found.errand != self.errand)
        again = await self._send_pieces()
        while is_over and again:
            again = await self._send_pieces()
        if is_over:
            words = await self.hub.read(sitting_view.words, self.user, self.board, self.errand)
            self.mine = False
            await self._say({"over": words})
            raise Refused(GIVEN, "The console was given back.")
        self.looked = True
        if news:
            self.position = news[-1].position
        return bool(news) or again

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self.mine:
            return
        try:
            if text_data == "leave":
                self._stop_signs()
                await do(sitting.leave, self.board, self.errand, actor=self.user, cause="web")
            elif bytes_data:
                name = self.user.get_username()
                await do(sitting_input.type_keys, self.board, self.errand, name, bytes_data)
        except Rejected as exc:
            await self._say({"refused": str(exc)})
        except Error:
            log.warning("Typed keys could not be stored.", exc_info=True)
            await self._say({"refused": "The database is busy or away: this was not typed. Try again."})

    async def _take(self, query: Mapping[str, str]) -> int:
        """Take the console, or come back to it; returns the errand's number."""
        minutes = number_of("minutes", query.get("minutes") or str(MINUTES))
        found = await self.hub.read(sitting_view.current, self.board)
        if found is not None and found.by == self.user.get_username():
            return found.errand
        try:
            return await do(
                sitting.request,
                self.board,
                seconds=60.0 * min(minutes, MOST_MINUTES + 1),
                power=query.get("power", ""),
                actor=self.user,
                cause="web",
            )
        except NotFound:
            raise
        except NotPermitted as exc:
            raise Refused(NOT_YOURS, short(exc)) from exc
        except (Rejected, Conflict) as exc:
            raise Refused(NOT_NOW, short(exc)) from exc

    async def _send_pieces(self) -> bool:
        """Send the next of the record; returns whether there may be more."""
        found = await self.hub.read(
            sitting_record.chunks, self.board, self.errand, after=self.after, most=FRAME
        )
        if not found:
            return False
        self.after = found[-1].pk
        pieces = [
            {"id": one.pk, "kind": one.kind, "at": one.at, "data": base64.b64encode(one.data).decode()}
            for one in found
        ]
        await self._say({"pieces": pieces})
        return True

    async def _keep_saying_here(self) -> None:
        while True:
            with contextlib.suppress(Rejected, Error):
                await do(sitting_input.say_here, self.board, self.errand, self.user.get_username())
            await asyncio.sleep(sitting_life.SIGN_EVERY)

    def _stop_signs(self) -> None:
        if self._alive is not None:
            self._alive.cancel()

    async def _say(self, words: Mapping[str, Any]) -> None:
        await self.send(text_data=json.dumps(words))
