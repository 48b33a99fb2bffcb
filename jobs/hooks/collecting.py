"""Reading the log for webhooks: what one wants becomes messages, and its position moves, in one step."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction

from jobs import feed
from jobs.domain import webhooks
from jobs.hooks import payload, queries
from jobs.hooks.models import Hook, HookMessage
from lab.eventstore.store import store
from lab.kernel.events import Recorded

STEP = 500
"""Events that are looked at for one webhook at a time."""
HELD = 1000
"""Messages that may wait. Where the receiver is gone for longer, what comes after them stays in the log."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What looking at the log brought for one webhook."""

    hook: Hook
    position: int
    events: list[tuple[Recorded, int | None]]
    """Those that it wants, and the job that each is about."""
    done: bool
    """Its only job has ended."""


def collect() -> int:
    """Look at what has happened since, for all webhooks; returns how many are not at the end yet."""
    head = store.head()
    behind = list(
        Hook.objects.filter(state="on", position__lt=head, user__is_active=True).select_related("user")
    )
    if not behind:
        return 0
    held = queries.waiting(behind)
    pages: dict[int, tuple[list[Recorded], list[webhooks.Subject]]] = {}
    found = []
    for hook in behind:
        if held.get(hook.pk, 0) >= HELD:
            continue
        if hook.position not in pages:
            events = store.read_all(after=hook.position, limit=STEP)
            pages[hook.position] = (events, payload.subjects(events))
        try:
            found.append(_wanted(hook, *pages[hook.position]))
        except Exception:  # what is wrong with one must not stop the others
            log.exception("webhook %d cannot be told what happened", hook.pk)
    if found:
        with transaction.atomic():
            for one in found:
                _keep(one)
    return sum(one.position < head for one in found)


def _wanted(hook: Hook, events: list[Recorded], subjects: list[webhooks.Subject]) -> Found:
    user = hook.user
    assert isinstance(user, User)
    wanted, ended = list[tuple[Recorded, int | None]](), False
    for one, subject in zip(events, subjects, strict=True):
        if webhooks.wanted(hook.wishes, user.get_username(), subject):
            wanted.append((one, subject.job))
        if hook.job is not None and subject.job == hook.job and one.event.type == "job.finished":
            ended = True
    telling = feed.Reader(user, [one for one, _ in wanted])
    chosen = [(one, job) for one, job in wanted if telling.row(one) is not None]
    return Found(hook=hook, position=events[-1].position, events=chosen, done=ended)


def _keep(found: Found) -> None:
    hook = found.hook
    # Whoever moves the position keeps the messages: of two lookers-up one finds it moved.
    at_rest = Hook.objects.filter(pk=hook.pk, position=hook.position, state="on")
    values = {"position": found.position} | (
        {"state": "done", "reason": f"job {hook.job} has ended"} if found.done else {}
    )
    if not at_rest.update(**values):
        return
    now = time.time()
    HookMessage.objects.bulk_create(
        HookMessage(
            hook=hook,
            key=f"msg_{hook.pk}_{one.position}",
            position=one.position,
            type=one.event.type,
            job=job,
            due=now,
        )
        for one, job in found.events
    )
