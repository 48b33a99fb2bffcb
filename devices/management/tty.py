"""A person at this process's own terminal, for whom it stands between them and a board."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from types import FrameType
from typing import Any

LEAVE = b"\x1d"
"""Ctrl-], as telnet has it."""


class Tty:
    """Standard input and output; a terminal is raw inside of the context, so every key reaches the board.

    A window that is closed, and a request to end, are as Ctrl-]: the board is given back in order.
    """

    def __init__(self) -> None:
        self._in, self._out = sys.stdin.fileno(), sys.stdout.fileno()
        self._before: list[Any] | None = None
        self._handlers: dict[signal.Signals, Any] = {}
        self._leaving = False

    def __enter__(self) -> Tty:
        for number in (signal.SIGHUP, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._leave)
        if os.isatty(self._in):
            self._before = termios.tcgetattr(self._in)
            tty.setraw(self._in)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._before is not None:
            with contextlib.suppress(termios.error):  # a terminal may be gone
                termios.tcsetattr(self._in, termios.TCSADRAIN, self._before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _leave(self, number: int, frame: FrameType | None) -> None:
        self._leaving = True

    def show(self, data: bytes) -> None:
        """Write all of it, as it came; to nobody, once the terminal is gone."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._out, view) :]
        except OSError:
            self._leaving = True

    def say(self, text: str) -> None:
        """Say something beside what the board prints."""
        with contextlib.suppress(OSError):  # the terminal may be gone
            sys.stderr.write(f"\r\n[{text}]\r\n" if self._before is not None else f"[{text}]\n")
            sys.stderr.flush()

    def has_left(self) -> bool:
        return self._leaving

    def typed(self, seconds: float) -> bytes | None:
        """Return what was typed; None at Ctrl-] and at the end of the input."""
        if self._leaving:
            return None
        if not select.select([self._in], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self._in, 4096)
        except OSError:  # the terminal hung up
            return None
        if not data:
            return None
        if LEAVE in data:
            self._leaving = True
            data = data[: data.index(LEAVE)]
        return data
