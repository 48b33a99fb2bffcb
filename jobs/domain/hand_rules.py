"""When somebody may type on a console, and when a job may be held. Who may is for commands to say.

Deciders take the state of the job and return events, or raise `Rejected` with the reason.
"""

from __future__ import annotations

from jobs.domain.hands import Keyboard
from jobs.domain.hands_events import (
    HoldExtended,
    HoldReleased,
    HoldRequested,
    KeyboardGiven,
    KeyboardTaken,
)
from jobs.domain.job import Job
from lab.kernel.errors import NotFound, Rejected
from lab.kernel.events import Event

SHORTEST_HOLD = 30
"""Seconds. Less is no time to look at anything."""


class Taken(Rejected):
    """Somebody else has the keyboard."""


def keyboard_of(job: Job, node: int) -> Keyboard | None:
    return next((one for one in job.keyboards if one.node == node), None)


def name_of(job: Job, node: int) -> str:
    """Return a node's name. Raises `NotFound`."""
    name = next((one.name for one in job.nodes if one.index == node), None)
    if name is None:
        raise NotFound(f"{job} has no node {node}")
    return name


def take_keyboard(job: Job, node: int, *, user: str, ticket: int, at: float) -> list[Event]:
    """Let one person type. Whoever has it already in another window has it here from now on."""
    name = name_of(job, node)
    if job.life != "running":
        state = {"finished": "has ended", "canceling": "is being cancelled"}.get(job.life, f"is {job.life}")
        raise Rejected(f"{job} {state}: nobody can type on the console of {name}")
    if node not in job.consoles:
        raise Rejected(
            f"the console of {name} is not open just now: it can be typed on while the node runs,"
            " and while the job is held"
        )
    held = keyboard_of(job, node)
    taken = KeyboardTaken(node=node, user=user, ticket=ticket, at=at)
    if held is None:
        return [taken]
    if held.user != user:
        raise Taken(f"{held.user} has the keyboard of {name}: only one can type at a time")
    return [*_given(held, "taken in another window", at), taken]


def give_keyboard(job: Job, node: int, *, ticket: int | None, reason: str, at: float) -> list[Event]:
    """Give it back. `ticket` None: whoever has it. It may have been given back already."""
    held = keyboard_of(job, node)
    if held is None or (ticket is not None and held.ticket != ticket):
        return []
    return _given(held, reason, at)


def _given(held: Keyboard, reason: str, at: float) -> list[Event]:
    return [KeyboardGiven(node=held.node, user=held.user, ticket=held.ticket, reason=reason, at=at)]


def hold(
    job: Job,
    *,
    user: str,
    seconds: int,
    reason: str,
    if_failed: bool,
    longest: int,
    at: float,
    cleaning: bool,
    held: bool = False,
) -> list[Event]:
    """Have a job held when its work is done; one that is held already, until so many seconds from now.

    `cleaning`: whether its clean-up has begun, which nothing holds up. `held`: whether it has been held; once
    it was let go its worker is on the way to the clean-up, and may not have heard of it yet.
    """
    if not job.exists:
        raise NotFound(f"there is no {job}")
    if job.life in ("finished", "canceling"):
        state = "has ended" if job.life == "finished" else "is being cancelled"
        raise Rejected(f"{job} {state}: it cannot be held any more")
    if cleaning:
        raise Rejected(f"{job} is being cleaned up: it cannot be held any more")
    if held and job.hold is None:
        raise Rejected(f"{job} has been let go: it cannot be held any more")
    if not SHORTEST_HOLD <= seconds <= longest:
        raise Rejected(
            f"a job can be held for {_minutes(SHORTEST_HOLD)} to {_minutes(longest)}, not {_minutes(seconds)}"
        )
    known = job.hold
    if known is None or known.since is None:
        return [HoldRequested(user=user, seconds=seconds, reason=reason, if_failed=if_failed, at=at)]
    if at + seconds > known.since + longest:
        left = max(0, int(known.since + longest - at))
        raise Rejected(
            f"{job} has been held for {_minutes(at - known.since)}, and may be held for"
            f" {_minutes(longest)} in all: {_minutes(left)} more at most"
        )
    return [HoldExtended(user=user, until=at + seconds, reason=reason, at=at)]


def release(job: Job, *, user: str, reason: str, at: float) -> list[Event]:
    """Let it go on to its clean-up. Nothing happens where it is not to be held."""
    return [HoldReleased(user=user, reason=reason, at=at)] if job.hold is not None else []


def _minutes(seconds: float) -> str:
    if seconds < 120:
        return f"{max(0, seconds):.0f} s"
    return f"{seconds / 60:g} min" if seconds % 60 == 0 else f"{seconds / 60:.1f} min"
