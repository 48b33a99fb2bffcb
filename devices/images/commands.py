"""Everything that can be done to the image library; admin, API and command line all call these.

Permissions: ``images.add_image`` to upload, ``images.change_image`` for other words, ``images.delete_image``
to retire. All raise `Rejected` with a sentence for the user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from devices.deciding import EditedMeanwhile
from devices.domain import image as images
from devices.domain.image import Image
from devices.images import content
from lab.actors import Actor, authorise
from lab.eventstore.store import store
from lab.kernel.aggregate import Loaded, load
from lab.kernel.errors import Conflict, Rejected
from lab.kernel.events import Event, Meta
from lab.kernel.ports import Append

ATTEMPTS = 10


def upload_image(
    name: str,
    pieces: Iterable[bytes],
    *,
    filename: str,
    description: str | None = None,
    sha256: str = "",
    reason: str = "",
    actor: Actor,
    cause: str = "",
) -> int:
    """Store content under a name, new or not; returns the number of the version that it is now.

    1. Whether the actor may, and whether the name can be used, is found out before the first byte is taken.
    2. The bytes are stored as they come. `sha256`: what they must be.
    3. The events are appended; only then does the name mean the new content.
    """
    meta = _meta(actor, "images.add_image", "upload images", cause)
    state = _load(name).state
    images.check_upload(state, name=name, filename=filename, description=description, reason=reason)
    kept = content.keep(pieces, sha256=sha256)
    state = _perform(
        name,
        lambda state: images.upload(
            state,
            name=name,
            filename=filename,
            sha256=kept.sha256,
            size=kept.size,
            description=description,
            reason=reason,
        ),
        meta,
    )
    return state.number


def describe_image(
    name: str,
    description: str,
    reason: str = "",
    *,
    actor: Actor,
    cause: str = "",
    expected_version: int | None = None,
) -> None:
    """Say something else about it.

    `expected_version`: of the stream as the actor saw it. Raises `EditedMeanwhile` if it has moved since.
    """
    meta = _meta(actor, "images.change_image", "change images", cause)

    def decide(state: Image) -> list[Event]:
        since = [] if expected_version is None else store.read(images.stream(name), after=expected_version)
        if since:
            raise EditedMeanwhile(
                f"Image {name} was changed after you looked at it: by {since[-1].meta.actor} at "
                f"{since[-1].recorded_at:%Y-%m-%d %H:%M:%S} UTC. Look again, and repeat your change on that."
            )
        return images.describe(images.exists(state, name), description, reason)

    _perform(name, decide, meta)


def retire_image(name: str, reason: str, *, actor: Actor, cause: str = "") -> None:
    """Take it out of use for good; its history and its content stay."""
    meta = _meta(actor, "images.delete_image", "retire images", cause)
    _perform(name, lambda state: images.retire(images.exists(state, name), reason), meta)


def may_upload(actor: Actor) -> None:
    """Raise `NotPermitted` if the actor may not upload: to be asked before a body is read."""
    authorise(actor, "images.add_image", "upload images")


def _meta(actor: Actor, permission: str, to_do: str, cause: str) -> Meta:
    return Meta(actor=authorise(actor, permission, to_do), cause=cause)


def _load(name: str) -> Loaded[Image]:
    return load(store, images.stream(name), images.apply, Image())


def _perform(name: str, decide: Callable[[Image], list[Event]], meta: Meta) -> Image:
    """Read, decide, append; after a lost race once more. Returns the state after it."""
    for _ in range(ATTEMPTS):
        found = _load(name)
        events = decide(found.state)
        if not events:
            return found.state
        try:
            store.append(Append(stream=found.stream, expected=found.version, events=events), meta=meta)
        except Conflict:
            continue
        return _load(name).state
    raise Rejected(f"Others change image {name} faster than this command: try again in a moment.")
