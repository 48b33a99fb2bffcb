"""Errands: what a worker does to a board at somebody's request, with no job around it.

They hold the board as a job does, by a token of their own, so that nobody gets it meanwhile and a worker that
comes too late can do and tell nothing any more.
"""

from __future__ import annotations

from typing import get_args

from devices.domain.board import Board
from devices.domain.errand_events import (
    BoardErrandEnded,
    BoardErrandRequested,
    BoardErrandStarted,
    BoardErrandStep,
    Errand,
    ErrandOutcome,
    StepResult,
)
from devices.domain.names import UNPRINTABLE, storable
from lab.kernel.errors import Rejected
from lab.kernel.events import Event

ERRANDS: tuple[Errand, ...] = get_args(Errand)
POWER: tuple[Errand, ...] = ("on", "off", "cycle")
CONSOLE: Errand = "console"
"""Somebody types on its console: at their own terminal, or in a browser, with a worker in between."""
MAX_TRANSCRIPT = 16 * 1024
"""Characters of one step; the end of a longer one is kept."""


class Over(Rejected):
    """An errand is not there to be worked on (any more)."""


def request(state: Board, version: int, what: str, *, within: float, by: str = "") -> list[Event]:
    """Decide to have it done by a worker. `version`: of the stream before this; `by`: who types, if so.

    Power is for boards that are offline: what becomes of it must not surprise a job.
    """
    errand = next((one for one in ERRANDS if one == what), None)
    if errand is None:
        raise Rejected(f"{what!r} is no errand: it is {', '.join(ERRANDS)}.")
    if state.retired:
        raise Rejected(f"Board {state.name} is retired ({state.retired}): nobody goes there any more.")
    if state.held_by is not None:
        raise Rejected(
            f"Board {state.name} is reserved for job {state.held_by}: cancel the job, or wait for its end."
        )
    if state.errand is not None:
        raise Rejected(f"Board {state.name} is reserved for {state.errand_words} already: wait for its end.")
    if errand in POWER and not state.offline:
        raise Rejected(f"Board {state.name} could be given to a job at any moment: take it offline first.")
    return [BoardErrandRequested(errand=version + 1, what=errand, within=within, by=by)]


def start(state: Board, errand: int, *, worker: str, within: float) -> list[Event]:
    """Decide that a worker takes it. Raises `Over` where that has happened before."""
    _current(state, errand)
    if state.errand_worker:
        raise Over(f"the errand {errand} of board {state.name} is {state.errand_worker}'s")
    return [BoardErrandStarted(errand=errand, worker=worker, within=within)]


def note(
    state: Board,
    errand: int,
    *,
    step: str,
    result: StepResult,
    said: str,
    transcript: str,
    seconds: float,
) -> list[Event]:
    """Accept what its worker reports. Raises `Over` after the end."""
    _current(state, errand)
    kept = UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", transcript).strip()
    return [
        BoardErrandStep(
            errand=errand,
            step=step,
            result=result,
            said=storable(said),
            transcript=kept if len(kept) <= MAX_TRANSCRIPT else f"…\n{kept[-MAX_TRANSCRIPT:]}",
            seconds=seconds,
        )
    ]


def end(state: Board, errand: int, *, outcome: ErrandOutcome, reason: str = "") -> list[Event]:
    """Decide that it is over, and the board is as before. Raises `Over` if it was already."""
    _current(state, errand)
    return [BoardErrandEnded(errand=errand, outcome=outcome, reason=storable(reason))]


def _current(state: Board, errand: int) -> None:
    if state.errand != errand:
        raise Over(f"the errand {errand} of board {state.name} is over")
