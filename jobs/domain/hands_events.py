"""What people do to a running job with their own hands: typing on consoles, and holding it before clean-up.

Who types what is told by the worker that typed it; who may is decided by commands. Stream: ``job/<number>``.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.kernel.events import Event, codec

# -- consoles and keyboards ------------------------------------------------------------------------------


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOpened(Event):
    """From now on somebody can type on the node's console. A fact from the run."""

    type = "job.console_opened"
    node: int
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleClosed(Event):
    """Nobody can type on it any more (or not until it is opened again). A fact from the run."""

    type = "job.console_closed"
    node: int
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyboardTaken(Event):
    """One person may type on the node's console, and nobody else."""

    type = "job.keyboard_taken"
    node: int
    user: str
    ticket: int
    """Names this taking: what was typed with an older one is dropped."""
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyboardGiven(Event):
    """The keyboard was given back: by its holder, by the time-out, or by somebody who took it away."""

    type = "job.keyboard_given"
    node: int
    user: str
    """Who had it."""
    ticket: int
    reason: str
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class InputTyped(Event):
    """What somebody typed has reached the console: a line of it, or what came before a pause.

    A fact from the run.
    """

    type = "job.input_typed"
    node: int
    user: str
    text: str
    """As it was typed, control characters included."""
    offset: int
    """Bytes that the node had printed when the first of it was typed."""
    at: float


# -- holding a job before its clean-up -------------------------------------------------------------------


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequested(Event):
    """The job is to be held when its work is done: its VMs go on to run, its host is not cleaned yet."""

    type = "job.hold_requested"
    user: str
    seconds: int
    reason: str
    if_failed: bool
    """Only if it fails, or one of its results does."""
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldStarted(Event):
    """Its work is done, and it is held. A fact from the run."""

    type = "job.hold_started"
    until: float
    """Seconds since the epoch."""
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldExtended(Event):
    """It is held until another time than was said before."""

    type = "job.hold_extended"
    user: str
    until: float
    reason: str
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReleased(Event):
    """Nobody needs it to be held any more (or at all, if that had not begun)."""

    type = "job.hold_released"
    user: str
    reason: str
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldEnded(Event):
    """It is held no more: clean-up follows. A fact from the run."""

    type = "job.hold_ended"
    reason: str
    at: float
