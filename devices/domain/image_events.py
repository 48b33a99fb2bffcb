"""What happens to images of the lab's library. Stream: ``image/<name>``."""

from __future__ import annotations

from dataclasses import dataclass

from lab.kernel.events import Event, codec


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRegistered(Event):
    type = "image.registered"
    name: str
    description: str


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUploaded(Event):
    """There is a version with new content; from now on the name means this one."""

    type = "image.uploaded"
    number: int
    """Counts the image's versions, from 1."""
    sha256: str
    """Of the file as it was uploaded. Its bytes lie in the content-addressed store."""
    size: int
    """Bytes."""
    filename: str
    """As it was uploaded; its ending says whether it is packed."""
    reason: str


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDescribed(Event):
    type = "image.described"
    description: str
    reason: str


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRetired(Event):
    """No new job gets it. Its content stays for as long as the record of jobs that used it."""

    type = "image.retired"
    reason: str
