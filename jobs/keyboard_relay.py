"""Brings what somebody types to the console, in the process that runs the job.

Keys come as rows (`KeyboardInput`), those of one ticket in order, and the doorbell says when to look; a poll
stands behind it. Rows are taken away as they are handled: there is no mark up to which all is read, for ids
are given before rows can be seen. A row whose ticket is not the one of now is dropped. What reached the
console becomes a fact, `InputTyped`: a line of it, or what came before a pause. Whoever types nothing for a
while gives the keyboard back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import QuerySet

from jobs.domain.events import Fact, NoteTaken
from jobs.domain.hands import Keyboard
from jobs.domain.hands_events import InputTyped, KeyboardGiven
from jobs.execution.hands import Hands
from jobs.execution.ports import Superseded
from jobs.log_writer import LogWriter
from jobs.models import KeyboardInput
from lab.eventstore.ears import Ears
from lab.kernel.errors import JobError

POLL = 0.25
"""Seconds after which keys are looked for though no bell rang."""
GAP = 0.005
"""Seconds between two looks, at least."""
PAUSE = 1.0
"""Seconds without a key after which what was typed until then is recorded."""
LONGEST = 400
"""Bytes of one record of what was typed."""
BATCH = 200
COMPLAIN_EVERY = 5.0
"""Seconds between two notes that typing does not work."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Typing:
    """One keyboard that somebody has."""

    keyboard: Keyboard
    last_key: float
    """On the monotonic clock."""
    data: bytearray = field(default_factory=bytearray)
    """Typed and not recorded yet."""
    offset: int = 0
    at: float = 0.0
    complained: float = float("-inf")


class KeyboardRelay:
    """Of one run. `serve` and `close` are called by one thread; another one does the work."""

    def __init__(
        self, job: int, hands: Hands, writer: LogWriter, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._job, self._hands, self._writer, self._clock = job, hands, writer, clock
        self._idle = float(settings.LABBOOK["KEYBOARD_IDLE"])
        self._lock = threading.Lock()
        self._typing: dict[int, _Typing] = {}
        self._ended: list[_Typing] = []
        self._newest = 0
        """Ticket. Keys of a newer one wait until it is served."""
        self._handled: set[int] = set()
        """Rows that are to be taken away."""
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def serve(self, keyboards: Sequence[dict[str, Any]]) -> None:
        """These are taken now."""
        held = [Keyboard.from_json(one) for one in keyboards]
        with self._lock:
            tickets = {one.ticket for one in held}
            self._ended += [one for one in self._typing.values() if one.keyboard.ticket not in tickets]
            known = {ticket: one for ticket, one in self._typing.items() if ticket in tickets}
            for one in held:
                if one.ticket not in known:
                    known[one.ticket] = _Typing(one, last_key=self._clock())
            self._typing = known
            self._newest = max(self._newest, *tickets, 0)
        if held and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._run, name="keyboards", daemon=True)
            self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Nothing more is typed."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    # -- the thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with Ears(self._wake):
                while True:
                    self._wake.wait(POLL)
                    self._wake.clear()
                    self._turn()
                    with self._lock:
                        left = [*self._typing.values(), *self._ended]
                    if self._closing or not left:
                        break
                    time.sleep(GAP)
            for one in left:
                self._record(one)
        except Superseded:
            pass
        finally:
            # Nobody types by the others any more. A ticket served just now gets a thread of its own.
            self._take_away(self._rows().exclude(ticket__in=list(self._typing)))
            connection.close()

    def _turn(self) -> None:
        try:
            rows = list(self._rows().exclude(pk__in=self._handled).order_by("id")[:BATCH])
        except DatabaseError as exc:
            log.warning("job %d: cannot look for keys: %s", self._job, exc)
            connection.close()
            return
        if len(rows) == BATCH:
            self._wake.set()
        with self._lock:
            typing, ended = dict(self._typing), self._ended
            self._ended = []
        for row in rows:
            self._handled.add(row.pk)
            one = typing.get(row.ticket)
            if one is not None and one.keyboard.node == row.node:
                self._type(one, bytes(row.data))
        now = self._clock()
        for one in typing.values():
            if one.data and now - one.last_key > PAUSE:
                self._record(one)
            if now - one.last_key > self._idle:
                self._give_back(one, now)
        for one in ended:
            self._record(one)
        if self._handled:
            self._take_away(KeyboardInput.objects.filter(pk__in=self._handled))

    def _rows(self) -> QuerySet[KeyboardInput]:
        """Return what was typed by a ticket that is known, or was."""
        with self._lock:
            return KeyboardInput.objects.filter(job=self._job, ticket__lte=self._newest)

    def _type(self, one: _Typing, data: bytes) -> None:
        one.last_key = self._clock()
        node = one.keyboard.node
        if not one.data:
            one.offset, one.at = self._writer.size(node), self._hands.now()
        try:
            self._hands.type(node, data)
        except JobError as exc:
            self._complain(one, str(exc))
            return
        one.data += data
        if len(one.data) >= LONGEST or data[-1:] in (b"\r", b"\n", b"\x03", b"\x04"):
            self._record(one)

    def _record(self, one: _Typing) -> None:
        if not one.data:
            return
        board = one.keyboard
        text = bytes(one.data).decode(errors="replace").replace("\0", "^@")
        one.data.clear()
        self._report(InputTyped(node=board.node, user=board.user, text=text, offset=one.offset, at=one.at))

    def _complain(self, one: _Typing, why: str) -> None:
        now = self._clock()
        if now - one.complained < COMPLAIN_EVERY:
            return
        one.complained = now
        words = f"what {one.keyboard.user} types does not get there: {why}"
        self._report(NoteTaken(node=one.keyboard.node, level="warning", text=words, at=self._hands.now()))

    def _give_back(self, one: _Typing, now: float) -> None:
        one.last_key = now  # not again before the job's row shows it
        self._record(one)
        board = one.keyboard
        self._report(
            KeyboardGiven(
                node=board.node,
                user=board.user,
                ticket=board.ticket,
                reason=f"nothing was typed for {self._idle:.0f} s",
                at=self._hands.now(),
            )
        )

    def _report(self, fact: Fact) -> None:
        self._writer.report(fact)

    def _take_away(self, rows: QuerySet[KeyboardInput]) -> None:
        try:
            rows.delete()
            self._handled.clear()
        except DatabaseError as exc:
            log.warning("job %d: typed keys stay in the database: %s", self._job, exc)
            connection.close()
