"""An image of the lab's library: a name, and the versions that have been uploaded under it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from devices.domain.image_events import ImageDescribed, ImageRegistered, ImageRetired, ImageUploaded
from devices.domain.names import checked_description, checked_name, checked_reason, optional_reason
from lab.kernel.errors import NotFound, Rejected
from lab.kernel.events import Event

FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The state that decisions are made from."""

    name: str = ""
    description: str = ""
    number: int = 0
    """Of the newest version; 0: there is none."""
    sha256: str = ""
    filename: str = ""
    retired: str = ""
    """Why; empty while it is in use."""


def stream(name: str) -> str:
    return f"image/{name}"


def apply(state: Image, event: Event) -> Image:
    match event:
        case ImageRegistered():
            return Image(name=event.name, description=event.description)
        case ImageUploaded():
            return replace(state, number=event.number, sha256=event.sha256, filename=event.filename)
        case ImageDescribed():
            return replace(state, description=event.description)
        case ImageRetired():
            return replace(state, retired=event.reason)
    return state


def check_upload(
    state: Image, *, name: str, filename: str, description: str | None = None, reason: str = ""
) -> None:
    """Refuse an upload before its bytes are taken."""
    checked_name("library image", name)
    checked_description(description or "")
    optional_reason(reason)
    if not FILENAME.fullmatch(filename):
        raise Rejected(
            f"{filename!r} is no name of a file: use 1 to 200 letters, digits and any of . _ + - ,"
            " beginning with a letter or digit. Its ending (.gz, .xz, .bz2, .zst) says whether it is packed."
        )
    _in_use(state)


def upload(
    state: Image,
    *,
    name: str,
    filename: str,
    sha256: str,
    size: int,
    description: str | None = None,
    reason: str = "",
) -> list[Event]:
    """Decide on uploaded content: the first of a name registers it. The same content again is nothing new."""
    check_upload(state, name=name, filename=filename, description=description, reason=reason)
    events: list[Event] = []
    if not state.name:
        events.append(ImageRegistered(name=name, description=checked_description(description or "")))
    elif description is not None:
        events += describe(state, description, reason)
    if (sha256, filename) != (state.sha256, state.filename):
        events.append(
            ImageUploaded(
                number=state.number + 1,
                sha256=sha256,
                size=size,
                filename=filename,
                reason=optional_reason(reason),
            )
        )
    return events


def describe(state: Image, description: str, reason: str = "") -> list[Event]:
    """Decide on other words about it."""
    _in_use(state)
    checked = checked_description(description)
    if checked == state.description:
        return []
    return [ImageDescribed(description=checked, reason=optional_reason(reason))]


def retire(state: Image, reason: str) -> list[Event]:
    """Decide to take it out of use for good."""
    _in_use(state)
    return [ImageRetired(reason=checked_reason(reason, f"retire image {state.name}"))]


def exists(state: Image, name: str) -> Image:
    """Return the state of an image that was uploaded, or raise `NotFound`."""
    if not state.name:
        raise NotFound(f"There is no image {name!r} in the library.")
    return state


def _in_use(state: Image) -> None:
    if state.retired:
        raise Rejected(
            f"Image {state.name} was retired ({state.retired}) and its history stays: choose another name."
        )
