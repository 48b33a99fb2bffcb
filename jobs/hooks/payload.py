"""What a message says: the event as the feed tells it to the webhook's owner, and the job it is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from django.conf import settings
from django.utils import timezone

from jobs import feed, mail, queries, rows
from jobs.domain.webhooks import TEST, Subject
from jobs.hooks.models import Hook, HookMessage
from jobs.models import Job
from lab.eventstore.store import store
from lab.kernel.events import Recorded

JsonObject = dict[str, Any]
LARGEST = 256 * 1024
"""Bytes of a message. Of a larger event only what it is about is told; the feed has all of it."""


def subjects(events: Sequence[Recorded]) -> list[Subject]:
    """Return what events are about, as the lab knows it now."""
    numbers = {number for one in events if (number := _job(one)) is not None}
    jobs = {row.id: row for row in Job.objects.filter(pk__in=numbers)}
    return [_subject(one, jobs.get(_job(one) or 0)) for one in events]


def _job(one: Recorded) -> int | None:
    kind, _, name = one.stream.partition("/")
    return int(name) if kind == "job" else None


def _subject(one: Recorded, job: Job | None) -> Subject:
    kind, _, name = one.stream.partition("/")
    if job is None:
        return Subject(type=one.event.type, stream=one.stream, board=name if kind == "board" else "")
    return Subject(
        type=one.event.type,
        stream=one.stream,
        job=job.id,
        # Of a health check the submitter is the lab, not somebody of that name.
        submitter="" if job.health_check else job.submitter,
        job_name=job.name,
        board=job.board or job.pinned_board,
        host_type=job.host_type,
    )


def body(message: HookMessage) -> bytes | None:
    """Return what to send; None if the webhook's owner may not know of it (any more)."""
    hook = message.hook
    if hook.user is None:
        return None
    if message.position is None:
        said = {"hook": hook.pk, "lab": settings.LABBOOK_URL, "text": "A test: nothing has happened."}
        return msgspec.json.encode(
            {"type": TEST, "timestamp": timezone.now().isoformat(timespec="seconds"), "data": said}
        )
    recorded = store.read_all(after=message.position - 1, limit=1)
    event = feed.Reader(hook.user, recorded).row(recorded[0]) if recorded else None
    if event is None:
        return None
    told = _encoded(hook, hook.user, event)
    if len(told) > LARGEST:
        told = _encoded(hook, hook.user, event | {"data": None, "cut": True})
    return told


def _encoded(hook: Hook, owner: queries.User, event: JsonObject) -> bytes:
    kind, _, name = str(event["stream"]).partition("/")
    data: JsonObject = {"hook": hook.pk, "lab": settings.LABBOOK_URL, "event": event}
    if kind == "job":
        row = queries.seen_job(owner, int(name))
        data["job"] = rows.summary(row) | {"url": mail.url(row.id)}
    return msgspec.json.encode({"type": event["type"], "timestamp": event["at"], "data": data})


def shown(message: HookMessage) -> str:
    """Return what was sent, as its reader may see it today; empty if nothing was, or it is not for him."""
    if not message.body:
        return ""
    now = body(message)
    if now is None:
        return ""
    then = msgspec.json.decode(message.body)
    today = msgspec.json.decode(now)
    if message.position is not None and then["data"]["event"] != today["data"]["event"]:
        then = today  # it tells more than may be told today
    return msgspec.json.format(msgspec.json.encode(then), indent=2).decode()
