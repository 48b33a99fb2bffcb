"""A person at the console of a board that no job has: the line, its power, and a record of all that was seen.

The line is the serial console; on a board without one it is a login shell by ssh.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from devices.domain.config import BoardConfig
from devices.drivers import ssh
from devices.drivers.board import Fence, PowerState
from devices.drivers.power import switch
from devices.drivers.serial_line import open_console
from devices.drivers.shell import Terminal
from devices.drivers.trial import patience
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded, InfrastructureError, Rejected

PIECE = 64
"""Bytes that are typed in one go: between two, somebody may leave."""
UNTIL_LEFT = 3.0
"""Seconds for which what was typed before somebody left goes on to be typed."""
Noted = Callable[[str, PowerState], None]
LISTEN = 0.2


class Person(Protocol):
    """Who sits at the terminal."""

    def show(self, data: bytes) -> None:
        """Show what the board printed. Called from another thread than `typed`."""

    def typed(self, seconds: float) -> bytes | None:
        """Return what was typed, nothing within these seconds, or None: they leave."""

    def has_left(self) -> bool:
        """Whether they leave though something is still to be typed."""


class Record(Protocol):
    """What keeps all that goes over the line."""

    def note(self, kind: str, data: bytes) -> None:
        """Record bytes that came out of the board (``o``), or went in (``i``)."""

    def say(self, text: str) -> None:
        """Record a remark."""


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
def power(board: BoardConfig, action: str, deadline: Deadline, fence: Fence, note: Noted) -> Iterator[str]:
    """Switch the board ``on``, or ``cycle`` it; it is off again afterwards unless it was on before.

    Gives what the switch says. `fence`: raises once the board is somebody else's, who wants it as it is.
    `note` is told what was done, and what the switch said then.
    """
    switched = switch(board, fence)
    within = deadline.within(patience(board), "the power switch")
    before = switched.state(within)
    try:
        state = switched.on(within) if action == "on" else switched.cycle(within)
        note(action, state)
        yield state
    finally:
        if before != "on":  # unknown: as jobs leave it
            with contextlib.suppress(InfrastructureError, Rejected):
                note("off", switched.off(Deadline.after(patience(board), "the power switch")))


def talk(
    terminal: Terminal, person: Person, record: Record, board: BoardConfig, deadline: Deadline, fence: Fence
) -> None:
    """Carry bytes both ways until the person leaves or the line ends.

    At the deadline it is over, too. Raises what the deadline's `stop` says, what the `fence` says before keys
    are sent, and what is wrong with the line.
    """
    over = threading.Event()
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
        except Exception as exc:  # noqa: BLE001 -- raised below, in the thread that can be waited for
            failures.append(exc)
        finally:
            over.set()

    reader = threading.Thread(target=listen, name="console", daemon=True)
    reader.start()
    waiting, since = b"", 0.0
    try:
        while not over.is_set():
            try:
                deadline.check()
            except DeadlineExceeded:
                break
            if not waiting:
                typed = person.typed(deadline.tick)
                if typed is None:
                    break
                waiting = typed
                since = time.monotonic()
            elif time.monotonic() - since > UNTIL_LEFT and person.has_left():
                break
            if waiting:
                piece, waiting = waiting[:PIECE], waiting[PIECE:]
                if not _type(terminal, piece, record, board, deadline, fence):
                    waiting = b""
    finally:
        over.set()
        reader.join(LISTEN + 2)
    if failures:
        raise failures[0]


def _type(
    terminal: Terminal, keys: bytes, record: Record, board: BoardConfig, deadline: Deadline, fence: Fence
) -> bool:
    """Type a few keys; returns whether the line took them in time. It may be away, and come back."""
    fence()
    record.note("i", keys)
    # Enter is a carriage return at a terminal; what the board wants is its line_end.
    data = keys.replace(b"\r", b"\n") if board.console.present else keys
    try:
        terminal.write(data, deadline.within(board.waits.typing, "typing"))
    except DeadlineExceeded:
        if not deadline.expired:
            record.say("the line did not take what was typed, or not all of it")
        return False
    return True
