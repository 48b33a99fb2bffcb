"""Time as a value: a moment on a monotonic clock, handed down to everything that waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.kernel.errors import DeadlineExceeded

Clock = Callable[[], float]
Stop = Callable[[], Exception | None]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by which something must have happened, and the words to say when it has not."""

    at: float
    """Seconds on `clock`."""
    what: str = "the operation"
    clock: Clock = time.monotonic
    stop: Stop | None = None
    """Asked by `check`: an error to raise instead of waiting on (a cancellation, somebody else's failure)."""

    @classmethod
    def after(
        cls,
        seconds: float,
        what: str = "the operation",
        *,
        clock: Clock = time.monotonic,
        stop: Stop | None = None,
    ) -> Deadline:
        """Return the deadline that lies `seconds` from now."""
        return cls(clock() + seconds, what, clock, stop)

    @property
    def remaining(self) -> float:
        """Seconds left, never negative: fit for any blocking call's timeout."""
        return max(0.0, self.at - self.clock())

    @property
    def expired(self) -> bool:
        return self.clock() >= self.at

    def within(self, seconds: float, what: str) -> Deadline:
        """Return the earlier of this deadline and one `seconds` from now, which is then named `what`."""
        inner = self.clock() + seconds
        return Deadline(inner, what, self.clock, self.stop) if inner < self.at else self

    @property
    def tick(self) -> float:
        """Seconds that a blocking call may take before it must `check` again; never more than 0.2."""
        return min(self.remaining, 0.2)

    def check(self) -> None:
        """Raise what `stop` says, or `DeadlineExceeded` once the moment has passed."""
        if self.stop is not None and (error := self.stop()) is not None:
            raise error
        if self.expired:
            raise DeadlineExceeded(f"{self.what} did not finish in time")
