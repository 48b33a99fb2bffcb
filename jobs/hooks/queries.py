"""What a user is shown of his webhooks: never a secret."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, Q

from jobs.hooks import payload
from jobs.hooks.models import REMOVED, Hook, HookMessage
from jobs.hooks.sending import SENDING

JsonObject = dict[str, Any]
PAGE = 50
STATES = ("waiting", "sending", "delivered", "failed", "withheld", "skipped")
"""Of messages."""


def hooks(user: User) -> list[JsonObject]:
    """Return the webhooks of a user, by name."""
    rows = list(Hook.objects.filter(user=user).exclude(state=REMOVED).order_by("name", "id"))
    held = waiting(rows)
    return [_hook(row, held.get(row.pk, 0)) for row in rows]


def hook(row: Hook) -> JsonObject:
    return _hook(row, waiting([row]).get(row.pk, 0))


def waiting(rows: Iterable[Hook]) -> dict[int, int]:
    """Return how many messages wait, by webhook. The many that are settled are not looked at."""
    held = HookMessage.objects.filter(hook__in=rows, due__isnull=False)
    return dict(held.values_list("hook").annotate(count=Count("id")))


def messages(row: Hook, *, before: int | None = None, state: str = "", limit: int = PAGE) -> list[JsonObject]:
    """Return the messages of a webhook, the newest first; `before`: the `number` of another one."""
    found = row.messages.order_by("-id")
    if before is not None:
        found = found.filter(pk__lt=before)
    if state:
        found = found.filter(state=state)
    return [message(one) for one in found.defer("body")[:limit]]


def something_soon(row: Hook, *, seconds: float = 5.0) -> bool:
    """Whether a message is being sent, or is to be within so many seconds."""
    waiting = row.messages.filter(Q(state="sending") | Q(due__lte=time.time() + seconds))
    return (waiting if row.state in SENDING else waiting.filter(by_hand=True)).exists()


def message(row: HookMessage) -> JsonObject:
    tries = [{**one, "at": moment(one["at"])} for one in row.tries]
    return {
        "id": row.key,
        "number": row.pk,
        "type": row.type,
        "position": row.position,
        "job": row.job,
        "state": row.state,
        "put_aside": row.aside and row.due is not None and not row.by_hand,
        "attempts": max(row.attempts, len(tries)),
        "due": moment(row.due),
        "created_at": row.created_at.isoformat(),
        "tries": tries,
    }


def whole_message(row: HookMessage) -> JsonObject:
    """A message with what was sent, as far as its owner may see that today."""
    return {**message(row), "body": payload.shown(row)}


def moment(seconds: float | None) -> str | None:
    """Return seconds since the epoch as ISO 8601; null stays null."""
    return (
        None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    )


def _hook(row: Hook, waiting: int) -> JsonObject:
    return {
        "id": row.pk,
        "name": row.name,
        "url": row.url,
        "types": row.types,
        "mine": row.mine,
        "job": row.job,
        "job_name": row.job_name,
        "board": row.board,
        "host_type": row.host_type,
        "state": row.state,
        "reason": row.reason,
        "position": row.position,
        "waiting": waiting,
        "failing_since": moment(row.failing_since),
        "last_ok": moment(row.last_ok),
        "created_at": row.created_at.isoformat(),
    }
