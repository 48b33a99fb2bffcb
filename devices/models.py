"""Read rows, drawn by `devices.projections` and by nobody else."""

from __future__ import annotations

from django.db import models

from devices.models_sitting import Sitting as Sitting
from devices.models_sitting import SittingChunk as SittingChunk
from devices.models_sitting import SittingInput as SittingInput

FOREVER = 1e12
"""The end of what has not ended, in seconds since the epoch: a number, so that indexes are read in one go."""
STATES = ("free", "reserved", "unhealthy", "unchecked", "offline", "quarantined", "retired")


class DeviceType(models.Model):
    """A kind of board, or a kind of virtual machine."""

    name = models.CharField(primary_key=True, max_length=64)
    kind = models.CharField(max_length=8, choices=[("board", "boards"), ("vm", "virtual machines")])
    base = models.CharField(max_length=64, blank=True, db_index=True)
    """The type whose configuration this one's is laid over; empty: none."""
    description = models.TextField(blank=True)
    config = models.JSONField(blank=True, default=dict)
    access = models.JSONField(blank=True, default=dict)
    """Who may do what with it and its boards: see `devices.domain.access`."""
    retired_reason = models.TextField(blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    registered_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    version = models.IntegerField()
    """Of the stream: what a change is based on."""

    class Meta:
        ordering = ["kind", "name"]
        verbose_name = "device type"

    def __str__(self) -> str:
        return self.name


class Board(models.Model):
    """A machine that can host a job, and who holds it."""

    name = models.CharField(primary_key=True, max_length=64)
    device_type = models.ForeignKey(
        DeviceType, on_delete=models.DO_NOTHING, related_name="boards", db_constraint=False
    )
    site = models.CharField(max_length=64)
    tags = models.JSONField(blank=True, default=list)
    description = models.TextField(blank=True)
    config = models.JSONField(blank=True, default=dict)
    access = models.JSONField(blank=True, default=dict)
    """Who may do what with it, where that is not as its type says."""
    state = models.CharField(
        max_length=16,
        db_index=True,
        choices=[(word, word) for word in STATES],
    )
    held_by = models.BigIntegerField(null=True, blank=True, db_index=True)
    """The job that has it."""
    held_since = models.DateTimeField(null=True, blank=True)
    offline_reason = models.TextField(blank=True)
    """Empty while online; a board may be offline and still held by the job it was running."""
    quarantined = models.BooleanField(default=False)
    offline_since = models.DateTimeField(null=True, blank=True)
    health = models.CharField(
        max_length=8, default="unknown", choices=[(word, word) for word in ("unknown", "good", "bad")]
    )
    health_reason = models.TextField(blank=True)
    health_since = models.DateTimeField(null=True, blank=True)
    health_job = models.BigIntegerField(null=True, blank=True)
    """The job that found its health out, if one did."""
    check_reason = models.TextField(blank=True)
    """Why its health is to be checked; empty: it need not be."""
    check_first = models.BooleanField(default=False)
    """No other job gets it before it has passed that check."""
    check_job = models.BigIntegerField(null=True, blank=True)
    """The job that checks it, queued or running."""
    check_attempts = models.IntegerField(default=0)
    checked_at = models.DateTimeField(null=True, blank=True)
    """When a health check last ended."""
    errand = models.BigIntegerField(null=True, blank=True, db_index=True)
    """What a worker does to it at somebody's request; see `devices.domain.errand`."""
    errand_what = models.CharField(max_length=16, blank=True)
    errand_worker = models.TextField(blank=True)
    errand_by = models.CharField(max_length=150, blank=True)
    """Who types on its console, if that is the errand."""
    errand_until = models.DateTimeField(null=True, blank=True)
    """When it is given up, where nothing more is heard of it."""
    retired_reason = models.TextField(blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    refusal = models.TextField(blank=True)
    """Why no job can have it now, in words; empty: it can be reserved."""
    registered_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    """When name, type, site, tags, description or config last changed."""
    version = models.IntegerField()
    """Of the stream: what a change is based on."""

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Span(models.Model):
    """A stretch of time in which a board was not free: a job or an errand had it, or it was out of use."""

    board = models.CharField(max_length=64)
    kind = models.CharField(max_length=12)
    """``job``; ``errand``; or why it was out of use: ``offline``, ``quarantined``, ``unhealthy``."""
    job = models.BigIntegerField(null=True)
    """That had the board, or that found it unhealthy."""
    since = models.FloatField()
    """In seconds since the epoch, as `until`: databases add up numbers, and each has its own idea of time."""
    until = models.FloatField(default=FOREVER)
    """`FOREVER`: it lasts."""
    had_before = models.FloatField(default=0.0)
    """Of a job's: for how many seconds jobs had had the board before, ever. So the use of a board within any
    window is told by its first and its last row there."""
    reason = models.TextField(blank=True)
    """Why it was out of use, what the errand was, or why it was given back where that is worth words."""
    begun_by = models.CharField(max_length=150, blank=True)
    """Who took it: the actor of the event, or of the last that gave another reason."""
    ended_by = models.CharField(max_length=150, blank=True)

    class Meta:
        indexes = [
            # The last two are only read: strips of many boards then need no rows.
            models.Index(fields=["board", "kind", "until", "since", "job"], name="span_board"),
            models.Index(fields=["until"], name="span_until"),
            # Few among those of jobs: what went out of use lately, and what came back.
            models.Index(fields=["since"], name="span_out_since", condition=~models.Q(kind="job")),
            models.Index(fields=["until"], name="span_out_until", condition=~models.Q(kind="job")),
        ]

    def __str__(self) -> str:
        return f"{self.board}: {self.kind}"
