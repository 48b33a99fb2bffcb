"""What is kept of a token. The token itself is shown once, when it is made, and stored nowhere."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

PREFIX = "labbook_"
"""So that a token can be recognised where it should not be: in a log, in a repository."""
NOTE_USE_EVERY = timedelta(minutes=1)
SCOPES = {
    "read": "Read what you may see",
    "submit": "Submit, resubmit and cancel jobs",
    "admin": "Change the inventory: boards, types, images",
    "account": "Manage what is yours: webhooks, saved views, tokens (none that may more)",
}
"""What a token may be for. Each lets a program do what its user may, and no more."""
MOST_DAYS = 3650


def all_scopes() -> list[str]:
    return list(SCOPES)


class ApiToken(models.Model):
    """A program's key to act as a user."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    """What it is for, in its owner's words."""
    digest = models.CharField(max_length=64, unique=True, editable=False)
    """Hex SHA-256. The token is 256 random bits, so a slow, salted hash would add nothing."""
    scopes = models.JSONField(default=all_scopes)
    expires_at = models.DateTimeField(null=True, blank=True)
    """From then on it opens nothing; null: it is good until it is revoked."""
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    """Within a minute."""

    class Meta:
        verbose_name = "API token"
        ordering = ["user", "name", "id"]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


def make_token(
    user: User, name: str, *, scopes: Collection[str] = tuple(SCOPES), days: int | None = None
) -> str:
    """Make a token for the user and return it: this is the only time it can be seen.

    `scopes`: some of `SCOPES`. `days`: how long it is good for; None: until it is revoked.
    """
    return new_token(user, name, scopes=scopes, days=days)[1]


def new_token(
    user: User,
    name: str,
    *,
    scopes: Collection[str],
    days: int | None,
    latest: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token; returns what is kept of it, and the token. `latest`: it ends then at the latest."""
    token = PREFIX + secrets.token_urlsafe(32)
    ends = [timezone.now() + timedelta(days=days)] if days is not None else []
    ends += [latest] if latest is not None else []
    kept = ApiToken.objects.create(
        user=user,
        name=name,
        digest=digest_of(token),
        scopes=[scope for scope in SCOPES if scope in scopes],
        expires_at=min(ends, default=None),
    )
    return kept, token


def valid_token(token: str) -> ApiToken | None:
    """Return what is known of a token, and note the use; None if it, or its user, is not good any more."""
    found = ApiToken.objects.select_related("user").filter(digest=digest_of(token)).first()
    if found is None or found.expired or not found.user.is_active:
        return None
    now = timezone.now()
    if found.last_used_at is None or found.last_used_at < now - NOTE_USE_EVERY:
        # A filter of its own, not save(): a token that is revoked at this moment stays revoked.
        ApiToken.objects.filter(pk=found.pk).update(last_used_at=now)
    return found


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
