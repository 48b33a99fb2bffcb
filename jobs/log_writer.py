"""The thread by which a run's facts and console bytes get into the log.

One thread and one transaction for both, consoles first: a fact that points to a console offset never becomes
visible before the bytes it points to. The first of anything after a silence is stored at once; what follows
is collected for a moment, so that a talkative run costs a few dozen transactions per second and no more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection, transaction

from jobs import console_log
from jobs.domain.events import Fact
from jobs.domain.job import Stale
from jobs.execution.ports import ConsoleFull, Superseded
from jobs.recorder import Recorder
from lab.kernel.errors import InfrastructureError

FACT_DELAY = 0.03
"""Seconds that a fact may wait for others."""
CONSOLE_DELAY = 0.05
"""Seconds that console bytes may wait for others."""
CONSOLE_BATCH = 16 * 1024
"""Bytes of one node that wait no longer."""
PIECE = console_log.MAX_CHUNK
MAX_PENDING = 4 * 1024 * 1024
"""Bytes in memory of all nodes together; beyond that, whoever writes waits for the database."""
PATIENCE = 60.0
"""Seconds for which a database that does not answer is asked again."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Piece:
    node: int
    data: bytearray
    at: float
    """Seconds since the epoch, of the last byte."""


class LogWriter:
    """The `Reporter` and the `Consoles` of a run. Thread-safe."""

    def __init__(
        self, recorder: Recorder, *, max_console: int, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._recorder, self._max_console, self._wall_clock = recorder, max_console, wall_clock
        self._nodes = {node.index for node in recorder.job.nodes}
        self._sizes = console_log.sizes(recorder.number)
        """Bytes given to us so far by node, stored or not."""
        self._changed = threading.Condition()
        self._facts: list[Fact] = []
        self._pieces: list[_Piece] = []
        self._open: dict[int, _Piece] = {}
        """The last piece of each node, while it can still grow."""
        self._pending = 0
        """Bytes given to us and not stored yet."""
        self._facts_due = self._consoles_due = 0.0
        self._given = self._stored = 0
        """Calls of `report` and `write`; what came with the n-th is stored when `_stored` has reached n."""
        self._hurry = self._closing = self._superseded = False
        self._broken: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    # -- Reporter

    def report(self, *facts: Fact) -> None:
        """Take facts, in order. Raises `Superseded` once they are no longer wanted."""
        for fact in facts:
            node = getattr(fact, "node", None)
            if node is not None and node not in self._nodes:
                raise ValueError(f"there is no node {node}: {fact}")
        with self._changed:
            self._check()
            self._facts += facts
            self._given += 1
            self._changed.notify_all()

    # -- Consoles

    def write(self, node: int, data: bytes) -> int:
        """Append to the node's console; returns the offset of the first byte.

        Waits while too much is waiting to be stored. Raises `ConsoleFull` when the node has printed more
        than the site allows: what still fits is kept.
        """
        with self._changed:
            self._check()
            while self._pending >= MAX_PENDING:
                self._changed.wait()
                self._check()
            offset = self._sizes.get(node, 0)
            room = self._max_console - offset
            self._take(node, data[:room] if len(data) > room else data)
            self._given += 1
            self._changed.notify_all()
        if len(data) > room:
            raise ConsoleFull(
                f"the console of node {node} has reached the limit of {self._max_console:,} bytes"
            )
        return offset

    def size(self, node: int) -> int:
        """Return how many bytes the node has printed so far, stored or not."""
        with self._changed:
            return self._sizes.get(node, 0)

    def _take(self, node: int, data: bytes) -> None:
        now = self._wall_clock()
        self._sizes[node] = self._sizes.get(node, 0) + len(data)
        self._pending += len(data)
        for start in range(0, len(data), PIECE):
            part = data[start : start + PIECE]
            piece = self._open.get(node)
            if piece is None or len(piece.data) + len(part) > PIECE:
                piece = self._open[node] = _Piece(node, bytearray(), now)
                self._pieces.append(piece)
            piece.data += part
            piece.at = now

    # -- for the runner

    def flush(self) -> None:
        """Return when everything that was given so far is stored. Raises what stands in the way."""
        with self._changed:
            goal = self._given
            while self._stored < goal:
                self._hurry = True
                self._changed.notify_all()
                self._changed.wait()
                self._check()

    def close(self) -> None:
        """Store what is left, and end the thread. Raises what stands in the way."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        with self._changed:
            self._check()

    def supersede(self) -> None:
        """Take nothing more: somebody else has the job, or it has ended."""
        with self._changed:
            self._superseded = True
            self._facts.clear()
            self._pieces.clear()
            self._open.clear()
            self._changed.notify_all()

    def _check(self) -> None:
        if self._superseded:
            raise Superseded(f"job {self._recorder.number} is no longer run by this worker")
        if isinstance(self._broken, DatabaseError):
            raise InfrastructureError(f"the log cannot be written: {self._broken}") from self._broken
        if self._broken is not None:
            raise RuntimeError("the log could not take what the run reported") from self._broken

    # -- the thread

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    while (wait := self._wait()) > 0:
                        self._changed.wait(wait)
                    facts, pieces, taken = self._facts, self._pieces, self._given
                    if not facts and not pieces and (self._closing or self._superseded):
                        return
                    self._facts, self._pieces, self._open, self._hurry = [], [], {}, False
                self._store(facts, [(one.node, bytes(one.data), one.at) for one in pieces])
                now = time.monotonic()
                with self._changed:
                    self._pending -= sum(len(one.data) for one in pieces)
                    self._facts_due, self._consoles_due = now + FACT_DELAY, now + CONSOLE_DELAY
                    self._stored = taken
                    self._changed.notify_all()
        except Stale:
            self.supersede()
        except Exception as exc:  # noqa: BLE001 (handed to the threads that report, which must not wait for ever)
            with self._changed:
                self._broken = exc
                self._changed.notify_all()
        finally:
            connection.close()

    def _wait(self) -> float:
        """Seconds until there is something to do. Called with the lock held."""
        if self._hurry or self._closing or self._superseded:
            return 0
        if any(len(one.data) >= CONSOLE_BATCH for one in self._pieces):
            return 0
        due = []
        if self._facts:
            due.append(self._facts_due)
        if self._pieces:
            due.append(self._consoles_due)
        return max(0.0, min(due) - time.monotonic()) if due else 3600

    def _store(self, facts: list[Fact], pieces: list[console_log.Piece]) -> None:
        """Write it, however often the database has to be asked; raises its error when patience ends."""
        before = self._recorder.version
        give_up = time.monotonic() + PATIENCE
        pause = 0.0
        while True:
            try:
                if not pause or not self._is_stored(before, facts, pieces):
                    with transaction.atomic():
                        if pieces:
                            console_log.append(self._recorder.number, pieces)
                        self._recorder.record(facts)
                return
            except (OperationalError, InterfaceError) as exc:
                if time.monotonic() > give_up:
                    raise
                pause = min(5.0, pause * 2 or 0.1)
                log.warning("job %d: the database fails, trying again: %s", self._recorder.number, exc)
                connection.close()
                time.sleep(pause)

    def _is_stored(self, version: int, facts: list[Fact], pieces: list[console_log.Piece]) -> bool:
        """Whether a transaction succeeded after all, and only the answer got lost."""
        own = self._recorder.resync(version)
        if facts:
            return len(own) == len(facts)  # all of them or none
        last = {node: 0 for node, _, _ in pieces}
        sizes = console_log.sizes(self._recorder.number)
        with self._changed:
            waiting = {node: sum(len(p.data) for p in self._pieces if p.node == node) for node in last}
            return all(sizes.get(node, 0) == self._sizes[node] - waiting[node] for node in last)
