"""Device types that come with Labbook, as YAML files in `devices/types`, and how they get into the inventory.

What an administrator changed is never overwritten silently: a type is brought up to date only while it is as
it was when it came from here. So it pays to keep a site's own values in a type that is based on a ready-made
one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from devices import type_commands
from devices.domain import device_type as types
from devices.domain.config_text import read_config
from devices.domain.device_type import DeviceType
from devices.domain.history import Change, differences
from devices.domain.names import checked_description
from devices.loading import load_device_type
from lab.actors import Actor
from lab.eventstore.store import store
from lab.kernel.errors import NotFound, Rejected

FOLDER = Path(__file__).parent / "types"
CAUSE = "ready-made"
"""How their events are marked."""
KEYS = ("kind", "base", "description", "config")
Doing = Literal["added", "updated", "replaced", "as it is", "kept", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyMade:
    """A device type as a file describes it."""

    name: str
    kind: str
    base: str
    description: str
    config: dict[str, Any]

    def shown(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in KEYS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of one type."""

    name: str
    doing: Doing
    """``kept``: somebody changed it, so it stays as it is. ``refused``: see `why`."""
    changes: Sequence[Change] = field(default=())
    """From what the inventory has to what the file says."""
    why: str = ""


def ready_made() -> dict[str, ReadyMade]:
    """Return the types that come with Labbook, by name; a type always after the one it is based on."""
    found = {path.stem: _read(path) for path in sorted(FOLDER.glob("*.yaml"))}
    ordered: dict[str, ReadyMade] = {}

    def add(one: ReadyMade) -> None:
        if one.base and one.base not in ordered:
            add(found[one.base])
        ordered[one.name] = one

    for one in found.values():
        add(one)
    return ordered


def with_bases(names: Collection[str]) -> list[ReadyMade]:
    """Return the named types and what they are based on or run, in the order in which they can be loaded.

    All of them for no names. Raises `NotFound`.
    """
    known = ready_made()
    if unknown := [name for name in names if name not in known]:
        raise NotFound(
            f"No ready-made device type is named {', '.join(unknown)}: there are {', '.join(sorted(known))}."
        )
    wanted: dict[str, ReadyMade] = {}

    def add(name: str) -> None:
        if name in wanted:
            return
        one = known[name]
        for needed in (one.base, *one.config.get("runs", ())):
            if needed:
                add(needed)
        wanted[name] = one

    for name in names or known:
        add(name)
    return list(wanted.values())


def load(types_: Iterable[ReadyMade], *, replace: bool = False, actor: Actor) -> list[Done]:
    """Add the types that are not there, and bring those up to date that nobody has changed.

    `replace`: also those that somebody has changed.
    """
    return [_loaded(one, replace, actor) for one in types_]


def _loaded(one: ReadyMade, replace: bool, actor: Actor) -> Done:
    state = load_device_type(one.name).state
    try:
        if not state.name:
            type_commands.register_device_type(
                one.name, one.kind, one.description, one.config, base=one.base, actor=actor, cause=CAUSE
            )
            return Done(name=one.name, doing="added")
        changes = differences(_shown(state), one.shown())
        if not changes:
            return Done(name=one.name, doing="as it is")
        if state.retired:
            return Done(name=one.name, doing="refused", why=f"it is retired: {state.retired}")
        if state.kind != one.kind:
            why = f"there is a type of that name for something else ({state.kind})"
            return Done(name=one.name, doing="refused", why=why)
        ours = _as_loaded(one.name) == _shown(state)
        if not ours and not replace:
            return Done(name=one.name, doing="kept", changes=changes)
        type_commands.change_device_type(
            one.name,
            description=one.description,
            config=one.config,
            base=one.base,
            reason="as it comes with Labbook",
            actor=actor,
            cause=CAUSE,
        )
    except Rejected as exc:
        return Done(name=one.name, doing="refused", why=str(exc))
    return Done(name=one.name, doing="updated" if ours else "replaced", changes=changes)


def _as_loaded(name: str) -> dict[str, Any] | None:
    """Return the type as it was when it last came from here; None: it never did."""
    state, loaded = DeviceType(), None
    for recorded in store.read(types.stream(name)):
        state = types.apply(state, recorded.event)
        if recorded.meta.cause == CAUSE:
            loaded = _shown(state)
    return loaded


def _shown(state: DeviceType) -> dict[str, Any]:
    return {key: getattr(state, key) for key in KEYS}


def _read(path: Path) -> ReadyMade:
    found = read_config(path.read_text()).config
    return ReadyMade(
        name=path.stem,
        kind=found["kind"],
        base=found.get("base", ""),
        description=checked_description(found["description"]),
        config=found.get("config", {}),
    )
