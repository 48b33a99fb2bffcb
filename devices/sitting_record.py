"""The record of a sitting: all that went over a board's console while somebody sat at it, as it came.

It is the record and the live stream in one: pages read it by id as it grows. Typed passwords are in it, so
it is for those alone who may type there themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

from django.db import Error, connection, transaction
from django.db.models.functions import Length

from devices.models import SittingChunk
from lab.asciicast import Cast, header
from lab.eventstore import live
from lab.kernel.errors import InfrastructureError

MOST = 32 * 1024
"""Bytes of one piece, at most."""
HEARD = 16 * 1024
"""Bytes of what the board said that are at hand at the end: the last ones."""
WAITING = 4 * 1024 * 1024
"""Bytes that wait for a database which is away; then the board's line has to wait, too."""
TOGETHER = 0.02
"""Seconds between two transactions, at least."""
AGAIN = 0.5
"""Seconds until a database that was away is tried again."""
LOOKED_AT = 1000
"""Pieces that are read at once, at most."""
AT_THE_END = 30.0
"""Seconds for which the last pieces wait for such a database."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Piece:
    kind: str
    at: float
    data: bytearray = field(default_factory=bytearray)


class Recorder:
    """Writes one sitting's record, in a thread of its own. A context: at its end all is stored."""

    def __init__(
        self, board: str, errand: int, limit: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._board, self._errand, self._limit, self._clock = board, errand, limit, clock
        self.heard = bytearray()
        """The last bytes of what the board printed."""
        self._printed = 0
        self._changed = threading.Condition()
        self._waiting: list[_Piece] = []
        self._size = 0
        self._closing: float | None = None
        self._unsure = False
        """Whether nobody knows if the last attempt to store has succeeded."""
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closing = time.monotonic()
            self._changed.notify_all()
        self._thread.join()

    def note(self, kind: str, data: bytes) -> None:
        """Record bytes that came out of the board (``o``), or went in (``i``), or a remark (``n``).

        Raises `InfrastructureError` for more output than the lab keeps of one console.
        """
        if kind == "o":
            self.heard += data
            del self.heard[:-HEARD]
            self._printed += len(data)
            if self._printed > self._limit:
                raise InfrastructureError(f"the console printed more than {self._limit} bytes")
        with self._changed:
            while self._size >= WAITING and self._closing is None:
                if not self._changed.wait(1) and not self._thread.is_alive():
                    raise InfrastructureError("the record cannot be written: see the log of the worker")
            last = self._waiting[-1] if self._waiting else None
            if last is None or last.kind != kind or len(last.data) + len(data) > MOST:
                last = _Piece(kind, self._clock())
                self._waiting.append(last)
            last.data += data
            self._size += len(data)
            self._changed.notify_all()

    def say(self, text: str) -> None:
        """Record a remark."""
        self.note("n", text.encode())

    def _run(self) -> None:
        try:
            while pieces := self._taken():
                while not self._stored(pieces):
                    if self._closing is not None and time.monotonic() - self._closing > AT_THE_END:
                        size = sum(len(one.data) for one in pieces)
                        log.error("%d bytes of the record of board %s are lost", size, self._board)
                        return
                    time.sleep(AGAIN)
                with self._changed:
                    self._size -= sum(len(one.data) for one in pieces)
                    self._changed.notify_all()
                    if self._closing is None:
                        self._changed.wait_for(lambda: self._closing is not None, TOGETHER)
        finally:
            connection.close()

    def _taken(self) -> list[_Piece]:
        """Wait for pieces; return none when nothing more comes."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing is not None)
            pieces, self._waiting = self._waiting, []
            return pieces

    def _stored(self, pieces: list[_Piece]) -> bool:
        rows = [
            SittingChunk(
                board=self._board, errand=self._errand, kind=one.kind, at=one.at, data=bytes(one.data)
            )
            for one in pieces
        ]
        try:
            if not (self._unsure and self._is_stored(rows[-1])):
                self._unsure = True
                with transaction.atomic():
                    SittingChunk.objects.bulk_create(rows)
                    live.ring_on_commit()
        except Error as exc:
            log.warning("The record of board %s waits for the database: %s", self._board, exc)
            connection.close()
            return False
        self._unsure = False
        return True

    def _is_stored(self, last: SittingChunk) -> bool:
        """Whether the last attempt has succeeded after all, and only the answer got lost."""
        rows = SittingChunk.objects.filter(board=self._board, errand=self._errand)
        found = rows.order_by("-pk").first()
        return found is not None and (found.kind, found.at, bytes(found.data)) == (
            *(last.kind, last.at),
            last.data,
        )


def chunks(board: str, errand: int, *, after: int = 0, most: int = 256 * 1024) -> list[SittingChunk]:
    """Return pieces of a record with ids greater than `after`, in order: about so many bytes."""
    rows = SittingChunk.objects.filter(board=board, errand=errand, pk__gt=after).order_by("pk")
    last = None
    for pk, size in rows.values_list("pk", Length("data"))[:LOOKED_AT]:
        last = pk
        most -= size
        if most <= 0:
            break
    if last is None:
        return []
    found = list(rows.filter(pk__lte=last))
    for row in found:
        row.data = bytes(row.data)  # PostgreSQL gives a memoryview
    return found


def place_before_end(board: str, errand: int, most: int) -> int:
    """Return the id after which the last pieces come, about so many bytes; 0: all of them."""
    rows = SittingChunk.objects.filter(board=board, errand=errand).order_by("-pk")
    for place, size in rows.values_list("pk", Length("data")).iterator():
        most -= size
        if most < 0:
            return int(place)
    return 0


def asciicast(board: str, errand: int, title: str) -> Iterator[str]:
    """Yield a record as an asciicast (version 2), piece by piece; remarks are left out."""
    found = chunks(board, errand)
    start = found[0].at if found else 0.0
    yield header(title, start)
    cast = Cast(start)
    while found:
        yield "".join(cast.line(one.at, bytes(one.data), one.kind) for one in found if one.kind in "io")
        found = chunks(board, errand, after=found[-1].pk)
    yield cast.end()
