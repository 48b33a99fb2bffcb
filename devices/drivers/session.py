"""A person at the console of a board that no job has: the line, its power, and a record of all that was seen.

The line is the serial console; on a board without one it is a login shell by ssh.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from devices.domain.config import BoardConfig
from devices.drivers import ssh
from devices.drivers.board import Fence
from devices.drivers.power import switch
from devices.drivers.serial_line import open_console
from devices.drivers.shell import Terminal
from devices.drivers.trial import leave_off, patience
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded

KEPT = 16 * 1024
"""Bytes of what the board said that are at hand at the end: the last ones."""
LISTEN = 0.2


class Person(Protocol):
    """Who sits at the terminal."""

    def show(self, data: bytes) -> None:
        """Show what the board printed. Called from another thread than `typed`."""

    def typed(self, seconds: float) -> bytes | None:
        """Return what was typed, nothing within these seconds, or None: they leave."""


class Record(Protocol):
    """What keeps all that goes over the line."""

    def note(self, kind: str, data: bytes) -> None:
        """Record bytes that came out of the board (``o``), or went in (``i``)."""


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
def power(board: BoardConfig, action: str, deadline: Deadline, fence: Fence) -> Iterator[str]:
    """Switch the board ``on``, or ``cycle`` it; it is off again afterwards unless it was on before.

    Gives what the switch says. `fence`: raises once the board is somebody else's, who wants it as it is.
    """
    switched = switch(board, fence)
    within = deadline.within(patience(board), "the power switch")
    before = switched.state(within)
    with contextlib.ExitStack() as leaving:
        if before != "on":  # unknown: as jobs leave it
            leaving.callback(leave_off, switched, board)
        yield switched.on(within) if action == "on" else switched.cycle(within)


def talk(
    terminal: Terminal, person: Person, record: Record, board: BoardConfig, deadline: Deadline, fence: Fence
) -> bytes:
    """Carry bytes both ways until the person leaves or the line ends; returns the last that the board said.

    At the deadline it is over, too. Raises what the deadline's `stop` says, what the `fence` says before keys
    are sent, and what is wrong with the line.
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
                    record.note("o", data)
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
                fence()
                record.note("i", typed)
                # Enter is a carriage return at a terminal; what the board wants is its line_end.
                data = typed.replace(b"\r", b"\n") if board.console.present else typed
                terminal.write(data, deadline.within(board.waits.typing, "typing"))
    finally:
        over.set()
        reader.join(LISTEN + 2)
    if failures:
        raise failures[0]
    return bytes(heard)
