"""Cleaning up after a run that is lost: its worker is gone, all that is known is board and job."""

from __future__ import annotations

from devices.domain.config import BoardConfig
from jobs.execution.boards.equipment import Equipment
from jobs.execution.boards.lab import LAB
from jobs.execution.boards.leaving import Evidence, Leaving
from jobs.execution.boards.machine import Machine
from jobs.execution.boards.witness import Unrecorded
from lab.kernel.deadline import Deadline

__all__ = ["Evidence", "clean_host"]


def clean_host(board: BoardConfig, job: int, deadline: Deadline, *, equipment: Equipment = LAB) -> Evidence:
    """Remove everything of a job from its host and look whether it is gone. Never raises a `JobError`."""
    machine = Machine(board, board.ssh.host or "the board", job, equipment, Unrecorded())
    machine.assume_used()
    return Leaving(machine, job, deadline).leave()
