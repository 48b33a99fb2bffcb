"""Who holds boards. The inventory does not know jobs: those who do say here how a board is taken from one."""

from __future__ import annotations

from typing import Protocol

from lab.kernel.errors import Rejected
from lab.kernel.events import Meta


class Holder(Protocol):
    """Ends the jobs that hold boards."""

    def release(self, board: str, job: int, reason: str, meta: Meta) -> None:
        """End a job that got stuck, void its token and take its board, all in one append.

        Raises `Rejected` where the job is alive, or does not hold the board any more.
        """


_holders: list[Holder] = []


def use(holder: Holder) -> None:
    """Let this one speak for all jobs from now on."""
    _holders[:] = [holder]


def release(board: str, job: int, reason: str, meta: Meta) -> None:
    """Take a board from the job that holds it; see `Holder.release`."""
    if not _holders:
        raise Rejected(f"Board {board} is reserved for job {job}, and nobody here knows of jobs.")
    _holders[0].release(board, job, reason, meta)
