"""What others see of the image library."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from devices.domain import image as domain
from devices.domain.history import Entry
from devices.domain.image_history import image_history
from devices.images import content
from devices.images.models import Image, ImageVersion
from lab.eventstore.store import store
from lab.kernel.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """Content that was uploaded under a name."""

    number: int
    sha256: str
    size: int
    filename: str
    reason: str
    uploaded_by: str
    uploaded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView:
    """An image, with its newest version."""

    name: str
    description: str
    number: int
    sha256: str
    size: int
    filename: str
    uploaded_by: str
    uploaded_at: datetime | None
    retired: str
    version: int
    """Of its stream: what a change is based on."""

    @property
    def path(self) -> Path:
        """Where its bytes lie on this machine."""
        return content.path_of(self.sha256)


def images(*, retired: bool = False) -> list[ImageView]:
    """The images in use, by name; with `retired` the others, too."""
    rows = Image.objects.order_by("name")
    return [_view(row) for row in (rows if retired else rows.filter(retired_at=None))]


def image(name: str) -> ImageView:
    """One image, retired or not. Raises `NotFound`."""
    row = Image.objects.filter(pk=name).first()
    if row is None:
        raise NotFound(f"There is no image {name!r} in the library.")
    return _view(row)


def named(names: Iterable[str]) -> dict[str, ImageView]:
    """Those of these images that are in use, by name."""
    rows = Image.objects.filter(pk__in=list(names), retired_at=None)
    return {row.name: _view(row) for row in rows}


def versions(name: str) -> list[VersionView]:
    """What has been uploaded under a name, the newest first."""
    return [
        VersionView(
            number=row.number,
            sha256=row.sha256,
            size=row.size,
            filename=row.filename,
            reason=row.reason,
            uploaded_by=row.uploaded_by,
            uploaded_at=row.uploaded_at,
        )
        for row in ImageVersion.objects.filter(image=name).order_by("-number")
    ]


def history(name: str, *, before: int | None = None, limit: int | None = None) -> list[Entry]:
    """What happened to an image, the newest first; of versions below `before`, at most `limit`.

    Raises `NotFound`.
    """
    recorded = store.read(domain.stream(name))
    if not recorded:
        raise NotFound(f"There is no image {name!r} in the library.")
    told = image_history(recorded)[::-1]
    return [one for one in told if before is None or one.version < before][:limit]


def _view(row: Image) -> ImageView:
    return ImageView(
        name=row.name,
        description=row.description,
        number=row.number,
        sha256=row.sha256,
        size=row.size,
        filename=row.filename,
        uploaded_by=row.uploaded_by,
        uploaded_at=row.uploaded_at,
        retired=row.retired_reason,
        version=row.version,
    )
