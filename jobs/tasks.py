"""Background tasks: one more way to call commands. They are delivered at least once, now and then twice."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signals import post_execute_in_worker, pre_execute

from devices import queries as inventory
from devices.domain import board as boards
from devices.loading import load_board
from jobs import commands, delivering, health, runner
from jobs.domain.deliveries import NotDue
from jobs.domain.job import Stale
from jobs.loading import load_job
from jobs.models import Job
from jobs.worker_process import GRACE, TICK, Ended, WorkerProcess
from lab import cluster_ties
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Rejected

EXTRA_TIME = 30.0
"""Seconds that a run may take beyond its timeout and its clean-up before it is ended from outside."""
LOOK_EVERY = 2.0
"""Seconds between looks whether the job was given up meanwhile."""

log = logging.getLogger(__name__)
_delivery: int | None = None
"""Queue row of the task that this worker executes."""


def schedule() -> int:
    """Queue health checks that are due, and give free boards to waiting jobs; returns how many."""
    health.queue_due()
    return len(commands.schedule())


def run_job(number: int) -> str:
    """Run an assigned job in a process of its own, and see to it that it ends; returns how, in words."""
    if cluster_ties.stopping():
        # The reconciler puts it back into the queue, for workers that have a future.
        return f"job {number} is left to another worker: this one is shutting down"
    worker = f"{socket.gethostname()}/{os.getpid()}"
    try:
        fence = commands.start_job(number, worker)
    except Stale as exc:
        return str(exc)
    ended = _supervised(number, fence)
    # Nothing happens here where it has recorded its own end.
    if commands.lose_job(number, fence, f"the process that ran the job is gone ({ended})"):
        log.error("job %d is lost: %s", number, ended)
    return f"job {number}: {ended}"


def recover_board(number: int) -> str:
    """Clean the host that a lost job left behind, and put the board to use again if that is proven."""
    job, _ = load_job(number)
    if not boards.is_quarantined_after(load_board(job.board).state, number):
        return f"board {job.board} does not wait to be cleaned after job {number}"
    config = inventory.effective_config(job.board)
    deadline = Deadline.after(config.leave_timeout, f"cleaning board {job.board}")
    evidence = runner.execution().clean_host(config, number, deadline)
    if not evidence.clean:
        log.error("board %s stays quarantined after job %d: %s", job.board, number, evidence.dirt)
        return f"board {job.board} stays quarantined: {evidence.dirt}"
    commands.return_board(number, "; ".join(f"{one.what}: {one.found}" for one in evidence.checks))
    return f"board {job.board} is clean again"


def deliver(job: int, number: int) -> str:
    """Tell somebody how a job ended: one attempt; returns what came of it, in words."""
    try:
        ended = delivering.deliver(job, number)
    except NotDue as exc:
        return str(exc)
    return f"job {job}, delivery {number}: {ended.message}"


def _supervised(number: int, fence: int) -> Ended:
    row = Job.objects.only("timeout", "board").get(pk=number)
    grace = _grace(row.board)
    end = time.monotonic() + row.timeout + grace
    process = WorkerProcess(lambda stop: runner.run(number, fence, stop), grace=grace)
    ties = cluster_ties.descriptors()
    beat = look = time.monotonic()
    try:
        while (ended := process.wait(TICK, *ties)) is None:
            now = time.monotonic()
            if cluster_ties.stopping() or now > end:
                ties = []
                process.stop()
            with contextlib.suppress(DatabaseError):
                if now > beat:
                    _extend_lock()
                    beat = now + Conf.RETRY / 4
                if now > look:
                    if _given_up(number, fence):
                        process.stop()
                    end = max(end, now + _held_for(number) + grace)
                    look = now + LOOK_EVERY
        return ended
    finally:
        process.close()


def _held_for(number: int) -> float:
    """Seconds from now to the end of its hold: below 0 when that has passed, minus infinity without one."""
    hold = Job.objects.values_list("hold", flat=True).get(pk=number)
    if not hold or hold["until"] is None:
        return float("-inf")
    return float(hold["until"]) - time.time()


def _grace(board: str) -> float:
    """Seconds that the orderly end of a run on this board may take."""
    try:
        return inventory.effective_config(board).leave_timeout + EXTRA_TIME
    except Rejected:  # the runner will meet that too, and say so in the job
        return GRACE


def _given_up(number: int, fence: int) -> bool:
    return not Job.objects.filter(pk=number, fence=fence, state__in=["running", "canceling"]).exists()


def _extend_lock() -> None:
    """Tell the queue that the task is being worked on, or it would be delivered again."""
    if _delivery is not None and settings.Q_CLUSTER.get("orm"):
        OrmQ.objects.filter(pk=_delivery).update(lock=timezone.now() + timedelta(seconds=Conf.RETRY))


def _begin(sender: object, task: dict[str, Any], **_: object) -> None:
    global _delivery
    _delivery = task.get("ack_id")
    _extend_lock()
    cluster_ties.pulse("begin", _delivery)


def _end(sender: object, task: dict[str, Any], **_: object) -> None:
    global _delivery
    cluster_ties.pulse("end", _delivery)
    _delivery = None


pre_execute.connect(_begin, dispatch_uid="jobs.tasks")
post_execute_in_worker.connect(_end, dispatch_uid="jobs.tasks")
