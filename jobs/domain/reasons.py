"""Why a job waits, in one sentence; board by board it is `jobs.domain.scheduling.Plan.why`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from jobs.domain.scheduling import Candidate, Plan, Waiting, refusal

ORDER = ("free", "busy", "to be checked", "unhealthy", "quarantined", "offline", "not fitting")


def sentence(job: Waiting, plan: Plan, ahead: int) -> str:
    """Say what the boards that a job could run on are busy with; `ahead`: who is served before it."""
    boards = [one for one in plan.boards if one.device_type == job.host_type]
    if job.board:
        pinned = [one for one in plan.boards if one.name == job.board]
        if not pinned:
            return f"There is no board {job.board}."
        reason = refusal(job, pinned[0]) or _given_away(plan, pinned[0], job)
        return f"{job.board} {reason}." if reason else "It starts in a moment."
    if not boards:
        return f"There is no board of type {job.host_type}."
    if plan.given(job) is not None:
        return "It starts in a moment."
    states = Counter(_state(job, one, plan) for one in boards)
    fitting = sum(states.values()) - states["not fitting"]
    told = ", ".join(f"{states[one]} {one}" for one in ORDER if states[one])
    if not fitting:
        return f"No board of type {job.host_type} fits it."
    if not states["free"] and not states["busy"] and not states["to be checked"]:
        which = "that fits it" if states["not fitting"] else f"of type {job.host_type}"
        return f"No board {which} is in service: {told}."
    place = "First" if not ahead else f"{ahead} {'job is' if ahead == 1 else 'jobs are'} ahead"
    return f"{place} for {job.host_type}: {told}."


def _state(job: Waiting, board: Candidate, plan: Plan) -> str:
    if refusal(job, replace(board, unavailable="", only_checked="")):
        return "not fitting"
    why = board.unavailable or ("" if job.health_check else board.only_checked)
    if not why:
        return "busy" if board.name in plan.taken else "free"
    word = why.partition(" ")[0].rstrip(":")
    return {"reserved": "busy", "waiting": "to be checked"}.get(word, word)


def _given_away(plan: Plan, board: Candidate, job: Waiting) -> str:
    winner = plan.taken.get(board.name)
    return f"goes to job {winner}, which is served first" if winner not in (None, job.job) else ""


def served_before(job: Waiting, queue: Sequence[Waiting]) -> int:
    """Return how many jobs for boards of the same type are served before it."""
    return sum(one.host_type == job.host_type and one.place < job.place for one in queue)
