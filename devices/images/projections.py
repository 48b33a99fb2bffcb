"""How events of images become the rows of `devices.images.models`."""

from __future__ import annotations

from devices.domain.image_events import ImageDescribed, ImageRegistered, ImageRetired, ImageUploaded
from devices.images.models import Image, ImageVersion
from lab.eventstore import projecting
from lab.eventstore.projecting import Projection
from lab.kernel.events import Recorded

images = Projection(name="images", models=[Image, ImageVersion])


def install() -> None:
    """Make the projection part of every append."""
    projecting.install(images)


@images.on(ImageRegistered)
def registered(event: ImageRegistered, recorded: Recorded) -> None:
    Image.objects.create(
        name=event.name,
        description=event.description,
        registered_at=recorded.recorded_at,
        version=recorded.version,
    )


@images.on(ImageUploaded)
def uploaded(event: ImageUploaded, recorded: Recorded) -> None:
    who = {"uploaded_by": recorded.meta.actor, "uploaded_at": recorded.recorded_at}
    what = {
        "number": event.number,
        "sha256": event.sha256,
        "size": event.size,
        "filename": event.filename,
    }
    _update(recorded, **what, **who)
    ImageVersion.objects.create(image_id=_name(recorded), **what, reason=event.reason, **who)


@images.on(ImageDescribed)
def described(event: ImageDescribed, recorded: Recorded) -> None:
    _update(recorded, description=event.description)


@images.on(ImageRetired)
def retired(event: ImageRetired, recorded: Recorded) -> None:
    _update(recorded, retired_reason=event.reason, retired_at=recorded.recorded_at)


def _name(recorded: Recorded) -> str:
    return recorded.stream.partition("/")[2]


def _update(recorded: Recorded, **fields: object) -> None:
    Image.objects.filter(pk=_name(recorded)).update(version=recorded.version, **fields)
