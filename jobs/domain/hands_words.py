"""What people did with their hands, in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from jobs.domain.hands_events import (
    ConsoleClosed,
    ConsoleOpened,
    HoldEnded,
    HoldExtended,
    HoldReleased,
    HoldRequested,
    HoldStarted,
    InputTyped,
    KeyboardGiven,
    KeyboardTaken,
)
from lab.kernel.events import Event

NAMED = {"\r": "⏎", "\n": "⏎", "\t": "⇥", "\x1b": "␛", "\x7f": "⌫"}


def describe_hands(event: Event, name: Callable[[int | None], str]) -> str:
    """Return a sentence, or nothing if the event is of another kind."""
    match event:
        case ConsoleOpened():
            return f"the console of {name(event.node)} can be typed on"
        case ConsoleClosed():
            return f"the console of {name(event.node)} can no longer be typed on"
        case KeyboardTaken():
            return f"{event.user} took the keyboard of {name(event.node)}"
        case KeyboardGiven():
            return f"the keyboard of {name(event.node)} is back from {event.user}: {event.reason}"
        case InputTyped():
            return f"{event.user} typed on {name(event.node)}: {shown(event.text)}"
        case HoldRequested():
            when = "if it fails" if event.if_failed else "before its clean-up"
            return f"{event.user} has it held {when}, for {minutes(event.seconds)}{_because(event.reason)}"
        case HoldStarted():
            return f"it is held until {clock(event.until)} UTC; clean-up waits"
        case HoldExtended():
            return f"{event.user} has it held until {clock(event.until)} UTC{_because(event.reason)}"
        case HoldReleased():
            return f"{event.user} lets it go on to its clean-up{_because(event.reason)}"
        case HoldEnded():
            return f"it is held no more: {event.reason}"
    return ""


def shown(typed: str) -> str:
    """Return typed text with its control characters in sight: ``echo hello⏎``, ``^C``."""
    return "".join(NAMED.get(one) or (f"^{chr(ord(one) + 64)}" if ord(one) < 32 else one) for one in typed)


def clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"


def minutes(seconds: float) -> str:
    """Return ``90 s`` or ``30 min``."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _because(reason: str) -> str:
    return f", because: {reason}" if reason else ""
