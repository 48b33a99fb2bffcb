"""Read rows of the image library, drawn by `devices.images.projections` and by nobody else."""

from __future__ import annotations

from django.db import models


class Image(models.Model):
    """An image of the library, with its newest version."""

    name = models.CharField(primary_key=True, max_length=64)
    description = models.TextField(blank=True)
    number = models.IntegerField(default=0)
    """Of the newest version."""
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    size = models.BigIntegerField(default=0)
    """Bytes."""
    filename = models.CharField(max_length=200, blank=True)
    uploaded_by = models.CharField(max_length=200, blank=True)
    uploaded_at = models.DateTimeField(null=True, blank=True)
    retired_reason = models.TextField(blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    registered_at = models.DateTimeField()
    version = models.IntegerField()
    """Of the stream: what a change is based on."""

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ImageVersion(models.Model):
    """Content that was uploaded under a name."""

    image = models.ForeignKey(
        Image, on_delete=models.DO_NOTHING, related_name="versions", db_constraint=False
    )
    number = models.IntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.BigIntegerField()
    filename = models.CharField(max_length=200)
    reason = models.TextField(blank=True)
    uploaded_by = models.CharField(max_length=200)
    uploaded_at = models.DateTimeField()

    class Meta:
        ordering = ["image", "-number"]
        constraints = [models.UniqueConstraint(fields=["image", "number"], name="imageversion_number")]

    def __str__(self) -> str:
        return f"{self.image_id}, version {self.number}"
