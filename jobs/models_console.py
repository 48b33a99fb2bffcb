"""The table of console bytes. `jobs.console_log` is the only one that reads or writes it."""

from __future__ import annotations

from django.db import models


class ConsoleChunk(models.Model):
    """A run of bytes that a node printed. Append-only: triggers refuse everything but INSERT.

    No foreign key to the job: read tables may be dropped and rebuilt, what a node printed may not.
    """

    job = models.BigIntegerField()
    node = models.IntegerField()
    offset = models.BigIntegerField()
    end = models.BigIntegerField()
    """Offset of the byte after the last one."""
    line = models.BigIntegerField()
    """Number of newlines before the first byte."""
    end_line = models.BigIntegerField()
    """Number of newlines before `end`."""
    at = models.FloatField()
    """Seconds since the epoch, by the worker's clock."""
    data = models.BinaryField()

    class Meta:
        db_table = "console_chunk"
        constraints = [
            models.UniqueConstraint(fields=["job", "node", "offset"], name="console_chunk_place"),
        ]
        indexes = [
            models.Index(fields=["job", "node", "line", "offset"], name="console_chunk_line"),
        ]

    def __str__(self) -> str:
        return f"console {self.job}.{self.node} {self.offset}-{self.end}"
