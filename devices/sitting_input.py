"""What somebody in a browser types at a board's console, on its way to the worker that has its line.

Rows carry it, and the doorbell says when to look; a poll stands behind that. See `devices.sitting_life` for
whether they are there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from django.db import Error, connection, transaction

from devices import sitting_life
from devices.domain import errand as rules
from devices.models import Board, Sitting, SittingInput
from lab.eventstore import live
from lab.kernel.errors import Rejected

MOST_TYPED = 16 * 1024
"""Bytes that may be typed at once. More comes in several pieces."""
POLL = 0.25
"""Seconds after which is looked for keys though no bell rang."""
GAP = 0.01
"""Seconds between two looks, at least."""
BATCH = 50
"""Rows that are read at once."""

GONE = "nobody was there any more"

log = logging.getLogger(__name__)


def check_theirs(board: str, errand: int, by: str) -> Board:
    """Return the board's row. Raises `Rejected` where its console is not (any more) theirs."""
    row = Board.objects.filter(pk=board, errand=errand, errand_what=rules.CONSOLE, errand_by=by).first()
    if row is None:
        raise Rejected(f"The console of {board} was given back: nothing was typed.")
    return row


def type_keys(board: str, errand: int, by: str, data: bytes) -> None:
    """Send keys. Raises `Rejected` where the console is not theirs."""
    if len(data) > MOST_TYPED:
        raise Rejected(f"At most {MOST_TYPED} bytes can be typed at once, not {len(data)}.")
    with transaction.atomic():
        check_theirs(board, errand, by)
        SittingInput.objects.create(board=board, errand=errand, data=data)
        live.ring_on_commit()


def say_here(board: str, errand: int, by: str) -> None:
    """Say that they are there. Raises `Rejected` where the console is not theirs."""
    check_theirs(board, errand, by)
    sitting_life.person_is_there(board, errand)


class Relayed:
    """Somebody who sits in a browser, as the worker sees them. What they see is the record."""

    def __init__(
        self,
        board: str,
        errand: int,
        idle: float,
        rung: threading.Event,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = SittingInput.objects.filter(board=board, errand=errand)
        self._signs = Sitting.objects.filter(board=board, errand=errand)
        self._idle, self._rung, self._clock = idle, rung, clock
        self._last_key = self._last_sign = clock()
        self._sign: datetime | None = None
        self._looked_at = float("-inf")
        self._left = False
        self.why = ""
        """Why they are gone, once they are; empty: they left."""

    def show(self, data: bytes) -> None:
        """The page reads the record."""

    def typed(self, seconds: float) -> bytes | None:
        """Return what was typed, as `devices.drivers.session.Person` says."""
        if self._rung.wait(min(seconds, POLL)):
            self._rung.clear()
            time.sleep(min(seconds, GAP))  # rings are for everybody: most are about something else
        left = self.has_left(at_once=True)  # what was typed before that is found now
        keys = self._read()
        now = self._clock()
        if keys:
            self._last_key = now
            return keys
        if left:
            return None
        if now - self._last_sign > sitting_life.AWAY:
            self.why = GONE
            return None
        if now - self._last_key > self._idle:
            self.why = f"nothing was typed for {self._idle:.0f} s"
            return None
        return b""

    def has_left(self, *, at_once: bool = False) -> bool:
        """Whether they have left, as of now or of a moment ago."""
        now = self._clock()
        if self._left or (not at_once and now - self._looked_at < POLL):
            return self._left
        self._looked_at = now
        try:
            found = self._signs.values_list("left", "person_at").first()
        except Error as exc:
            self._is_away(exc)
            return False
        if found is not None:
            self._left, sign = found
            if sign != self._sign:
                self._sign, self._last_sign = sign, now
        return self._left

    def _read(self) -> bytes:
        """Return the keys that there are, some of them where there are many."""
        try:
            rows, keys = [], b""
            for row in self._keys.order_by("pk")[:BATCH]:
                rows.append(row.pk)
                keys += bytes(row.data)
                if len(keys) >= MOST_TYPED:
                    break
            if rows:
                self._keys.filter(pk__in=rows).delete()
                self._rung.set()  # there may be more
        except Error as exc:
            self._is_away(exc)
            return b""
        return keys

    def _is_away(self, exc: Error) -> None:
        log.warning("Keys cannot be looked for: %s", exc)
        connection.close()
        self._last_sign = self._clock()  # they may be there: nobody could tell
