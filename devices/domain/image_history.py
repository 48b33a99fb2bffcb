"""The stream of an image told in words."""

from __future__ import annotations

from collections.abc import Iterable

from devices.domain.history import Change, Entry
from devices.domain.image import Image, apply
from devices.domain.image_events import ImageDescribed, ImageRegistered, ImageRetired, ImageUploaded
from lab.kernel.events import Event, Recorded


def image_history(recorded: Iterable[Recorded]) -> list[Entry]:
    """Tell an image's stream, in its order."""
    state, entries = Image(), []
    for one in recorded:
        text, changes, why = _words(state, one.event)
        entries.append(
            Entry(
                position=one.position,
                version=one.version,
                at=one.recorded_at,
                who=one.meta.actor,
                cause=one.meta.cause,
                type=one.event.type,
                text=text,
                changes=tuple(changes),
                why=why,
            )
        )
        state = apply(state, one.event)
    return entries


def _words(state: Image, event: Event) -> tuple[str, list[Change], str]:
    match event:
        case ImageRegistered():
            return "registered", [Change(what="description", old=None, new=event.description)], ""
        case ImageUploaded():
            changes = [
                Change(what="SHA-256", old=state.sha256 or None, new=event.sha256),
                Change(what="file", old=state.filename or None, new=event.filename),
                Change(what="bytes", old=None, new=f"{event.size:,}"),
            ]
            return f"version {event.number} uploaded", changes, event.reason
        case ImageDescribed():
            change = Change(what="description", old=state.description, new=event.description)
            return "described anew", [change], event.reason
        case ImageRetired():
            return "retired", [], event.reason
    return event.type, [], ""
