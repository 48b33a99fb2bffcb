"""The hands that people have on a run: what they type, and how long they want it held before its clean-up.

Thread-safe. Whoever knows what people want tells it here; consoles are attached by whoever owns them, the
one attached last is typed on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from devices.domain.config import Waits
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError


class Typewriter(Protocol):
    """A console that can be typed on."""

    @property
    def waits(self) -> Waits:
        """How patient it is."""

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Type. Raises what is wrong with the console."""


class NoConsole(InfrastructureError):
    """Nobody can type on this node now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldWish:
    """Somebody wants the run held when its work is done."""

    user: str
    seconds: float
    """How long, from when it begins."""
    reason: str
    if_failed: bool
    """Only if it has failed, or one of its results has."""
    until: float | None = None
    """Once it has begun: when it ends, in seconds since the epoch."""


class Hands:
    """Of all people, on one run."""

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self.now = wall_clock
        self._lock = threading.Lock()
        self._consoles: dict[int, list[Typewriter]] = {}
        self._wish: HoldWish | None = None
        self._changed = threading.Condition(self._lock)
        self.look: Callable[[], None] = lambda: None
        """Finds out what people want as of now, and says it here. Called where that decides something."""

    # -- typing ----------------------------------------------------------------------------------------

    def attach(self, node: int, console: Typewriter) -> bool:
        """From now on what is typed for the node goes to this console; returns whether it had none."""
        with self._lock:
            consoles = self._consoles.setdefault(node, [])
            consoles.append(console)
            return len(consoles) == 1

    def detach(self, node: int, console: Typewriter) -> bool:
        """This console is gone; returns whether it was the node's last one."""
        with self._lock:
            consoles = self._consoles.get(node, [])
            if console not in consoles:
                return False
            consoles.remove(console)
            return not consoles

    def type(self, node: int, data: bytes) -> None:
        """Type on a node's console. Raises `NoConsole`, and what is wrong with the console."""
        with self._lock:
            consoles = self._consoles.get(node)
            console = consoles[-1] if consoles else None
        if console is None:
            raise NoConsole("its console is not open")
        console.send(data, Deadline.after(console.waits.typing, "typing"))

    # -- holding ---------------------------------------------------------------------------------------

    @property
    def wish(self) -> HoldWish | None:
        """What people want as far as is known; None: go on."""
        with self._lock:
            return self._wish

    def want(self, wish: HoldWish | None) -> None:
        """Somebody wants it held, until another time, or not any more."""
        with self._changed:
            self._wish = wish
            self._changed.notify_all()

    def wanted(self, *, failed: bool) -> HoldWish | None:
        """Return the wish that holds for a run that has failed, or has not."""
        self.look()
        wish = self.wish
        return wish if wish is not None and (failed or not wish.if_failed) else None

    def wait(self, seconds: float) -> None:
        """Wait, at most so long or until somebody wants something else."""
        with self._changed:
            self._changed.wait(seconds)
