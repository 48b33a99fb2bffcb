"""Everything that can be done to a webhook; the pages and the API call these. Each is its owner's alone."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import httpx
from django.contrib.auth.models import User
from django.db import transaction

from jobs import posting, queries
from jobs.domain.job import stream
from jobs.domain.webhooks import TEST, USUAL, unknown_types
from jobs.hooks import keeping, signing
from jobs.hooks.models import REMOVED, Hook, HookMessage
from lab.eventstore.models import EventRow
from lab.eventstore.store import store
from lab.kernel.errors import NotFound, Rejected
from lab.kernel.events import codec

MOST = 20
"""Webhooks that one user may have; those of a job that has ended do not count."""
MOST_TYPES = 50
_HOST = re.compile(rb"[A-Za-z0-9._:-]+")
SETTINGS = ("name", "url", "types", "mine", "job", "job_name", "board", "host_type")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one setting of a webhook."""

    field: str
    message: str


class BadHook(Rejected):
    """A webhook that cannot be."""

    def __init__(self, problems: Collection[Problem]) -> None:
        super().__init__(" ".join(one.message for one in problems))
        self.problems = tuple(problems)


def make_hook(user: User, *, after: int | None = None, **settings: Any) -> tuple[Hook, str]:
    """Make a webhook of these `SETTINGS`; returns it and its secret, which can be seen this once.

    It is told what comes after position `after` of the log; None: what comes from now on, or, of a webhook
    for one job, all that has happened to the job. Raises `BadHook`, `NotFound` for a job one may not see,
    `Rejected` if the user has too many.
    """
    usual = {"name": "", "url": "", "types": list(USUAL), "mine": settings.get("job") is None}
    given = usual | settings
    hook = Hook(user=user, **_checked(user, given))
    if Hook.objects.filter(user=user).exclude(state__in=("done", REMOVED)).count() >= MOST:
        raise Rejected(f"You have {MOST} webhooks: remove one first.")
    hook.position = min(after, store.head()) if after is not None else _beginning(hook.job)
    secret = signing.renew(hook)
    hook.save()
    return hook, secret


def change_hook(user: User, number: int, **settings: Any) -> Hook:
    """Change what is given of the `SETTINGS`. What has become a message already is sent all the same."""
    hook = hook_of(user, number)
    for name, value in _checked(user, settings).items():
        setattr(hook, name, value)
    hook.save(update_fields=list(settings))
    return hook


def switch_on(user: User, number: int, *, skip: bool = False) -> Hook:
    """Let it be told again: from where it stopped, or, with `skip`, what comes from now on."""
    hook = hook_of(user, number)
    with transaction.atomic():
        there = Hook.objects.filter(pk=hook.pk).exclude(state=REMOVED)
        waiting = hook.messages.filter(due__isnull=False, by_hand=False)
        if skip:
            waiting.update(state="skipped", due=None)
            there.update(position=store.head())
        else:
            # Those that failed before get all their attempts again.
            waiting.exclude(state="sending").update(due=time.time(), attempts=0, aside=False)
        there.update(state="on", reason="", failing_since=None, mail_due=None)
    hook.refresh_from_db()
    return hook


def switch_off(user: User, number: int, reason: str = "") -> Hook:
    """Tell it nothing until it is switched on again."""
    hook = hook_of(user, number)
    reason = reason.strip()[:500] or f"switched off by {user.get_username()}"
    there = Hook.objects.filter(pk=hook.pk).exclude(state=REMOVED)
    there.update(state="off", reason=reason, mail_due=None)
    hook.refresh_from_db()
    return hook


def new_secret(user: User, number: int) -> tuple[Hook, str]:
    """Make another secret, shown this once; for a day messages are signed with the old one, too."""
    hook = hook_of(user, number)
    secret = signing.renew(hook)
    hook.save(update_fields=["salt", "digest", "old_salt", "old_until"])
    return hook, secret


def remove_hook(user: User, number: int) -> None:
    """Forget a webhook, what it was sent, and what it was to be sent."""
    keeping.forget(hook_of(user, number))


def send_test(user: User, number: int) -> HookMessage:
    """Send a message that says that it is a test; one attempt, also where the webhook is off."""
    hook = hook_of(user, number)
    with transaction.atomic():
        message = HookMessage.objects.create(
            hook=hook, key=f"new_{time.time_ns()}", type=TEST, aside=True, by_hand=True, due=time.time()
        )
        message.key = f"msg_{hook.pk}_test{message.pk}"
        message.save(update_fields=["key"])
    return message


def send_again(user: User, number: int, key: str) -> HookMessage:
    """Send a message once more, under its own id; one attempt. Raises `Rejected` while it is on its way."""
    message = message_of(user, number, key)
    again = HookMessage.objects.filter(pk=message.pk, due__isnull=True)
    if not again.update(state="waiting", due=time.time(), aside=True, by_hand=True):
        # It waits for its next attempt: that one is made now, and those after it as they were to be.
        waits = HookMessage.objects.filter(pk=message.pk, state="waiting")
        if message.hook.state not in ("on", "done") or not waits.update(due=time.time()):
            raise Rejected(f"The message {key} is on its way, or waits for its webhook to be switched on.")
    message.refresh_from_db()
    return message


def hook_of(user: User, number: int) -> Hook:
    """Return a webhook of the user. Raises `NotFound`."""
    there = Hook.objects.filter(pk=number, user=user.pk).exclude(state=REMOVED)
    found = there.select_related("user").first()
    if found is None:
        raise NotFound(f"You have no webhook {number}.")
    return found


def message_of(user: User, number: int, key: str) -> HookMessage:
    hook = hook_of(user, number)
    found = hook.messages.filter(key=key).first()
    if found is None:
        raise NotFound(f"Your webhook {number} has no message {key!r}.")
    found.hook = hook
    return found


# -- inside --------------------------------------------------------------------------------------


def _beginning(job: int | None) -> int:
    if job is None:
        return store.head()
    first = EventRow.objects.filter(stream=stream(job), version=1).values_list("position", flat=True).get()
    return first - 1


def _checked(user: User, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they are kept. Raises `BadHook`, `NotFound`."""
    checks: dict[str, Callable[[Any], Any]] = {
        "name": lambda value: _line(value, 100),
        "url": _url,
        "types": _types,
        "mine": bool,
        "job": lambda value: value if value is None else queries.seen_job(user, value).pk,
        "job_name": lambda value: _line(value, 200),
        "board": lambda value: _line(value, 100),
        "host_type": lambda value: _line(value, 100),
    }
    found, problems = {}, []
    for name, value in settings.items():
        try:
            found[name] = checks[name](value)
        except ValueError as error:
            problems.append(Problem(field=name, message=str(error)))
    for name in ("name", "url"):
        if found.get(name) == "":
            problems.append(Problem(field=name, message=f"A webhook needs its {name}."))
    if problems:
        raise BadHook(problems)
    return found


def _line(value: str, longest: int) -> str:
    value = " ".join(value.split())
    if len(value) > longest or not value.isprintable():
        raise ValueError(f"It may have up to {longest} printable characters.")
    return value


def _url(value: str) -> str:
    value = value.strip()
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL as error:
        raise ValueError(f"{value[:80]!r} is no URL: {error}.") from error
    if url.scheme not in ("http", "https") or not _HOST.fullmatch(url.raw_host) or len(value) > 2000:
        raise ValueError("It must be an http:// or https:// URL of up to 2000 characters.")
    if url.port is not None and not 1 <= url.port <= 65535:
        raise ValueError(f"Its port is {url.port}; ports go from 1 to 65535.")
    if url.userinfo:
        raise ValueError("It holds a name or a password: leave them out, messages are signed instead.")
    try:
        why = posting.refusal(url.host if url.host != "localhost" else "127.0.0.1")
    except ValueError:
        return value  # a name: looked up, and judged, whenever something is sent
    if why:
        raise ValueError(f"{url.host} is {why}: nothing is sent there.")
    return value


def _types(value: list[str]) -> list[str]:
    chosen = list(dict.fromkeys(one.strip() for one in value if one.strip()))
    if not chosen or len(chosen) > MOST_TYPES:
        raise ValueError(f"Choose from 1 to {MOST_TYPES} types of events; * stands for all of them.")
    if unknown := unknown_types(chosen, codec.types()):
        raise ValueError(f"There are no events of type {', '.join(unknown[:3])}.")
    return chosen
