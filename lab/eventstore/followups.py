"""Background tasks queued in the transaction that makes them necessary."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from django.conf import settings
from django.db import transaction
from django_q.conf import Conf
from django_q.tasks import async_task

from lab.kernel.ports import FollowUp

Plain = str | int | float | bool | None


def queue(follow_ups: Sequence[FollowUp]) -> None:
    """Put tasks on their site's queue.

    With the ORM broker the queue's rows commit, or roll back, with the caller's transaction. A broker outside
    the database (Redis) is told after the commit; should the process die between the two, the task is missing
    though its reason is on record. `jobs.reconciler`, which looks every few seconds and at every start, then
    queues assigned jobs again that nobody works on. A task delivered twice finds its work taken and leaves.

    Arguments must be plain values: they are pickled, and may be read by a later version of the code.
    """
    for one in follow_ups:
        if not all(isinstance(argument, Plain) for argument in one.args):
            raise TypeError(f"{one.task}{one.args!r}: tasks take strings, numbers, booleans or None")
        if Conf.ORM:
            _enqueue(one)
        else:
            transaction.on_commit(partial(_enqueue, one))


def _enqueue(one: FollowUp) -> None:
    async_task(one.task, *one.args, cluster=one.site or settings.SITE_NAME)
