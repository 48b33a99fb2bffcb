"""What is done to a board at somebody's request outside of jobs. On the board's stream, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab.kernel.events import Event, codec

Errand = Literal["test", "on", "off", "cycle", "console"]
StepResult = Literal["pass", "fail", "skip"]
ErrandOutcome = Literal["pass", "fail", "lost"]


codec.upcaster("board.errand_requested", 1)(lambda data: data)


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardErrandRequested(Event):
    """No job gets the board until the errand has ended. Schema 1 did not say who types."""

    type = "board.errand_requested"
    schema = 2
    errand: int
    """The version of this very event: rises with every errand, and is given once."""
    what: Errand
    """``test``: of its connections. ``on``, ``off``, ``cycle``: of its power. ``console``: somebody types on
    its console."""
    within: float
    """Seconds in which a worker must have begun."""
    by: str = ""
    """Who is going to type on the console; empty for other errands."""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardErrandStarted(Event):
    type = "board.errand_started"
    errand: int
    worker: str
    within: float
    """Seconds in which it must have ended."""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardErrandStep(Event):
    """One thing was tried."""

    type = "board.errand_step"
    errand: int
    step: str
    """``power``, ``serial``, ``ssh`` or ``console``."""
    result: StepResult
    said: str
    """What came of it, in a sentence; for the same readers as the transcript."""
    transcript: str
    """What was done and answered, line by line; for those who may know how the lab reaches its boards."""
    seconds: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardErrandEnded(Event):
    type = "board.errand_ended"
    errand: int
    outcome: ErrandOutcome
    """``lost``: nobody took it, its worker fell silent, or somebody released the board."""
    reason: str


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardReleaseForced(Event):
    """Somebody took the board from a job that held it and got nowhere.

    Appended in one step with what it makes of the job and of the board; from then on the old holder's token
    opens nothing.
    """

    type = "board.release_forced"
    job: int
    reason: str
    was: str
    """The state of the job: ``assigned``, ``running``, ``canceling``, ``finished``, or ``none``."""
    worker: str
    """Who had it last; empty: nobody had begun."""
    fence: int
    """The token that is void now; 0: none was given."""
