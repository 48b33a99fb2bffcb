"""Putting right what a crash left behind. Safe to run anywhere, at any time, any number of times.

Tasks are the fast way; this is the sure one. It looks at what the log says must happen and sees to it:
jobs whose worker is silent are given up, assigned jobs that no worker was told of are queued again, and
waiting jobs get free boards even if the task that should have seen to it is lost or waits for a worker.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django_q.models import OrmQ

from devices import errands, sitting
from jobs import commands, delivering, hand_commands, health, leases
from jobs.models import Delivery, Job, Lease
from lab.eventstore import followups

EVERY = 5.0
"""Seconds between looks."""
UNSEEN = timedelta(seconds=5)
"""How long an assigned job may be without a queued task before it gets another."""
AGAIN = 60.0
"""Seconds until the same job gets yet another one: a worker may be about to start it."""

log = logging.getLogger(__name__)


class Reconciler:
    """Remembers what it did lately, so as not to overdo it."""

    def __init__(self) -> None:
        self._queued_at: dict[int, float] = {}
        self._deliveries_at: dict[tuple[int, int, float], float] = {}

    def look(self) -> None:
        """Look once at everything."""
        self.give_up_lost_jobs()
        self.queue_forgotten_jobs()
        self.queue_due_deliveries()
        hand_commands.forget_keys()
        errands.give_up_lost()
        sitting.give_up_lost()
        health.cancel_orphans()
        health.queue_due()
        commands.schedule()

    def give_up_lost_jobs(self) -> list[int]:
        """End the jobs whose lease ran out, or that run without one; returns their numbers."""
        lost = []
        for lease in leases.expired():
            silent = f"worker {lease.worker} has been silent for more than {leases.SECONDS} s"
            if commands.lose_job(lease.job, lease.fence, silent):
                lost.append(lease.job)
        active = Job.objects.filter(open=1, state__in=["running", "canceling"])
        for row in active.exclude(pk__in=Lease.objects.values("job")):
            # Should not be: only a table that somebody emptied leads here.
            if commands.lose_job(row.id, row.fence, f"worker {row.worker} holds no lease for it"):
                lost.append(row.id)
        for number in lost:
            log.error("job %d is lost", number)
        return lost

    def queue_forgotten_jobs(self) -> list[int]:
        """Queue the runs of assigned jobs that no task stands for; returns their numbers."""
        before = timezone.now() - UNSEEN
        waiting = list(Job.objects.filter(open=1, state="assigned", assigned_at__lt=before))
        now = time.monotonic()
        self._queued_at = {n: at for n, at in self._queued_at.items() if now < at + AGAIN}
        known = set(self._queued_at)
        if waiting and settings.Q_CLUSTER.get("orm"):
            known |= _queued_runs()
        forgotten = [row for row in waiting if row.id not in known]
        for row in forgotten:
            log.warning("job %d is assigned but no task would start it: queueing one", row.id)
            with transaction.atomic():
                followups.queue([commands.run_task(row.id, row.site)])
            self._queued_at[row.id] = now
        return [row.id for row in forgotten]

    def queue_due_deliveries(self) -> list[tuple[int, int]]:
        """Queue the next attempt of deliveries that wait for one; returns them as (job, number)."""
        now, clock = time.time(), time.monotonic()
        self._deliveries_at = {one: at for one, at in self._deliveries_at.items() if clock < at + AGAIN}
        # The first attempt has a task of its own, which came with the job's end.
        late = Q(due__lt=now) & (~Q(state="planned") | Q(due__lt=now - UNSEEN.total_seconds()))
        rows = list(Delivery.objects.filter(late).order_by("due"))
        due = [(row.job_id, row.number, row.due or 0.0) for row in rows]
        queued = _queued_deliveries() if due and settings.Q_CLUSTER.get("orm") else set()
        waiting = [one for one in due if one not in self._deliveries_at and one[:2] not in queued]
        if waiting:
            with transaction.atomic():
                followups.queue([delivering.task(job, number) for job, number, _ in waiting])
            self._deliveries_at |= dict.fromkeys(waiting, clock)
        return [(job, number) for job, number, _ in waiting]


def _queued_deliveries() -> set[tuple[int, int]]:
    tasks = (row.task for row in OrmQ.objects.all())
    return {tuple(task["args"]) for task in tasks if task.get("func") == "jobs.tasks.deliver"}


def _queued_runs() -> set[int]:
    """The jobs that tasks in the queue, or in the hands of workers, stand for."""
    tasks = (row.task for row in OrmQ.objects.all())
    return {task["args"][0] for task in tasks if task.get("func") == "jobs.tasks.run_job"}


def release_claims(site: str) -> None:
    """Give back the tasks that a dead cluster had taken, where no other cluster can be alive.

    That is so on SQLite, at the start of the only supervisor. Elsewhere their locks run out.
    """
    if connection.vendor == "sqlite":
        OrmQ.objects.filter(key=site).update(lock=timezone.now())


def keep_looking(stopped: Callable[[float], bool]) -> None:
    """Reconcile again and again until `stopped` (which waits that many seconds) says so."""
    reconciler = Reconciler()
    try:
        while True:
            try:
                reconciler.look()
            except DatabaseError as exc:
                log.warning("cannot reconcile: %s", exc)
                connection.close()
            except Exception:  # what it cannot do now, it must not stop doing for ever
                log.exception("reconciling failed")
            if stopped(EVERY):
                return
    finally:
        connection.close()


def start_looking() -> Callable[[], None]:
    """Reconcile in a thread; returns what ends it."""
    done = threading.Event()
    thread = threading.Thread(target=keep_looking, args=(done.wait,), name="reconciler", daemon=True)
    thread.start()

    def end() -> None:
        done.set()
        thread.join(5)

    return end
