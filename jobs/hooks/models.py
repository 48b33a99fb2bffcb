"""Webhooks and their messages. No part of the log."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs.domain.webhooks import Wishes

REMOVED = "removed"
"""The state of a webhook that is no longer there for its owner, and goes with its messages piece by piece."""


class Hook(models.Model):
    """Somebody's server, and what it is to be told."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    """Null: that account was deleted. Its webhooks are told nothing any more, and go piece by piece."""
    name = models.CharField(max_length=100)
    """What it is for, in its owner's words."""
    url = models.CharField("URL", max_length=2000)
    types = models.JSONField(default=list)
    mine = models.BooleanField(default=True)
    job = models.BigIntegerField(null=True, blank=True)
    job_name = models.CharField(max_length=200, blank=True)
    board = models.CharField(max_length=100, blank=True)
    host_type = models.CharField(max_length=100, blank=True)
    salt = models.CharField(max_length=64, editable=False)
    """Makes the secret, together with the key of the lab: see `jobs.hooks.signing`."""
    digest = models.CharField(max_length=64, editable=False)
    """Hex SHA-256 of the secret: tells whether the key of the lab is still the one it was made with."""
    old_salt = models.CharField(max_length=64, blank=True, editable=False)
    old_until = models.DateTimeField(null=True, blank=True, editable=False)
    """Until then messages are signed with the secret before this one, too."""
    state = models.CharField(max_length=10, default="on")
    reason = models.TextField(blank=True)
    """Why it is not on."""
    position = models.BigIntegerField()
    """Of the last event that was looked at."""
    failing_since = models.FloatField(null=True, blank=True)
    """When the first attempt failed after which none succeeded; seconds since the epoch."""
    last_ok = models.FloatField(null=True, blank=True)
    mail_due = models.FloatField(null=True, blank=True)
    """When its owner is to be told by mail that it is broken; null: not, or done."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "webhook"
        ordering = ["user", "name", "id"]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    @property
    def wishes(self) -> Wishes:
        return Wishes(
            types=tuple(self.types),
            mine=self.mine,
            job=self.job,
            job_name=self.job_name,
            board=self.board,
            host_type=self.host_type,
        )


class HookMessage(models.Model):
    """An event that a webhook is told of, or a test; and what came of it."""

    hook = models.ForeignKey(Hook, models.CASCADE, related_name="messages")
    key = models.CharField(max_length=60, unique=True)
    """Its ``webhook-id``: the same at each attempt."""
    position = models.BigIntegerField(null=True)
    """Of the event; null: it is a test."""
    type = models.CharField(max_length=100)
    job = models.BigIntegerField(null=True)
    state = models.CharField(max_length=10, default="waiting")
    aside = models.BooleanField(default=False)
    """Later messages do not wait for it."""
    by_hand = models.BooleanField(default=False)
    """Somebody asked for this attempt: it is made though the webhook is off, and is the only one."""
    attempts = models.IntegerField(default=0)
    due = models.FloatField(null=True)
    """When somebody should take it: for an attempt, or because one that was begun has not ended."""
    body = models.TextField(blank=True)
    """What was sent last."""
    tries: models.JSONField[list[dict[str, Any]]] = models.JSONField(default=list)
    """Each attempt: {at, seconds, status, words}."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "message"
        constraints = [models.UniqueConstraint(fields=["hook", "position"], name="hookmessage_event")]
        indexes = [
            models.Index(fields=["hook", "id"], name="hookmessage_hook"),
            models.Index(fields=["hook", "due"], name="hookmessage_due", condition=Q(due__isnull=False)),
            models.Index(fields=["created_at"], name="hookmessage_settled", condition=Q(due__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.key
