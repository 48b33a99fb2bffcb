"""A kind of board, or a kind of virtual machine: its rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from devices.domain.events import DeviceTypeChanged, DeviceTypeRegistered, DeviceTypeRetired, Kind
from devices.domain.names import checked_description, checked_name, checked_reason, optional_reason
from devices.domain.parse_config import checked_board_config, checked_vm_type_config
from lab.kernel.errors import NotFound, Rejected
from lab.kernel.events import Event


def stream(name: str) -> str:
    return f"device-type/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceType:
    """What is known of a device type. `name` is empty before it is registered."""

    name: str = ""
    kind: Kind = "board"
    description: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    retired: str = ""
    """The reason; empty while it is in use."""


def apply(state: DeviceType, event: Event) -> DeviceType:
    """Return the state after `event`."""
    match event:
        case DeviceTypeRegistered():
            return DeviceType(
                name=event.name, kind=event.kind, description=event.description, config=event.config
            )
        case DeviceTypeChanged():
            return replace(state, **event.changes)
        case DeviceTypeRetired():
            return replace(state, retired=event.reason)
    return state


def register(
    state: DeviceType, *, name: str, kind: str, description: str, config: Mapping[str, Any]
) -> list[Event]:
    """Decide on a new device type. A name that was used once is never given again: its history stays."""
    checked_name("device type", name)
    if state.retired:
        raise Rejected(
            f"Device type {name} was retired ({state.retired}) and its history stays: choose another name."
        )
    if state.name:
        raise Rejected(f"There is a device type {name} already: change that one, or choose another name.")
    checked_kind = _checked_kind(kind)
    return [
        DeviceTypeRegistered(
            name=name,
            kind=checked_kind,
            description=checked_description(description),
            config=checked_config(checked_kind, config),
        )
    ]


def change(
    state: DeviceType,
    *,
    description: str | None = None,
    config: Mapping[str, Any] | None = None,
    reason: str = "",
) -> list[Event]:
    """Decide on a change; what is None stays as it is. Without a difference nothing happens."""
    _in_use(state)
    wanted: dict[str, Any] = {}
    if description is not None:
        wanted["description"] = checked_description(description)
    if config is not None:
        wanted["config"] = checked_config(state.kind, config)
    changes = {key: value for key, value in wanted.items() if value != getattr(state, key)}
    return [DeviceTypeChanged(changes=changes, reason=optional_reason(reason))] if changes else []


def retire(state: DeviceType, reason: str) -> list[Event]:
    """Decide to take a type out of use for good; see also `check_unused`."""
    _in_use(state)
    return [DeviceTypeRetired(reason=checked_reason(reason, f"retire device type {state.name}"))]


def check_unused(name: str, boards: Sequence[str]) -> None:
    """Refuse to retire a type of which there are `boards` that are not retired."""
    if boards:
        raise Rejected(
            f"Device type {name} has boards in use ({', '.join(boards)}): "
            "retire them, or give them another type first."
        )


def checked_config(kind: Kind, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config as it will be stored.

    A board type may leave out what each of its boards says for itself; a VM type must be complete.
    Raises `BadConfig` with all problems.
    """
    if kind == "board":
        checked_board_config(config, partial=True)
    else:
        checked_vm_type_config(config)
    return dict(config)


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


def _in_use(state: DeviceType) -> None:
    if state.retired:
        raise Rejected(
            f"Device type {state.name} is retired ({state.retired}): nothing about it can change any more."
        )
