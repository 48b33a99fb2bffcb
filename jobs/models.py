"""What is known of jobs, drawn from their events for reading. Only `jobs.projections` writes these tables,
except `Lease`, which is the workers', and `KeyboardInput`, which is in transit.

Rows of a job's parts carry `version` (of the event they began with: their name for ever) and `position`
(of the last event that touched them: who has seen that position has seen the row).
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs.models_console import ConsoleChunk
from jobs.models_hands import KeyboardInput
from jobs.models_search import JobSearch

__all__ = [
    "Attachment",
    "Check",
    "ConsoleChunk",
    "Delivery",
    "ImageUse",
    "Job",
    "JobGroup",
    "JobSearch",
    "KeyboardInput",
    "Lease",
    "Message",
    "Node",
    "Note",
    "Part",
    "Phase",
    "Result",
    "SavedView",
    "SubmissionKey",
    "Tally",
    "Wait",
]


class Job(models.Model):
    id = models.BigIntegerField(primary_key=True)
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=20)
    open = models.SmallIntegerField(default=1)
    """1: it has not ended. Beside `state`, for the indexes: a number, since SQLite looks up no booleans."""
    outcome = models.CharField(max_length=20, blank=True)
    failure = models.JSONField(null=True)
    submitter = models.CharField(max_length=150)
    visibility = models.TextField()
    public = models.SmallIntegerField()
    """1: everybody may see it. Beside `visibility`, for the indexes, a number for the same reason."""
    host_type = models.CharField(max_length=100)
    pinned_board = models.CharField(max_length=100, blank=True)
    health_check = models.BooleanField(default=False)
    """It checks the health of the board that it is pinned to."""
    tags = models.JSONField(default=list)
    priority = models.IntegerField()
    timeout = models.IntegerField()
    board = models.CharField(max_length=100, blank=True)
    site = models.CharField(max_length=100, blank=True)
    worker = models.CharField(max_length=200, blank=True)
    fence = models.IntegerField(default=0)
    submitted_at = models.DateTimeField()
    assigned_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancel = models.JSONField(null=True)
    consoles = models.JSONField(default=list)
    """Indexes of the nodes on whose consoles somebody could type."""
    keyboards = models.JSONField(default=list)
    """Who does: {node, user, ticket, since}."""
    hold = models.JSONField(null=True)
    """It is held before its clean-up, or is to be: see `jobs.domain.hands.Hold`."""
    resubmitted_from = models.BigIntegerField(null=True)
    passed = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    skipped = models.IntegerField(default=0)
    unknown = models.IntegerField(default=0)
    went_wrong = models.SmallIntegerField(default=0)
    """1: it has ended, incomplete or with failures. Written once, for an index: one on the counts would be
    written with every result."""
    position = models.BigIntegerField()

    class Meta:
        permissions = [("cancel_any_job", "Can cancel the jobs of others")]
        # Lists are read by number, newest first, within one of these. `public` leads, since most readers
        # see all public jobs and, apart, the few private ones of their own.
        indexes = [
            models.Index(fields=["public", "id"], name="job_public"),
            models.Index(fields=["public", "outcome", "id"], name="job_outcome"),
            models.Index(fields=["public", "board", "id"], name="job_board"),
            models.Index(fields=["public", "host_type", "id"], name="job_type"),
            models.Index(fields=["public", "submitter", "id"], name="job_submitter"),
            models.Index(fields=["public", "name", "id"], name="job_name"),
            models.Index(fields=["submitter", "id"], name="job_mine"),
            # Only ever a handful of jobs has not ended: what the scheduler and the reconciler look for.
            models.Index(fields=["open", "public", "id"], name="job_open"),
            # What a day of boards is coloured by. The last one, always 1, spares SQLite a look at the rows.
            models.Index(
                fields=["public", "board", "finished_at", "id", "went_wrong"],
                name="job_wrong",
                condition=Q(went_wrong=1),
            ),
            models.Index(
                fields=["resubmitted_from", "id"],
                name="job_again",
                condition=Q(resubmitted_from__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"job {self.id} {self.name}"


class Tally(models.Model):
    """What public jobs that ended within a minute had reported: a day is a sum over 1440 rows at most."""

    minute = models.BigIntegerField(primary_key=True)
    """Since the epoch."""
    passed = models.BigIntegerField()
    failed = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed in minute {self.minute}"


class JobGroup(models.Model):
    """A group that may see a job which is not public."""

    job = models.ForeignKey(Job, models.CASCADE, db_constraint=False, related_name="+")
    group = models.CharField(max_length=150)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "job"], name="jobgroup_group_job")]

    def __str__(self) -> str:
        return f"{self.group} sees job {self.job_id}"


class Part(models.Model):
    """Base of the rows that belong to a job."""

    job = models.ForeignKey(Job, models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    version = models.IntegerField()
    position = models.BigIntegerField()

    class Meta:
        abstract = True
        constraints = [models.UniqueConstraint(fields=["job", "version"], name="%(class)s_job_version")]
        indexes = [models.Index(fields=["job", "position"], name="%(class)s_touched")]

    def __str__(self) -> str:
        return f"job {self.job_id}, {type(self).__name__.lower()} {self.version}"


class Node(models.Model):
    """A member of a job's group."""

    job = models.ForeignKey(Job, models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    index = models.IntegerField()
    name = models.CharField(max_length=100)
    role = models.CharField(max_length=100)
    device_type = models.CharField(max_length=100)
    metadata = models.JSONField(default=dict)
    """What the actions of its role say about themselves."""
    state = models.CharField(max_length=20, default="waiting")
    doing = models.TextField(blank=True)
    since = models.FloatField(null=True)
    closed = models.JSONField(null=True)
    waits = models.JSONField(null=True)
    """What it waits for in the MultiNode API: the open `Wait` as {kind, id, role, needs, since}."""
    transfer = models.JSONField(null=True)
    """What is on its way to it just now: {what, done, total, rate, at}."""
    running = models.JSONField(default=list)
    """Test cases that have begun and not yet reported: {suite, case, since}."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "index"], name="node_job_index")]

    def __str__(self) -> str:
        return f"{self.job_id}.{self.index} {self.name}"


class Result(Part):
    node = models.IntegerField()
    suite = models.TextField()
    set = models.TextField(blank=True)
    case = models.TextField()
    result = models.CharField(max_length=10)
    measurement = models.TextField(null=True)  # noqa: DJ001 (none is not an empty one)
    units = models.TextField(blank=True)
    message = models.TextField(blank=True)
    offset = models.BigIntegerField(null=True)
    line = models.BigIntegerField(null=True)
    """Of the console, counted from 0: where `offset` is."""
    seconds = models.FloatField(null=True)
    at = models.FloatField()

    class Meta(Part.Meta):
        pass


class Phase(Part):
    node = models.IntegerField()
    phase = models.CharField(max_length=20)
    what = models.TextField(blank=True)
    start = models.FloatField()
    end = models.FloatField(null=True)

    class Meta(Part.Meta):
        # At most one phase of a node is open, and it is looked for at every turn.
        indexes = [
            *Part.Meta.indexes,
            models.Index(fields=["job", "node"], name="phase_open", condition=Q(end__isnull=True)),
        ]


class Message(Part):
    node = models.IntegerField()
    message_id = models.TextField()
    data = models.JSONField()
    at = models.FloatField()

    class Meta(Part.Meta):
        pass


class Wait(Part):
    """A node waited in the MultiNode API."""

    node = models.IntegerField()
    kind = models.CharField(max_length=20)
    wait_id = models.TextField(blank=True)
    role = models.TextField(blank=True)
    needs = models.JSONField(default=list)
    start = models.FloatField()
    end = models.FloatField(null=True)
    ok = models.BooleanField(null=True)
    reason = models.TextField(blank=True)

    class Meta(Part.Meta):
        indexes = [
            *Part.Meta.indexes,
            models.Index(fields=["job", "node"], name="wait_open", condition=Q(end__isnull=True)),
        ]


class Attachment(Part):
    node = models.IntegerField()
    suite = models.TextField(blank=True)
    case = models.TextField(blank=True)
    name = models.TextField()
    mime = models.TextField()
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    at = models.FloatField()

    class Meta(Part.Meta):
        pass


class Note(Part):
    node = models.IntegerField(null=True)
    level = models.CharField(max_length=10)
    text = models.TextField()
    at = models.FloatField()

    class Meta(Part.Meta):
        pass


class Check(Part):
    """One thing that clean-up looked at. `number` counts within its event."""

    number = models.IntegerField()
    what = models.TextField()
    found = models.TextField()
    ok = models.BooleanField()

    class Meta(Part.Meta):
        constraints = [
            models.UniqueConstraint(fields=["job", "version", "number"], name="check_job_version_number")
        ]


class ImageUse(Part):
    """A file that a node booted."""

    node = models.IntegerField()
    key = models.CharField(max_length=20)
    url = models.TextField()
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    at = models.FloatField()

    class Meta(Part.Meta):
        # Who used an image: looked up by content, since a name may mean something else later.
        indexes = [*Part.Meta.indexes, models.Index(fields=["sha256", "job"], name="imageuse_content")]


class Delivery(Part):
    """Somebody is told how a job ended."""

    number = models.IntegerField()
    """Counts the job's deliveries, from 1."""
    kind = models.CharField(max_length=10)
    target = models.TextField()
    stream = models.TextField(blank=True)
    state = models.CharField(max_length=10, default="planned")
    """``planned``, ``sending``, ``waiting`` (for the next attempt), ``delivered``, ``failed``."""
    attempts = models.IntegerField(default=0)
    message = models.TextField(blank=True)
    """What came of the last attempt."""
    due = models.FloatField(null=True)
    """When somebody should take it: for an attempt, or because one that was begun has not ended."""
    at = models.FloatField()

    class Meta(Part.Meta):
        indexes = [
            *Part.Meta.indexes,
            models.Index(fields=["due"], name="delivery_due", condition=Q(due__isnull=False)),
        ]


class Lease(models.Model):
    """A worker's promise to be alive, renewed while it runs a job. Not a fact about the job: no event."""

    job = models.BigIntegerField(primary_key=True)
    fence = models.IntegerField()
    worker = models.CharField(max_length=200)
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"job {self.job} is run by {self.worker} until {self.until:%H:%M:%S}"


class SubmissionKey(models.Model):
    """By it a program that did not hear the answer submits once, however often it asks. Not in the log."""

    user = models.CharField(max_length=150)
    key = models.CharField(max_length=100)
    digest = models.CharField(max_length=64)
    """Hex SHA-256 of what was submitted."""
    job = models.BigIntegerField()
    made_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="submissionkey_user_key")]

    def __str__(self) -> str:
        return f"{self.key} of {self.user}: job {self.job}"


class SavedView(models.Model):
    """A list of jobs that a user wants to see again: the filters of an address. No part of the log."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="savedview_user_name")]

    def __str__(self) -> str:
        return self.name
