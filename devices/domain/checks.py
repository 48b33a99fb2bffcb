"""Health checks of a board: asked for, queued as a job, concluded.

A check is asked for on demand, by the clock, or because the board was repaired; then it comes first, and no
other job gets the board before it has passed. A failed one takes the board out, with its job as evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from devices.domain.board import Board
from devices.domain.events import (
    BoardCheckQueued,
    BoardCheckRequested,
    BoardCheckUndecided,
    BoardHealthChanged,
    BoardTakenOffline,
)
from devices.domain.names import storable
from lab.kernel.errors import Rejected
from lab.kernel.events import Event

ATTEMPTS = 3
"""How many jobs may be lost over one check before that counts as the board's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a health check ended."""

    result: Literal["passed", "failed", "canceled", "interrupted"]
    """``interrupted``: the worker ended or was lost; the board has nothing to do with it."""
    reason: str = ""


def request(state: Board, reason: str, *, first: bool = False) -> list[Event]:
    """Decide that its health is to be checked."""
    if state.retired:
        raise Rejected(f"Board {state.name} is retired ({state.retired}): it is not checked any more.")
    if state.offline:
        raise Rejected(
            f"Board {state.name} is {state.state} ({state.offline}), and no job gets it: bring it online."
        )
    if state.check_job is not None:
        raise Rejected(f"Board {state.name} is being checked already, by job {state.check_job}.")
    if state.check:
        raise Rejected(f"Board {state.name} waits for a health check already: {state.check}.")
    return [BoardCheckRequested(reason=storable(reason), first=first)]


def queue(state: Board, job: int) -> list[Event]:
    """Decide that `job` is its health check. Whoever appends this appends the job, too."""
    if not state.check or state.check_job is not None:
        raise Rejected(f"Board {state.name} does not wait for a health check.")
    return [BoardCheckQueued(job=job)]


def drop(state: Board, reason: str) -> list[Event]:
    """Decide that the check which is due cannot be made, for `reason`."""
    if not state.check or state.check_job is not None:
        return []
    return [BoardCheckUndecided(job=None, reason=storable(reason), again=False), *_unproven(state, reason)]


def conclude(state: Board, job: int, verdict: Verdict) -> list[Event]:
    """Decide what the end of `job` means; nothing if it is not the board's health check (any more)."""
    if state.retired or state.check_job != job:
        return []
    reason = storable(verdict.reason)
    match verdict.result:
        case "passed":
            return [BoardHealthChanged(health="good", reason="", job=job)]
        case "interrupted" if state.check_attempts < ATTEMPTS:
            return [BoardCheckUndecided(job=job, reason=reason, again=True)]
        case "canceled":
            why = f"its health check, job {job}, was canceled" + (f": {reason}" if reason else "")
            return [BoardCheckUndecided(job=job, reason=reason, again=False), *_unproven(state, why)]
    return [BoardHealthChanged(health="bad", reason=storable(f"health check failed: {reason}"), job=job)]


def _unproven(state: Board, reason: str) -> list[Event]:
    """Keep jobs away from a board that was to prove itself first and did not, until somebody has looked."""
    if not state.check_first:
        return []
    before = f" ({state.offline})" if state.offline else ""
    return [
        BoardTakenOffline(reason=storable(f"not checked after repair: {reason}{before}"), quarantined=True)
    ]
