"""Secrets of webhooks: made from the key of the lab and a random salt, so no table holds them.

Who reads the database cannot sign. Who changes LABBOOK_SECRET_KEY has to make new secrets: webhooks say so.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.utils import timezone
from django.utils.crypto import salted_hmac

from jobs.domain import webhooks
from jobs.hooks.models import Hook

PURPOSE = "jobs.hooks.signing"
OVERLAP = timedelta(hours=24)
"""For which messages are signed with the old secret, too, after a new one was made."""


class KeyChanged(Exception):
    """The lab has another key than when the secret was made, so its receiver would take no message."""


def renew(hook: Hook) -> str:
    """Give a webhook a new secret, and return it: this is the only time it can be seen."""
    if hook.salt:
        hook.old_salt, hook.old_until = hook.salt, timezone.now() + OVERLAP
    hook.salt = secrets.token_hex(32)
    key = _key(hook.salt)
    hook.digest = hashlib.sha256(key).hexdigest()
    return webhooks.secret_of(key)


def sign(hook: Hook, message: str, timestamp: int, body: bytes) -> str:
    """Return the header ``webhook-signature``. Raises `KeyChanged`."""
    key = _key(hook.salt)
    if hashlib.sha256(key).hexdigest() != hook.digest:
        raise KeyChanged
    keys = [key]
    if hook.old_until is not None and timezone.now() < hook.old_until:
        keys.append(_key(hook.old_salt))
    return " ".join(webhooks.signature(one, message, timestamp, body) for one in keys)


def _key(salt: str) -> bytes:
    return salted_hmac(PURPOSE, salt, algorithm="sha256").digest()
