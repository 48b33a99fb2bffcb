"""Attempts, pauses and verification: what is the same for all power switches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from devices.domain.config import PowerConfig
from devices.drivers.board import Fence, PowerState
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded, InfrastructureError


class Outlet(Protocol):
    """One way to switch power. Each call is one attempt, and raises `InfrastructureError` when it fails."""

    @property
    def cycles(self) -> bool:
        """Whether the outlet switches off and on again in one go."""

    def on(self, deadline: Deadline) -> None: ...
    def off(self, deadline: Deadline) -> None: ...

    def cycle(self, deadline: Deadline) -> None:
        """Off and on again; only called where it `cycles`."""

    def state(self, deadline: Deadline) -> PowerState:
        """``unknown`` where the switch cannot tell."""


class FencedOutlet:
    """An outlet that is left alone once its board is somebody else's, but for being asked how it is."""

    def __init__(self, outlet: Outlet, fence: Fence) -> None:
        self._outlet, self._fence = outlet, fence

    @property
    def cycles(self) -> bool:
        return self._outlet.cycles

    def on(self, deadline: Deadline) -> None:
        self._fence()
        self._outlet.on(deadline)

    def off(self, deadline: Deadline) -> None:
        self._fence()
        self._outlet.off(deadline)

    def cycle(self, deadline: Deadline) -> None:
        self._fence()
        self._outlet.cycle(deadline)

    def state(self, deadline: Deadline) -> PowerState:
        return self._outlet.state(deadline)


class SteadySwitch:
    """See `devices.drivers.board.PowerSwitch`."""

    def __init__(self, outlet: Outlet, config: PowerConfig) -> None:
        self._outlet, self._config = outlet, config

    def on(self, deadline: Deadline) -> PowerState:
        return self._switch("on", self._outlet.on, "on", deadline)

    def off(self, deadline: Deadline) -> PowerState:
        return self._switch("off", self._outlet.off, "off", deadline)

    def cycle(self, deadline: Deadline) -> PowerState:
        if self._outlet.cycles:
            return self._switch("off and on again", self._outlet.cycle, "on", deadline)
        self.off(deadline)
        pause(self._config.off_seconds, deadline)
        return self.on(deadline)

    def state(self, deadline: Deadline) -> PowerState:
        return self._tried(
            "tell the board's power state", lambda: self._outlet.state(self._limit(deadline)), deadline
        )

    def _limit(self, deadline: Deadline) -> Deadline:
        """Return the deadline of one request."""
        seconds = self._config.timeout
        return deadline.within(seconds, f"the power switch (power.timeout is {seconds:g} s)")

    def _switch(
        self, what: str, do: Callable[[Deadline], None], wanted: PowerState, deadline: Deadline
    ) -> PowerState:
        """Switch, and see to it that the outlet says so too, where it says anything."""

        def attempt() -> PowerState:
            do(self._limit(deadline))
            found = self._outlet.state(self._limit(deadline))
            if found not in (wanted, "unknown"):
                # A relay takes its time: look once more before it is told again.
                pause(self._config.retry_delay, deadline)
                found = self._outlet.state(self._limit(deadline))
            if found not in (wanted, "unknown"):
                raise InfrastructureError(f"it took the request, and says that the power is {found}")
            return found

        return self._tried(f"switch the board {what}", attempt, deadline)

    def _tried(self, what: str, attempt: Callable[[], PowerState], deadline: Deadline) -> PowerState:
        """Return what the first attempt that works returns."""
        config, tried = self._config, 0
        while True:
            tried += 1
            deadline.check()
            try:
                return attempt()
            except DeadlineExceeded as exc:
                deadline.check()  # it is the job's own that has passed
                last: InfrastructureError = exc
            except InfrastructureError as exc:
                last = exc
            if tried >= config.attempts:
                times = f" in {tried} attempts" if tried > 1 else ""
                raise InfrastructureError(
                    f"the power switch ({config.method}) did not {what}{times}: {last}"
                ) from last
            pause(config.retry_delay, deadline)


def pause(seconds: float, deadline: Deadline) -> None:
    """Sleep, unless the deadline has something to say."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        deadline.check()
        time.sleep(min(left, max(deadline.tick, 0.001)))
