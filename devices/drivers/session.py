"""A person at the console of a board that no job has: the line, its power, and a record of all that was seen.

The line is the serial console; on a board without one it is a login shell by ssh.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TextIO

from devices.domain.config import BoardConfig
from devices.drivers import ssh
from devices.drivers.power import switch
from devices.drivers.serial_line import open_console
from devices.drivers.shell import Terminal
from devices.drivers.trial import leave_off, patience
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded

WIDTH, HEIGHT = 132, 43
"""What a record is shown in; a serial line has no size of its own."""
KEPT = 16 * 1024
"""Bytes of what the board said that are at hand at the end: the last ones."""
LISTEN = 0.2


class Person(Protocol):
    """Who sits at the terminal."""

    def show(self, data: bytes) -> None:
        """Show what the board printed. Called from another thread than `typed`."""

    def typed(self, seconds: float) -> bytes | None:
        """Return what was typed, nothing within these seconds, or None: they leave."""


class Cast:
    """The record of a session, in and out, as an asciicast (version 2) that `asciinema` plays."""

    def __init__(self, file: TextIO, title: str) -> None:
        self._file, self._started = file, time.time()
        self._lock = threading.Lock()
        self._decoders = {kind: getincrementaldecoder("utf-8")("replace") for kind in "io"}
        head = {"version": 2, "width": WIDTH, "height": HEIGHT, "timestamp": int(self._started)}
        self._write({**head, "title": title})

    def note(self, kind: str, data: bytes) -> None:
        """Record bytes that came out of the board (``o``), or went in (``i``)."""
        with self._lock:
            if text := self._decoders[kind].decode(data):
                self._write([round(time.time() - self._started, 6), kind, text])

    def _write(self, value: object) -> None:
        self._file.write(json.dumps(value, ensure_ascii=False) + "\n")
        self._file.flush()  # a session may end by a power cut of the lab


@contextlib.contextmanager
def recording(path: Path, title: str) -> Iterator[Cast]:
    """Keep a record in a file that only we can read: passwords are typed, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8") as file:
        yield Cast(file, title)


def kind_of(board: BoardConfig) -> str:
    """Return what the person is going to sit at, in words."""
    if board.console.present:
        return f"serial console {board.console.url or ' '.join(board.console.command)}"
    return f"login shell by ssh, {board.ssh.user}@{board.ssh.host}, for it has no serial console"


@contextlib.contextmanager
def line(board: BoardConfig, deadline: Deadline, note: Callable[[str], None]) -> Iterator[Terminal]:
    """Open the board's line. `note` is told when it drops and comes back."""
    if board.console.present:
        within = deadline.within(board.console.open_timeout, "the console")
        with contextlib.closing(open_console(board.console, within, note)) as terminal:
            yield terminal
        return
    within = deadline.within(board.connect_timeout, f"ssh to {board.ssh.host}")
    with contextlib.closing(ssh.connect(board.ssh, within)) as host:
        shell = host.terminal('exec "${SHELL:-/bin/sh}" -l', within)
        with contextlib.closing(shell):
            yield shell


@contextlib.contextmanager
def power(board: BoardConfig, action: str, deadline: Deadline) -> Iterator[str]:
    """Switch the board ``on``, or ``cycle`` it; it is off again afterwards unless it was on before.

    Gives what the switch says.
    """
    switched = switch(board)
    within = deadline.within(patience(board), "the power switch")
    before = switched.state(within)
    with contextlib.ExitStack() as leaving:
        if before != "on":  # unknown: as jobs leave it
            leaving.callback(leave_off, switched, board, deadline.stop)
        yield switched.on(within) if action == "on" else switched.cycle(within)


def talk(terminal: Terminal, person: Person, cast: Cast, board: BoardConfig, deadline: Deadline) -> bytes:
    """Carry bytes both ways until the person leaves or the line ends; returns the last that the board said.

    At the deadline it is over, too. Raises what the deadline's `stop` says, and what is wrong with the line.
    """
    heard, over = bytearray(), threading.Event()
    failures: list[Exception] = []

    def listen() -> None:
        try:
            while not over.is_set():
                data = terminal.read(LISTEN)
                if data == b"":
                    break
                if data:
                    cast.note("o", data)
                    person.show(data)
                    heard.extend(data)
                    del heard[:-KEPT]
        except Exception as exc:  # noqa: BLE001 -- raised below, in the thread that can be waited for
            failures.append(exc)
        finally:
            over.set()

    reader = threading.Thread(target=listen, name="console", daemon=True)
    reader.start()
    try:
        while not over.is_set():
            try:
                deadline.check()
            except DeadlineExceeded:
                break
            typed = person.typed(deadline.tick)
            if typed is None:
                break
            if typed:
                cast.note("i", typed)
                # Enter is a carriage return at a terminal; what the board wants is its line_end.
                data = typed.replace(b"\r", b"\n") if board.console.present else typed
                terminal.write(data, deadline.within(board.waits.typing, "typing"))
    finally:
        over.set()
        reader.join(LISTEN + 2)
    if failures:
        raise failures[0]
    return bytes(heard)
