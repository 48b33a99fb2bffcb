"""The one table of truth."""

from __future__ import annotations

from django.db import models


class EventRow(models.Model):
    """One event. Rows are only ever inserted, by `lab.eventstore.store`; triggers refuse the rest."""

    position = models.BigIntegerField(primary_key=True)
    stream = models.CharField(max_length=200)
    version = models.IntegerField()
    type = models.CharField(max_length=100)
    schema = models.IntegerField()
    # Canonical JSON as text, not a JSON column: the digest is over these very bytes.
    data = models.TextField()
    meta = models.TextField()
    recorded_at = models.DateTimeField()
    digest = models.CharField(max_length=64)

    class Meta:
        db_table = "es_event"
        verbose_name = "event"
        constraints = [
            models.UniqueConstraint(fields=["stream", "version"], name="es_event_stream_version"),
        ]

    def __str__(self) -> str:
        return f"#{self.position} {self.stream}@{self.version} {self.type}"
