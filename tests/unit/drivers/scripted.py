"""A terminal whose other side is a function of the test."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

from lab.kernel.deadline import Deadline

Answer = Callable[[bytes], bytes | None]
"""Takes what was typed, returns what is printed: None hangs up."""


class Scripted:
    """See `devices.drivers.shell.Terminal`."""

    def __init__(self, *printed: bytes, answer: Answer | None = None, ending: str = "exit status 0") -> None:
        self._queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._answer, self._ending = answer, ending
        self.typed = b""
        for data in printed:
            self.print(data)

    def print(self, data: bytes) -> None:
        """Let the other side print; empty bytes: hang up."""
        self._queue.put(data)

    def read(self, seconds: float) -> bytes | None:
        try:
            data = self._queue.get(timeout=seconds)
        except queue.Empty:
            return None
        if not data:
            self._queue.put(b"")
        return data

    def write(self, data: bytes, deadline: Deadline) -> None:
        self.typed += data
        if self._answer is not None:
            printed = self._answer(data)
            self.print(b"" if printed is None else printed) if printed != b"" else None

    def close(self) -> None:
        self.print(b"")

    @property
    def ending(self) -> str:
        return self._ending


class Record:
    """Keeps what a console prints, as the log would."""

    def __init__(self) -> None:
        self.data = b""

    def __call__(self, data: bytes) -> int:
        offset = len(self.data)
        self.data += data
        return offset


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    limit = Deadline.after(seconds, "the condition")
    while not condition():
        limit.check()
        time.sleep(0.005)
