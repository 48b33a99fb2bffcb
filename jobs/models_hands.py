"""What somebody types, on its way to the worker that runs the job."""

from __future__ import annotations

from django.db import models


class KeyboardInput(models.Model):
    """Some keys for a console. In transit only: what reached the console is in the log, as `InputTyped`."""

    job = models.BigIntegerField()
    node = models.IntegerField()
    ticket = models.IntegerField()
    """Of the `KeyboardTaken` under which it was typed."""
    data = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["job", "id"], name="keyboardinput_job")]

    def __str__(self) -> str:
        return f"input {self.pk} for {self.job}.{self.node}"
