"""A kind of board, or a kind of virtual machine: its rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from devices.domain.access import checked_access
from devices.domain.events import (
    DeviceTypeAccessChanged,
    DeviceTypeChanged,
    DeviceTypeRegistered,
    DeviceTypeRetired,
    Kind,
)
from devices.domain.layers import Layer, merged, traced
from devices.domain.names import checked_description, checked_name, checked_reason, optional_reason
from devices.domain.parse_config import BadConfig, checked_board_config, checked_vm_type_config
from lab.kernel.errors import NotFound, Rejected
from lab.kernel.events import Event

DEEPEST = 8
"""How many types may be below one."""


def stream(name: str) -> str:
    return f"device-type/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceType:
    """What is known of a device type. `name` is empty before it is registered."""

    name: str = ""
    kind: Kind = "board"
    base: str = ""
    """The type whose configuration this one's is laid over; empty: none."""
    description: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    access: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Who may do what with it and its boards; what it leaves out says what it is based on."""
    retired: str = ""
    """The reason; empty while it is in use."""


def apply(state: DeviceType, event: Event) -> DeviceType:
    """Return the state after `event`."""
    match event:
        case DeviceTypeRegistered():
            return DeviceType(
                name=event.name,
                kind=event.kind,
                base=event.base,
                description=event.description,
                config=event.config,
            )
        case DeviceTypeChanged():
            return replace(state, **event.changes)
        case DeviceTypeAccessChanged():
            return replace(state, access=event.access)
        case DeviceTypeRetired():
            return replace(state, retired=event.reason)
    return state


def register(
    state: DeviceType,
    *,
    name: str,
    kind: str,
    description: str,
    config: Mapping[str, Any],
    bases: Sequence[DeviceType] = (),
    access: Mapping[str, Any] | None = None,
) -> list[Event]:
    """Decide on a new device type. A name that was used once is never given again: its history stays.

    `bases`: the type it is based on, what that one is based on, and so on.
    """
    checked_name("device type", name)
    if state.retired:
        raise Rejected(
            f"Device type {name} was retired ({state.retired}) and its history stays: choose another name."
        )
    if state.name:
        raise Rejected(f"There is a device type {name} already: change that one, or choose another name.")
    checked_kind = _checked_kind(kind)
    _check_bases(name, checked_kind, bases)
    lists = checked_access(access or {})
    return [
        DeviceTypeRegistered(
            name=name,
            kind=checked_kind,
            base=bases[0].name if bases else "",
            description=checked_description(description),
            config=checked_config(name, checked_kind, config, bases),
        ),
        *([DeviceTypeAccessChanged(access=lists)] if lists else []),
    ]


def change(
    state: DeviceType,
    *,
    description: str | None = None,
    config: Mapping[str, Any] | None = None,
    bases: Sequence[DeviceType] | None = None,
    under: Sequence[DeviceType] = (),
    reason: str = "",
) -> list[Event]:
    """Decide on a change; what is None stays as it is. Without a difference nothing happens.

    `bases`: what it shall be based on from now on, as for `register`; empty: nothing. `under`: what it is
    based on as long as that stays as it is.
    """
    _in_use(state)
    wanted: dict[str, Any] = {}
    if description is not None:
        wanted["description"] = checked_description(description)
    if bases is not None:
        wanted["base"] = bases[0].name if bases else ""
        _check_bases(state.name, state.kind, bases, had=state.base)
    if config is not None or bases is not None:
        below = under if bases is None else bases
        wanted["config"] = checked_config(
            state.name, state.kind, state.config if config is None else config, below
        )
    changes = {key: value for key, value in wanted.items() if value != getattr(state, key)}
    return [DeviceTypeChanged(changes=changes, reason=optional_reason(reason))] if changes else []


def change_access(state: DeviceType, access: Mapping[str, Any], reason: str = "") -> list[Event]:
    """Decide on who may do what with it and its boards: all of its lists, as for a board."""
    _in_use(state)
    lists = checked_access(access)
    if lists == {right: list(entries) for right, entries in state.access.items()}:
        return []
    return [DeviceTypeAccessChanged(access=lists, reason=optional_reason(reason))]


def retire(state: DeviceType, reason: str) -> list[Event]:
    """Decide to take a type out of use for good; see also `check_unused`."""
    _in_use(state)
    return [DeviceTypeRetired(reason=checked_reason(reason, f"retire device type {state.name}"))]


def check_unused(name: str, boards: Sequence[str], types: Sequence[str] = ()) -> None:
    """Refuse to retire a type of which there are `boards`, or on which `types` are based, in use."""
    if boards:
        raise Rejected(
            f"Device type {name} has boards in use ({', '.join(boards)}): "
            "retire them, or give them another type first."
        )
    if types:
        raise Rejected(
            f"Device type {name} is what other types are based on ({', '.join(types)}): "
            "retire them, or base them on another one first."
        )


def layer(state: DeviceType) -> Layer:
    """Return what the type says for itself."""
    return Layer(name=f"device type {state.name}", config=state.config)


def layers(chain: Sequence[DeviceType]) -> list[Layer]:
    """Return the layers of a type, its base, and so on: the lowest first."""
    return [layer(one) for one in reversed(chain)]


def whole(chain: Sequence[DeviceType]) -> DeviceType:
    """Return the first of the chain with the configuration that all of it make together."""
    return replace(chain[0], config=merged(layers(chain)))


def checked_config(
    name: str, kind: Kind, config: Mapping[str, Any], bases: Sequence[DeviceType]
) -> dict[str, Any]:
    """Return the config as it will be stored.

    A board type may leave out what each of its boards says for itself; a VM type must be complete together
    with what it is based on. Raises `BadConfig` with all problems.
    """
    own = DeviceType(name=name, kind=kind, config=config)
    check_layers(kind, layers([own, *bases]))
    return dict(config)


def check_layers(kind: Kind, found: Sequence[Layer]) -> None:
    """Raise `BadConfig` for what layers of types make together."""
    raw = merged(found)
    try:
        if kind == "board":
            checked_board_config(raw, partial=True)
        else:
            checked_vm_type_config(raw)
    except BadConfig as bad:
        raise BadConfig(traced(bad.problems, found)) from bad


def exists(state: DeviceType, name: str) -> DeviceType:
    """Return the state of a type that was registered, or raise `NotFound`."""
    if not state.name:
        raise NotFound(f"There is no device type {name!r}.")
    return state


def _checked_kind(kind: str) -> Kind:
    match kind:
        case "board" | "vm":
            return kind
    raise Rejected(f"{kind!r} is no kind of device type: it is either 'board' or 'vm'.")


def _check_bases(name: str, kind: Kind, bases: Sequence[DeviceType], *, had: str = "") -> None:
    if not bases:
        return
    way = " → ".join([name, *(one.name for one in bases)])
    if any(one.name == name for one in bases):
        raise Rejected(f"Device type {name} would be based on itself ({way}): choose another one.")
    base = bases[0]
    if base.kind != kind:
        what = {"board": "boards", "vm": "virtual machines"}
        raise Rejected(
            f"Device type {base.name} is a type of {what[base.kind]}, and {name} one of {what[kind]}: "
            "base it on one of its own kind."
        )
    if base.retired and base.name != had:
        raise Rejected(f"Device type {base.name} is retired ({base.retired}): base {name} on another one.")
    if len(bases) > DEEPEST:
        raise Rejected(f"{way} are more than {DEEPEST} types, one based on the other: at most that many.")


def _in_use(state: DeviceType) -> None:
    if state.retired:
        raise Rejected(
            f"Device type {state.name} is retired ({state.retired}): nothing about it can change any more."
        )
