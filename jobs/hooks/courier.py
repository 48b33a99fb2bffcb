"""The courier: beside the reconciler of every machine, it sees to webhooks. Any number of them may run.

One thread looks at the log and says which webhooks have something to send; a few more send, one webhook
each, so that a slow receiver holds up nobody else. Whatever dies, the tables say what is left to do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import Min, Q

from jobs import mail
from jobs.hooks import collecting, keeping, sending
from jobs.hooks.models import REMOVED, Hook, HookMessage
from jobs.mail import NotSent

EVERY = 0.5
"""Seconds between looks."""
PLACES = 6
"""Webhooks that messages are sent for at the same time."""
TIDY_EVERY = 600.0
MAIL_AGAIN = 900.0

log = logging.getLogger(__name__)


def due() -> list[int]:
    """Return the webhooks that may have something to send now, whoever waits longest first."""
    waiting = HookMessage.objects.filter(due__isnull=False)
    heads = waiting.filter(aside=False).values("hook").annotate(head=Min("id")).values("head")
    turn = Q(by_hand=True) | Q(hook__state__in=sending.SENDING) & (Q(aside=True) | Q(pk__in=heads))
    ready = waiting.filter(turn, due__lte=time.time(), hook__user__is_active=True).exclude(
        hook__state=REMOVED
    )
    return list(dict.fromkeys(ready.order_by("due").values_list("hook", flat=True)[:1000]))


def tell_owners() -> int:
    """Mail those whose webhooks are broken; returns how many were told."""
    told = 0
    for hook in Hook.objects.filter(mail_due__lte=time.time(), state="broken").select_related("user"):
        address = getattr(hook.user, "email", "")
        again = None
        try:
            mail.send_text(*_notice(hook), address, key=f"webhook-{hook.pk}-{hook.mail_due:.0f}")
            told += 1
        except NotSent as error:
            log.warning("webhook %d: %s could not be told that it is broken: %s", hook.pk, address, error)
            again = None if error.hopeless else time.time() + MAIL_AGAIN
        Hook.objects.filter(pk=hook.pk, mail_due=hook.mail_due).update(mail_due=again)
    return told


def _notice(hook: Hook) -> tuple[str, str]:
    page = f"{settings.LABBOOK_URL}/profile/webhooks/{hook.pk}/"
    subject = f"[Labbook] Your webhook {hook.name!r} is switched off: nothing gets through"
    body = (
        f"The lab has given up sending messages to\n\n  {hook.url}\n\nbecause {hook.reason}.\n\n"
        "Nothing is lost: once you switch the webhook on again, it is told what it has missed. "
        f"Until then it is told nothing. Its page says what was tried:\n\n  {page}\n"
    )
    return subject, body


class Courier:
    """Looks again and again; knows which webhooks its own threads are at."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._busy: set[int] = set()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(PLACES, thread_name_prefix="webhooks")
        self._tidied = 0.0

    def run(self) -> None:
        try:
            while not self._stop.is_set():
                more = False
                try:
                    more = self.look()
                except DatabaseError as error:
                    log.warning("webhooks have to wait: %s", error)
                    connection.close()
                except Exception:  # what it cannot do now, it must not stop doing for ever
                    log.exception("seeing to webhooks failed")
                self._stop.wait(0 if more else EVERY)
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)
            connection.close()

    def stop(self) -> None:
        self._stop.set()

    def look(self) -> bool:
        """Look once; returns whether there is more to be looked at."""
        more = collecting.collect() > 0
        for hook in due():
            with self._lock:
                if hook in self._busy:
                    continue
                self._busy.add(hook)
            self._pool.submit(self._send, hook)
        tell_owners()
        if time.monotonic() > self._tidied + TIDY_EVERY:
            self._tidied = time.monotonic()
            keeping.tidy()
        return more

    def _send(self, hook: int) -> None:
        try:
            sending.drain(hook, self._stop.is_set)
        except DatabaseError as error:
            log.warning("webhook %d has to wait: %s", hook, error)
        except Exception:  # a bug of ours is no reason to be silent to the others
            log.exception("sending for webhook %d failed", hook)
        finally:
            connection.close()
            with self._lock:
                self._busy.discard(hook)


def start() -> Callable[[], None]:
    """See to webhooks in threads; returns what ends it."""
    courier = Courier()
    thread = threading.Thread(target=courier.run, name="courier", daemon=True)
    thread.start()

    def end() -> None:
        courier.stop()
        thread.join(5)  # what is under way then is not on record as sent, and is sent again

    return end
