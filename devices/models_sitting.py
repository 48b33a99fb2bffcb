"""The tables of sittings: what was said and typed at a board's console, and keys on their way to it."""

from __future__ import annotations

from django.db import models


class SittingChunk(models.Model):
    """A piece of what went over a console while somebody sat at it. Append-only: triggers refuse the rest.

    `devices.sitting_record` is the only one that writes it: one writer for each sitting, so that their ids
    are in order.
    """

    board = models.CharField(max_length=64)
    errand = models.BigIntegerField()
    kind = models.CharField(max_length=1)
    """``o``: the board printed it, ``i``: it was typed, ``n``: Labbook remarks it, in UTF-8."""
    at = models.FloatField()
    """Seconds since the epoch, by the clock of who writes it."""
    data = models.BinaryField()

    class Meta:
        db_table = "sitting_chunk"
        indexes = [models.Index(fields=["board", "errand", "id"], name="sitting_chunk_place")]

    def __str__(self) -> str:
        return f"console of {self.board}, errand {self.errand}"


class SittingInput(models.Model):
    """Keys for the worker at whose side somebody sits. In transit only."""

    board = models.CharField(max_length=64)
    errand = models.BigIntegerField()
    data = models.BinaryField(default=bytes)

    class Meta:
        db_table = "sitting_input"
        indexes = [models.Index(fields=["board", "errand", "id"], name="sitting_input_place")]

    def __str__(self) -> str:
        return f"keys for errand {self.errand} of {self.board}"


class Sitting(models.Model):
    """Who is there at a console: see `devices.sitting_life`. Times are the database's."""

    board = models.CharField(max_length=64)
    errand = models.BigIntegerField()
    person_at = models.DateTimeField(null=True)
    """The last sign of life of who sits there from afar."""
    worker_at = models.DateTimeField(null=True)
    """The same of the process that has the line; null: none has begun."""
    left = models.BooleanField(default=False)

    class Meta:
        db_table = "sitting"
        constraints = [models.UniqueConstraint(fields=["board", "errand"], name="sitting_place")]

    def __str__(self) -> str:
        return f"errand {self.errand} of {self.board}"
