"""Sending messages: one attempt at a time, in their order; each is on record before it is made."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.db.models import F

from jobs import mail, posting
from jobs.domain import webhooks
from jobs.domain.webhooks import GONE
from jobs.hooks import payload, signing
from jobs.hooks.models import REMOVED, Hook, HookMessage
from jobs.mail import NotSent
from jobs.posting import Answer

SECONDS = 20.0
"""That a receiver may take for a message."""
ABANDONED = 90.0
"""Seconds after which an attempt that has not ended is over: whoever made it is gone."""
MOST_TRIES = 30
"""Of one message that are kept."""
SENDING = ("on", "done")
NEVER = "nothing got through any more; the last attempt: {words}"

log = logging.getLogger(__name__)


def next_due(hook: Hook) -> HookMessage | None:
    """Return the message that is to be sent now; None if there is none, or one holds the others up."""
    now = time.time()
    waiting = HookMessage.objects.filter(hook=hook, due__isnull=False).select_related("hook__user")
    by_hand = waiting.filter(by_hand=True, due__lte=now).order_by("due").first()
    if by_hand is not None or hook.state not in SENDING:
        return by_hand
    head = waiting.filter(aside=False).order_by("id").first()
    if head is not None and (head.due or 0) <= now:
        return head
    return waiting.filter(aside=True, due__lte=now).order_by("due").first()


def drain(number: int, stopped: Callable[[], bool] = lambda: False) -> int:
    """Send what is due of a webhook, until nothing is; returns how many attempts were made."""
    made = 0
    while not stopped():
        hook = Hook.objects.filter(pk=number, user__is_active=True).exclude(state=REMOVED).first()
        message = next_due(hook) if hook is not None else None
        if message is None:
            break
        made += attempt(message)
    return made


def attempt(message: HookMessage) -> bool:
    """Send a message; returns whether it was there to be sent: somebody else may have taken it."""
    begun = time.time()
    free = HookMessage.objects.filter(
        pk=message.pk, state=message.state, attempts=message.attempts, due=message.due
    )
    if not free.update(state="sending", attempts=F("attempts") + 1, due=begun + ABANDONED):
        return False
    message.attempts += 1
    try:
        body = payload.body(message)
        if body is None:
            HookMessage.objects.filter(pk=message.pk).update(state="withheld", due=None)
            return True
        message.body = body.decode()
        answer = _sent(message, body, int(begun))
    except signing.KeyChanged:
        words = "the lab has got another key (LABBOOK_SECRET_KEY): make a new secret for this webhook"
        _failed(message, begun, words, hopeless=True)
    except NotSent as error:
        _failed(message, begun, str(error), hopeless=error.hopeless)
    except Exception as error:  # a bug of ours must not leave it under way
        log.exception("webhook %d, message %s: a bug in Labbook", message.hook_id, message.key)
        _failed(message, begun, f"Labbook itself failed: {type(error).__name__}", hopeless=False)
    else:
        if answer.ok:
            _delivered(message, begun, answer)
        else:
            _failed(message, begun, answer.words, answer=answer, hopeless=answer.status == GONE)
    return True


def _sent(message: HookMessage, body: bytes, timestamp: int) -> Answer:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Labbook-Webhooks",
        "webhook-id": message.key,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signing.sign(message.hook, message.key, timestamp, body),
    }
    return posting.post(message.hook.url, body, headers, seconds=SECONDS)


def _delivered(message: HookMessage, begun: float, answer: Answer) -> None:
    _note(message, begun, answer.words, answer, text=answer.text)
    message.state, message.due = "delivered", None
    with transaction.atomic():
        _save(message)
        Hook.objects.filter(pk=message.hook_id).update(failing_since=None, last_ok=time.time())


def _failed(
    message: HookMessage, begun: float, words: str, *, answer: Answer | None = None, hopeless: bool
) -> None:
    """Note a failure, and whether it is tried again. `hopeless`: no message of the webhook gets through."""
    now = time.time()
    _note(message, begun, words, answer, text=answer.text if answer else "")
    again = None
    if hopeless and not message.by_hand:
        again = now  # as soon as the webhook is switched on again
    elif not message.by_hand:
        again = webhooks.again_at(
            message.attempts,
            now=now,
            delays=settings.LABBOOK["WEBHOOK_DELAYS"],
            chance=random.random(),
            asked=answer.retry_after if answer else 0.0,
        )
    message.state, message.due = ("waiting", again) if again is not None else ("failed", None)
    if not webhooks.holds_up(message.attempts, answer.status if answer else None):
        message.aside = True
    with transaction.atomic():
        _save(message)
        hook = Hook.objects.select_for_update().get(pk=message.hook_id)
        if hook.failing_since is None and not message.by_hand:
            hook.failing_since = begun
            hook.save(update_fields=["failing_since"])
        given_up = again is None and _nothing_got_through(hook, message)
        if hook.state in SENDING and (hopeless or given_up):
            _break(hook, words if hopeless else NEVER.format(words=words), now)


def _nothing_got_through(hook: Hook, message: HookMessage) -> bool:
    """Whether all has failed since the first attempt at a message: then it is not the message's fault.

    Attempts from before the webhook was last switched on do not count.
    """
    first = message.tries[-message.attempts :][0]["at"]
    return not message.by_hand and hook.failing_since is not None and hook.failing_since <= first


def _break(hook: Hook, reason: str, now: float) -> None:
    address = getattr(hook.user, "email", "")
    hook.state, hook.reason = "broken", reason[:1000]
    hook.mail_due = now if address and mail.configured() else None
    hook.save(update_fields=["state", "reason", "mail_due"])


def _note(message: HookMessage, begun: float, words: str, answer: Answer | None, *, text: str) -> None:
    message.tries = [
        *message.tries,
        {
            "at": begun,
            "seconds": round(time.time() - begun, 3),
            "status": answer.status if answer else None,
            "words": words[:500],
            "text": text[:500],
        },
    ][-MOST_TRIES:]


def _save(message: HookMessage) -> None:
    """Write what came of an attempt, unless it was taken for abandoned and somebody else makes it."""
    mine = HookMessage.objects.filter(pk=message.pk, state="sending", attempts=message.attempts)
    mine.update(
        state=message.state, due=message.due, aside=message.aside, tries=message.tries, body=message.body
    )
