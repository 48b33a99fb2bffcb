"""Background tasks queued in the transaction that makes them necessary."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django_q.tasks import async_task

from lab.kernel.ports import FollowUp


def queue(follow_ups: Sequence[FollowUp]) -> None:
    """Put tasks on their site's queue. With the ORM broker the rows commit with the caller's transaction."""
    for one in follow_ups:
        async_task(one.task, *one.args, cluster=one.site or settings.SITE_NAME)
