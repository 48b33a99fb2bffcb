"""One record for two sources: a board's serial console, and the terminal on which a test runs there.

Both are the host's console to a reader. While a test shell runs on a terminal of its own, what the serial
line brings meanwhile (messages of the kernel, mostly) is put between the lines of the test, never into them,
so that neither is torn. Bytes are what they were: nothing is added, and none are left out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from devices.drivers.expect import Record

HOLD = 1.0
"""Seconds that a line of the console waits for the test's line to end."""
MOST = 64 * 1024
"""Bytes that may wait."""


class SharedRecord:
    """Thread-safe."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._lock = threading.Lock()
        self._leading = False
        self._line_open = False
        self._held = bytearray()
        self._held_since = 0.0
        self._next = 0

    @contextmanager
    def leading(self) -> Iterator[Record]:
        """While a terminal leads; yields the function that records what it prints."""
        with self._lock:
            self._leading, self._line_open = True, False
        try:
            yield self._lead
        finally:
            with self._lock:
                self._leading = False
                self._release(whole=False)

    def follow(self, data: bytes) -> int:
        """Record what the serial console printed.

        Its place is exact while nothing leads; otherwise what comes later merely lies behind it.
        """
        with self._lock:
            if not self._leading:
                offset = self._write(data)
                self._next = offset + len(data)
                return offset
            if not self._held:
                self._held_since = time.monotonic()
            self._held += data
            self._release_in_time()
            self._next += len(data)
            return self._next - len(data)

    def tick(self) -> None:
        """Let go what has waited long enough. Called now and then."""
        with self._lock:
            if self._held:
                self._release_in_time()

    def _lead(self, data: bytes) -> int:
        with self._lock:
            offset = self._write(data)
            self._line_open = not data.endswith(b"\n")
            if self._held:
                self._release_in_time()
            return offset

    def _release_in_time(self) -> None:
        if time.monotonic() - self._held_since > HOLD or len(self._held) > MOST:
            self._release(whole=False)
        elif not self._line_open:
            self._release(whole=True)

    def _release(self, *, whole: bool) -> None:
        """Record what waits; with `whole`, without an unfinished line at its end."""
        cut = self._held.rfind(b"\n") + 1 if whole else len(self._held)
        if cut:
            self._write(bytes(self._held[:cut]))
            del self._held[:cut]
            self._held_since = time.monotonic()

    def _write(self, data: bytes) -> int:
        return self._record(data)
