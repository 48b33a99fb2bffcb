"""Taking a board from a job that got stuck: who, why, and what became of the job are on the record.

It is one append: that the release was forced, the end of the job, the board's own. The job's fencing token
is void with it, so its worker, should it come back to life, can add nothing and is told to end.
"""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from devices.domain import board as boards
from devices.domain.errand_events import BoardReleaseForced
from devices.loading import load_board
from jobs import commands, leases
from jobs.domain.job import Job
from jobs.loading import load_job
from lab.eventstore.store import store
from lab.kernel.errors import Rejected
from lab.kernel.events import Meta
from lab.kernel.ports import Append

SILENT = timedelta(seconds=3 * leases.RENEW_EVERY)
"""How long a worker must not have been heard of for its job to count as stuck."""


def release(board: str, job: int, reason: str, meta: Meta) -> None:
    """See `devices.holding.Holder`."""
    found, _ = load_job(job)
    _stuck(board, found)
    forced = BoardReleaseForced(
        job=job, reason=reason, was=found.life, worker=found.worker, fence=found.fence
    )
    why = f"board {board} was released by {meta.actor}: {reason}"
    if found.life in ("queued", "assigned") and found.board == board:
        commands.cancel(job, why, meta, forced=forced)
    elif found.active and found.board == board:
        if not commands.lose_job(job, found.fence, why, meta=meta, forced=forced):
            raise Rejected(f"Job {job} has just ended: look again at board {board}.")
    else:
        commands.retried(lambda: _release_from_nobody(board, found, forced, why, meta))


def _stuck(board: str, job: Job) -> None:
    """Raise `Rejected` where the worker is at work and nobody has asked it to end."""
    if job.life != "running":
        return
    heard = leases.heard_of(job.number, job.fence)
    if heard is None or (ago := timezone.now() - heard) > SILENT:
        return
    raise Rejected(
        f"Board {board} is reserved for job {job.number}, which runs: its worker {job.worker} was heard of"
        f" {max(0, ago.total_seconds()):.0f} s ago. Cancel the job; release the board where that does not end"
        " it."
    )


def _release_from_nobody(board: str, job: Job, forced: BoardReleaseForced, why: str, meta: Meta) -> None:
    """Take it from a job that is over, or never was: nobody knows what was left on it."""
    found = load_board(board)
    events = [forced, *boards.quarantine(found.state, job.number, why)]
    tasks = [commands.recover_task(job.number, found.state.site)] if job.board == board else []
    store.append(
        Append(stream=found.stream, expected=found.version, events=events), meta=meta, follow_ups=tasks
    )
