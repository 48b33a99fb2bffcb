"""A django-q2 cluster as a child of the supervisor, with an eye on whether it still does its work.

A cluster can hang though all its processes live: a worker killed while it waited for a task takes the lock
of the queue with it, and nobody ever gets another task. The pulse (see `lab.cluster_ties`) tells which tasks
it has claimed and which of its workers are busy, so what waits while somebody is idle can be seen.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence

import psutil
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from lab.cluster_ties import LIFELINE, PULSE
from lab.supervise import Child

PATIENCE = 20.0
"""Seconds that a task may wait while a worker is idle. Replacing a cluster ends the jobs it runs, so this is
rather too long than, on a busy machine, too short."""
START = 180.0
"""Seconds until it must have come up."""
LOOK_EVERY = 2.0

log = logging.getLogger(__name__)


class TaskCluster(Child):
    """The processes that carry out background tasks of one queue."""

    def __init__(self, command: Sequence[str], *, queue: str, workers: int, grace: float) -> None:
        super().__init__(f"task cluster {queue}", command, env={"Q_CLUSTER_NAME": queue}, grace=grace)
        self._queue, self._workers = queue, workers
        self._lifeline = self._pulse = -1
        self._rest = b""
        self._claimed: dict[int, float] = {}
        """Queue rows that it took and did not finish, since when they wait; 0: a worker has it."""
        self._busy: dict[int, int] = {}
        """Worker processes by the row they work on."""
        self._due: dict[int, float] = {}
        """Queue rows that nobody took, since when we see them."""
        self._look_at = 0.0
        self._ready = False
        """Whether it has come up; what is due before that is no sign of anything."""

    def start(self) -> None:
        self._close()
        lifeline, self._lifeline = os.pipe()
        self._pulse, pulse = os.pipe()
        os.set_blocking(self._pulse, False)
        os.set_blocking(pulse, False)
        try:
            self._spawn({LIFELINE: str(lifeline), PULSE: str(pulse)}, [lifeline, pulse])
        finally:
            os.close(lifeline)
            os.close(pulse)

    def stop(self) -> None:
        """Have running tasks told to end, then the cluster, which waits for them."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        super().stop()

    def kill(self) -> None:
        super().kill()
        self._listen()
        self._close()
        try:
            # What it had taken is for others, now and not only when the locks run out.
            OrmQ.objects.filter(pk__in=list(self._claimed)).update(lock=timezone.now())
        except DatabaseError as exc:
            log.error("the tasks of the dead cluster come back later: %s", exc)
            connection.close()
        self._claimed, self._busy, self._due, self._ready = {}, {}, {}, False

    def stuck(self) -> str:
        self._listen()
        now = time.monotonic()
        if now < self._look_at:
            return ""
        self._look_at = now + LOOK_EVERY
        if not self._ready:
            return f"it did not come up in {START:.0f} s" if self.age > START else ""
        self._busy = {row: pid for row, pid in self._busy.items() if psutil.pid_exists(pid)}
        if len(self._busy) >= self._workers:
            self._claimed = {row: since and now for row, since in self._claimed.items()}
            self._due = {}
            return ""
        late = [row for row, since in self._claimed.items() if since and now > since + PATIENCE]
        if late:
            return f"{len(late)} of the tasks it took are not begun though workers are idle"
        return self._ignored(now)

    def _ignored(self, now: float) -> str:
        """Whether tasks are due that it does not take."""
        try:
            rows = OrmQ.objects.filter(key=self._queue, lock__lt=timezone.now())
            due = set(rows.values_list("pk", flat=True)[:1000])
        except DatabaseError as exc:
            log.warning("cannot look at the task queue: %s", exc)
            connection.close()
            return ""
        self._due = {row: self._due.get(row, now) for row in due}
        late = [row for row, since in self._due.items() if now > since + PATIENCE]
        if late:
            return f"{len(late)} due tasks are not taken though workers are idle"
        return ""

    def _listen(self) -> None:
        """Take in what the cluster said since the last time."""
        while self._pulse >= 0:
            try:
                data = os.read(self._pulse, 64 * 1024)
            except BlockingIOError:
                break
            if not data:
                break
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                what, pid, row = line.split()
                if row != b"None":
                    self._heard(what.decode(), int(pid), int(row))

    def _heard(self, what: str, pid: int, row: int) -> None:
        if what == "ready":
            self._ready = True
        elif what == "claim":
            self._claimed[row] = time.monotonic()
        elif what == "begin":
            self._claimed[row] = 0.0
            self._busy[row] = pid
        elif what == "end":
            self._claimed.pop(row, None)
            self._busy.pop(row, None)

    def _close(self) -> None:
        for fd in (self._lifeline, self._pulse):
            if fd >= 0:
                os.close(fd)
        self._lifeline = self._pulse = -1
        self._rest = b""
