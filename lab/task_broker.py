"""The task queue in the database, oldest first, with a word to the supervisor about every claim."""

from __future__ import annotations

from datetime import timedelta
from time import sleep

from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.conf import Conf

from lab import cluster_ties

CLAIM = timedelta(seconds=15)
"""How long a task is ours that no worker of ours has begun. Then others may have it: ours may all be busy for
hours. A worker that begins one makes it its own for as long as it needs."""


class Broker(ORM):  # type: ignore[misc]  # django-q2 has no types
    """django-q2's ORM broker, except for the order of tasks and the pulse."""

    _asked = False

    def dequeue(self) -> list[tuple[int, str]] | None:
        if not self._asked:  # the one that asks is started last: all of the cluster is there
            self._asked = True
            cluster_ties.pulse("ready", 0)
        now = timezone.now()
        rows = self.get_connection()
        due = rows.filter(key=self.list_key, lock__lt=now).order_by("lock", "id").first()
        if due is None:
            sleep(Conf.POLL)
            return None
        # Compare and set: of several clusters one gets it.
        claimed = rows.filter(pk=due.pk, lock=due.lock).update(lock=now + CLAIM)
        if not claimed:
            return None
        cluster_ties.pulse("claim", due.pk)
        return [(due.pk, due.payload)]
