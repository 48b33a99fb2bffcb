"""Everything that can be done to device types; pages, admin, command line and tasks all call these.

Each command checks that the actor may do it (see `lab.actors`, `devices.access`) and decides as
`devices.deciding` says. Permissions: ``devices.add_devicetype``, ``devices.change_devicetype``; to retire
``devices.delete_devicetype``. Who has the right `administer` in the lists of a type can do without.

All raise `Rejected` with a sentence for the user: `NotPermitted`, `NotFound`, or a broken rule; `BadConfig`
carries the problems of a configuration one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from devices import seen
from devices.access import check_key, check_people, hidden, permit_type, type_access
from devices.deciding import Decision, Lists, chain_of, check_named, check_unedited, meta_of, perform
from devices.dependents import broken_by, check_unused
from devices.domain import device_type as types
from devices.domain.device_type import DeviceType
from devices.domain.events import DeviceTypeChanged
from devices.loading import load_device_type
from lab.actors import Actor
from lab.kernel.aggregate import Loaded
from lab.kernel.errors import Rejected
from lab.kernel.events import Event, Meta


def register_device_type(
    name: str,
    kind: str,
    description: str,
    config: Mapping[str, Any],
    *,
    base: str = "",
    access: Lists | None = None,
    actor: Actor,
    cause: str = "",
) -> None:
    """Register a type of boards (``board``) or of virtual machines (``vm``).

    `base` names the type whose configuration this one's is laid over; the actor must be one who may see that.
    `access`: who may do what with it.
    """
    meta = meta_of(actor, "devices.add_devicetype", "register device types", cause)
    if base:
        seen.require_type_config(actor, base, f"base a device type on {base}")

    def decide(found: Loaded[DeviceType]) -> Decision:
        chain = chain_of(base)
        events = types.register(
            found.state,
            name=name,
            kind=kind,
            description=description,
            config=config,
            bases=[one.state for one in chain],
            access=access,
        )
        check_named(config, actor)
        check_people(access or {}, {})
        return Decision(events=events, relies_on=chain)

    perform(lambda: load_device_type(name), decide, meta)


def change_device_type(
    name: str,
    *,
    description: str | None = None,
    config: Mapping[str, Any] | None = None,
    base: str | None = None,
    reason: str = "",
    actor: Actor,
    cause: str = "",
    expected_version: int | None = None,
) -> None:
    """Change what is given; `base` empty: it is based on nothing any more.

    Another base must be one whose configuration the actor may see: it becomes a part of this one's. Refused
    where a board of the type, or a type that is based on it, could not be used with that.
    """
    meta = _type_meta(actor, name, "devices.change_devicetype", f"change device type {name}", cause)

    def decide(found: Loaded[DeviceType]) -> Decision:
        state = types.exists(found.state, name)
        check_unedited(found, expected_version, f"Device type {name}")
        if base and base != state.base:
            seen.require_type_config(actor, base, f"base device type {name} on {base}")
        chain = chain_of(state.base if base is None else base)
        bases = [one.state for one in chain]
        events = types.change(
            state,
            description=description,
            config=config,
            bases=None if base is None else bases,
            under=bases,
            reason=reason,
        )
        check_named(config or {}, actor)
        if not any({"config", "base"} & event.changes.keys() for event in events if _is_change(event)):
            return Decision(events=events)
        return Decision(events=events, relies_on=chain, verify=lambda: _check_dependents(name, actor))

    perform(lambda: load_device_type(name), decide, meta)


def change_device_type_access(
    name: str,
    access: Lists,
    reason: str = "",
    *,
    actor: Actor,
    cause: str = "",
    expected_version: int | None = None,
) -> None:
    """Say who may do what with a type and its boards, by right: all lists; those left out say nothing."""
    meta = _type_meta(
        actor, name, "devices.change_devicetype", f"change the access of device type {name}", cause
    )

    def decide(found: Loaded[DeviceType]) -> list[Event]:
        state = types.exists(found.state, name)
        check_unedited(found, expected_version, f"Device type {name}")
        events = types.change_access(state, access, reason)
        check_people(access, state.access)
        check_key(actor, "devices.change_devicetype", [access, *type_access(state.base)])
        return events

    perform(lambda: load_device_type(name), decide, meta)


def retire_device_type(name: str, reason: str, *, actor: Actor, cause: str = "") -> None:
    """Take a type out of use for good. It must have no boards in use; its history stays."""
    meta = _type_meta(actor, name, "devices.delete_devicetype", f"retire device type {name}", cause)

    def decide(found: Loaded[DeviceType]) -> Decision:
        events = types.retire(types.exists(found.state, name), reason)
        return Decision(events=events, verify=lambda: check_unused(name, lambda: hidden(actor)))

    perform(lambda: load_device_type(name), decide, meta)


def _type_meta(actor: Actor, name: str, permission: str, to_do: str, cause: str) -> Meta:
    return Meta(actor=permit_type(actor, "administer", name, permission, to_do), cause=cause)


def _check_dependents(name: str, actor: Actor) -> None:
    """Raise `Rejected` if something else could not be used with this: told as the actor may know it."""
    unseen = ""
    for number, one in enumerate(broken_by(name)):
        if not number:
            closed, secret = hidden(actor), seen.without_config(actor)
        of_boards = one.kind == "board"
        if one.name in (closed.boards if of_boards else closed.types):
            unseen = unseen or f"a {one.kind} that you may not see"
        elif one.name in (secret.boards if of_boards else secret.types):
            unseen = f"{one.kind} {one.name}, whose configuration you may not see,"
        else:
            raise one
    if unseen:
        raise Rejected(
            f"With this configuration, {unseen} could not be used: ask somebody who may see it to look at "
            "this change."
        )


def _is_change(event: Event) -> TypeGuard[DeviceTypeChanged]:
    return isinstance(event, DeviceTypeChanged)
