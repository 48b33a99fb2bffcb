"""What is kept of messages, and for how long. Piece by piece: all else that writes waits for each.

So nothing here is called in a transaction; who is in one removes, and has the rest done when that has ended.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from jobs.hooks.models import REMOVED, Hook, HookMessage

KEPT_DAYS = 30
"""For which messages that are settled stay in the list of a webhook."""
KEPT_MOST = 2000
"""Of them, for one webhook: the newest of those that were given up, and as many of all others."""
AT_ONCE = 500


def tidy() -> int:
    """Forget what was settled long ago, or is not among the newest; returns how much that was."""
    before = timezone.now() - timedelta(days=KEPT_DAYS)
    forgotten = _forget(HookMessage.objects.filter(created_at__lt=before))
    for hook in Hook.objects.values_list("pk", flat=True):
        settled = HookMessage.objects.filter(hook=hook, due__isnull=True)
        # What never arrived must not be pushed out by what did: it is what somebody will ask for.
        for kind in (settled.filter(state="failed"), settled.exclude(state="failed")):
            last = kind.order_by("-id").values_list("pk", flat=True)[KEPT_MOST : KEPT_MOST + 1].first()
            if last is not None:
                forgotten += _forget(kind.filter(pk__lte=last))
    ended = Hook.objects.filter(state="done", created_at__lt=before).exclude(messages__due__isnull=False)
    for one in (*ended, *Hook.objects.filter(Q(state=REMOVED) | Q(user=None))):
        forgotten += forget(one)
    return forgotten


def remove(hook: Hook) -> None:
    """Take a webhook away from its owner; what there is of it is forgotten when the transaction has ended.

    Where that fails, `tidy` goes on with it.
    """
    _hide(hook)
    transaction.on_commit(partial(forget, hook), robust=True)


def _hide(hook: Hook) -> None:
    Hook.objects.filter(pk=hook.pk).update(state=REMOVED, reason="it is being removed", mail_due=None)


def forget(hook: Hook) -> int:
    """Forget a webhook, what it was sent, and what it was to be sent; returns how much that was.

    Where this is broken off, `tidy` goes on with it.
    """
    _hide(hook)
    forgotten = _forget(hook.messages.all(), settled=False)
    return forgotten + hook.delete()[0]


def _forget(messages: QuerySet[HookMessage], *, settled: bool = True) -> int:
    """Delete messages; of the `settled` ones those that are not sent once more at this moment."""
    if settled:
        messages = messages.filter(due__isnull=True)
    forgotten = 0
    while some := list(messages.values_list("pk", flat=True)[:AT_ONCE]):
        forgotten += messages.filter(pk__in=some).delete()[0]
    return forgotten
