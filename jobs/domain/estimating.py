"""When queued jobs will start, as far as it can be told from how long such jobs took before. Pure.

The queue is played through as `scheduling` serves it: each job takes the board that fits it and is free
first. A board of which nobody knows when it is free again is left out, and so is one that was given to a job
of which nobody knows how long it takes: what is told is told of what is known, and of the rest nothing.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median

from jobs.domain.hands import Hold
from jobs.domain.scheduling import Candidate, Waiting, refusal

FEWEST, LATEST = 2, 5
"""Runs that must be known to speak of a usual time, and how many of the last ones are looked at."""
MOST_AHEAD = 100
"""Jobs for boards of a type that are played through: nobody plans with what is beyond."""


def usual(seconds: Sequence[float]) -> float | None:
    """Return how long a job usually takes, by its runs, the last one first; None: too few are known."""
    return median(seconds[:LATEST]) if len(seconds) >= FEWEST else None


def held_for(hold: Hold | None, *, failed: bool) -> float | None:
    """Return for how long a job will be held once its work is done; None: nobody knows whether.

    `failed`: whether it is known by now that it will have failed.
    """
    if hold is None:
        return 0.0
    return None if hold.if_failed and not failed else float(hold.seconds)


def first(queue: Iterable[Waiting]) -> list[Waiting]:
    """Return who is served first: of each type of board as many as are played through."""
    taken: Counter[str] = Counter()
    found = []
    for job in sorted(queue, key=lambda one: one.place):
        taken[job.host_type] += 1
        if taken[job.host_type] <= MOST_AHEAD:
            found.append(job)
    return found


def starts(
    queue: Iterable[Waiting],
    boards: Iterable[Candidate],
    *,
    free_at: Mapping[str, float],
    takes: Mapping[int, float],
    now: float,
) -> dict[int, float]:
    """Return when jobs will start, in seconds since the epoch: those of which it can be told.

    `free_at`: when boards that jobs have are usually given back, where that is known; one that should have
    been given back by now is not. `takes`: how long queued jobs usually take, where that is known. A job that
    starts at once is not among them: there is nothing to estimate.
    """
    told: dict[int, float] = {}
    at: dict[str, list[tuple[float, str]]] = {}  # boards of each type, what is free first in front
    ready: dict[str, Candidate] = {}
    for board in sorted(boards, key=lambda one: one.name):
        free = now if not board.unavailable else free_at.get(board.name, now)
        if not board.unavailable or free > now:
            insort(at.setdefault(board.device_type, []), (free, board.name))
            ready[board.name] = replace(board, unavailable="")
    for job in first(queue):
        known = at.get(job.host_type)
        if not known:
            continue
        found = next((one for one in known if not refusal(job, ready[one[1]])), None)
        if found is None:
            continue
        known.remove(found)
        begins, board_name = found
        if begins > now:
            told[job.job] = begins
        if job.job in takes:
            insort(known, (begins + takes[job.job], board_name))
    return told
