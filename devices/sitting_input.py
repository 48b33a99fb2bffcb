"""What somebody in a browser types at a board's console, on its way to the worker that has its line.

Rows carry it, and the doorbell says when to look; a poll stands behind that. They are signs of life, too:
whoever is there says so now and then, and a worker that takes none of them away is gone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.db import Error, connection, transaction
from django.db.models import Exists, Min, OuterRef

from devices.domain import errand as rules
from devices.models import Board, SittingInput
from lab.eventstore import live
from lab.kernel.errors import Rejected

MOST_TYPED = 16 * 1024
"""Bytes that may be typed at once. More comes in several pieces."""
HERE_EVERY = 10.0
"""Seconds between two signs of life."""
AWAY = 30.0
"""Seconds without a sign of life after which nobody is there any more."""
SILENT = 60.0
"""Seconds after which a worker that has taken nothing away counts as lost."""
POLL = 0.25
"""Seconds after which is looked for keys though no bell rang."""
GAP = 0.01
"""Seconds between two looks, at least."""
BATCH = 200

GONE = "nobody was there any more"

log = logging.getLogger(__name__)


def put(board: str, errand: int, by: str, kind: str, data: bytes = b"") -> None:
    """Send ``keys``, say ``here``, or ``leave``. Raises `Rejected` where the console is not theirs."""
    if len(data) > MOST_TYPED:
        raise Rejected(f"At most {MOST_TYPED} bytes can be typed at once, not {len(data)}.")
    with transaction.atomic():
        if not Board.objects.filter(
            pk=board, errand=errand, errand_what=rules.CONSOLE, errand_by=by
        ).exists():
            raise Rejected(f"The console of {board} was given back: nothing was typed.")
        SittingInput.objects.create(board=board, errand=errand, kind=kind, data=data, at=time.time())
        live.ring_on_commit()


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
        self._rows = SittingInput.objects.filter(board=board, errand=errand)
        self._idle, self._rung, self._clock = idle, rung, clock
        self._last_key = self._last_sign = clock()
        self._left = False
        self.why = ""
        """Why they are gone, once they are; empty: they left."""

    def show(self, data: bytes) -> None:
        """The page reads the record."""

    def typed(self, seconds: float) -> bytes | None:
        """Return what was typed, as `devices.drivers.session.Person` says."""
        if self._left:
            return None
        if self._rung.wait(min(seconds, POLL)):
            self._rung.clear()
            time.sleep(min(seconds, GAP))  # rings are for everybody: most are about something else
        keys = self._read()
        now = self._clock()
        if keys:
            self._last_key = now
            return keys
        if keys is None:
            return None
        if now - self._last_sign > AWAY:
            self.why = GONE
            return None
        if now - self._last_key > self._idle:
            self.why = f"nothing was typed for {self._idle:.0f} s"
            return None
        return b""

    def has_left(self) -> bool:
        """Whether they are gone before they could begin."""
        newest = self._rows.order_by("-pk").values_list("kind", "at").first()
        self._left = newest is not None and newest[0] == "leave"
        if not self._left and newest is not None and time.time() - newest[1] > AWAY:
            self._left, self.why = True, GONE
        return self._left

    def _read(self) -> bytes | None:
        """Return the keys that there are, None at their end."""
        try:
            rows = list(self._rows.order_by("pk")[:BATCH])
            if rows:
                self._last_sign = self._clock()
                self._rows.filter(pk__in=[row.pk for row in rows]).delete()
        except Error as exc:
            log.warning("Keys cannot be looked for: %s", exc)
            connection.close()
            self._last_sign = self._clock()  # they may be there: nobody could tell
            return b""
        if len(rows) == BATCH:
            self._rung.set()
        keys = b""
        for row in rows:
            if row.kind == "leave":
                self._left = True
                return keys or None
            keys += bytes(row.data)
        return keys


def silent() -> list[tuple[str, int]]:
    """Return the sittings, as (board, errand), whose workers take nothing away any more; and tidy up."""
    _forget()
    oldest = SittingInput.objects.values("board", "errand").annotate(at=Min("at"))
    waiting = {(one["board"], one["errand"]) for one in oldest if time.time() - one["at"] > SILENT}
    begun = Board.objects.filter(errand_what=rules.CONSOLE).exclude(errand_worker="")
    return [
        (name, errand)
        for name, errand in begun.values_list("pk", "errand")
        if errand is not None and (name, errand) in waiting
    ]


def _forget() -> None:
    """Take away what was typed for sittings that are over."""
    there = Board.objects.filter(pk=OuterRef("board"), errand=OuterRef("errand"))
    SittingInput.objects.filter(~Exists(there)).delete()
