"""A board's own console during a job: opened before its power is, closed after it.

Somebody always reads. While the board is brought up that is whoever brings it up; afterwards a thread watches
it, so that nothing printed is lost and a machine that dies, or starts anew, is noticed by what it says.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

from devices.domain.config import ConsoleConfig, Waits
from devices.drivers.expect import Console, Match, Search
from devices.drivers.signs import KERNEL, Sign
from jobs.execution.boards.equipment import OpenConsole
from jobs.execution.boards.shared_record import SharedRecord
from jobs.execution.boards.witness import Witness
from jobs.execution.boot import LINUX
from lab.kernel.deadline import Deadline

STARTED = Sign(means="has started anew", pattern=LINUX)
"""What a watched machine should not say either."""
WATCHED = (*KERNEL, STARTED)
KEPT = 64 * 1024
"""Bytes of what was printed in which an address is looked for."""

OnSign = Callable[[Sign, Match], None]
OnError = Callable[[Exception], None]


class BoardConsole:
    """The serial console of one board."""

    def __init__(
        self,
        config: ConsoleConfig,
        opener: OpenConsole,
        record: SharedRecord,
        name: str,
        witness: Witness,
        waits: Waits,
    ) -> None:
        self._config, self._opener, self._record, self._name = config, opener, record, name
        self._witness, self._waits = witness, waits
        self._console: Console | None = None
        self._watcher: threading.Thread | None = None
        self._rest = threading.Event()
        self._recent = bytearray()
        self._lock = threading.Lock()

    def open(self, deadline: Deadline) -> Console:
        """Return the console, opened if it is not open yet or its line was given up."""
        if self._console is not None and self._console.ended:
            self._hang_up()
        if self._console is None:
            terminal = self._opener(self._config, deadline, lambda text: self._witness.note("warning", text))
            self._console = Console(terminal, self._take, self._name, pausing=False, waits=self._waits)
            self._witness.opened(self._console)
        return self._console

    def _hang_up(self) -> None:
        console, self._console = self._console, None
        if console is not None:
            self._witness.closed(console)
            console.close()

    @property
    def console(self) -> Console | None:
        return self._console

    def _take(self, data: bytes) -> int:
        with self._lock:
            self._recent += data
            del self._recent[:-KEPT]
        return self._record.follow(data)

    def forget(self) -> None:
        """Forget what was printed: the board is about to start."""
        with self._lock:
            self._recent.clear()

    def printed(self, pattern: re.Pattern[bytes]) -> str | None:
        """Return what the pattern's group last was in what was printed since the board started."""
        with self._lock:
            found = list(pattern.finditer(bytes(self._recent)))
        return found[-1][pattern.groups and 1].decode(errors="replace") if found else None

    # -- while nobody else reads -----------------------------------------------------------------------

    def watch(self, on_sign: OnSign, on_error: OnError) -> None:
        """Read it in a thread, until `rest`. The functions are called in that thread."""
        assert self._console is not None
        self._rest.clear()
        self._watcher = threading.Thread(
            target=self._watch, args=(on_sign, on_error), name=f"watch {self._name}", daemon=True
        )
        self._watcher.start()

    def rest(self) -> None:
        """Stop watching."""
        self._rest.set()
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join()
            self._watcher = None

    def _watch(self, on_sign: OnSign, on_error: OnError) -> None:
        search = Search([sign.pattern for sign in WATCHED])
        while not self._rest.is_set():
            console = self._console
            assert console is not None
            try:
                for chunk in console.read(Deadline(float("inf")), 0.2):
                    match, rest = search.feed(chunk)
                    while match is not None:
                        on_sign(WATCHED[match.index], match)
                        match, rest = search.feed(rest) if rest is not None else (None, None)
            except Exception as exc:  # noqa: BLE001 -- the thread's edge: whoever runs the job decides
                if not self._rest.is_set():
                    on_error(exc)
                return
            self._record.tick()

    def close(self) -> None:
        self.rest()
        self._hang_up()
