"""The inventory as somebody may see it: what pages, API, feeds and sockets show comes from here.

`devices.queries` is the lab's own view, for scheduling and running jobs; a contract of imports keeps it out
of everything that shows something to somebody. A board or a type that a viewer may not know of is as if it
were not there. How the lab reaches its machines, and who is in the lists, is for those who administer them
and those with the permission to view them: see `sees_config`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from devices import access, queries
from devices import reservations as reservations_of
from devices.domain.access import RIGHTS, Person, Right, Rules, allows, granted_by
from devices.domain.config import BoardConfig
from devices.domain.errand_events import BoardErrandEnded
from devices.domain.history import Entry
from devices.domain.layers import Layer, Setting
from devices.domain.parse_config import BadConfig
from devices.errand_records import KEPT, Errand
from devices.errand_records import errands as all_errands
from devices.models import Board, DeviceType
from devices.queries import BoardTypeView as BoardTypeView
from devices.queries import BoardView as BoardView
from devices.queries import DeviceTypeView as DeviceTypeView
from devices.queries import VmTypeView as VmTypeView
from devices.reservations import Reservation
from devices.reservations import Stretch as Stretch
from lab.actors import Actor
from lab.kernel.errors import NotFound, NotPermitted

V = TypeVar("V", BoardView, BoardTypeView)
SECRET = ("config", "access", "said", "transcript")
"""Parts of events, and beginnings of changes, that are for those who see the configuration."""
BOARDS_NAMED = ("cloned_from",)
TYPES_NAMED = ("device_type", "base")
"""Parts of events, and changes, that name a board, or a type, which may be hidden by now."""


# -- boards --------------------------------------------------------------------------------------


def boards(viewer: Actor, *, retired: bool = False, device_type: str = "") -> list[BoardView]:
    """All boards, or those of a type, by name; with `retired` also those that are out of the inventory."""
    return known(viewer, queries.board_list(retired=retired, device_type=device_type))


def known(viewer: Actor, boards: Iterable[BoardView]) -> list[BoardView]:
    """Those of these boards that the viewer may know of, as they may see them."""
    access.require_reading(viewer)
    closed = access.hidden(viewer)
    return [_of_known_vms(one, closed) for one in boards if one.name not in closed.boards]


def all_and_known(viewer: Actor) -> tuple[list[BoardView], list[BoardView]]:
    """All boards in use, to plan with, and those that the viewer may know of, to show: read once."""
    every = queries.board_list()
    return every, known(viewer, every)


def names(viewer: Actor) -> tuple[list[str], list[str]]:
    """The names of the boards in use, and of the types of boards: for what offers a choice of them."""
    access.require_reading(viewer)
    closed = access.hidden(viewer)
    boards, types = queries.names_in_use()
    return [one for one in boards if one not in closed.boards], [
        one for one in types if one not in closed.types
    ]


def board(viewer: Actor, name: str) -> BoardView:
    """One board. Raises `NotFound`."""
    require_board(viewer, name)
    return _of_known_vms(queries.board(name), access.hidden(viewer))


def may_know_boards(viewer: Actor, names: Iterable[str]) -> set[str]:
    """Those of these names whose boards the viewer may know of."""
    if not access.may_read(viewer):
        return set()
    return set(names) - access.hidden(viewer).boards


def board_history(
    viewer: Actor, name: str, *, before: int | None = None, limit: int | None = None
) -> list[Entry]:
    """What happened to a board, the newest first; of versions below `before`, at most `limit`.

    Raises `NotFound`.
    """
    require_board(viewer, name)
    entries = queries.board_history(name, before=before, limit=limit)
    return _told(entries, access.hidden(viewer), secrets=sees_config(viewer, name))


def reservations(viewer: Actor, name: str, limit: int | None = None) -> list[Reservation]:
    """Who had a board, the newest first. Raises `NotFound`."""
    require_board(viewer, name)
    return reservations_of.reservations(name, limit)


def last_stretches(viewer: Actor, name: str, limit: int) -> list[Stretch]:
    """What a board was held or out of use for, what lasts or ended last first. Raises `NotFound`."""
    require_board(viewer, name)
    return reservations_of.last_stretches(name, limit)


def connections(viewer: Actor, name: str) -> tuple[BoardConfig | None, list[str]] | None:
    """How the lab reaches a board, and what is wrong with that; None: not for the viewer.

    Without a configuration if it is wrong. Raises `NotFound`.
    """
    require_board(viewer, name)
    if not sees_config(viewer, name):
        return None
    try:
        return queries.effective_config(name), []
    except BadConfig:
        return None, queries.board_problems(name)


def errands(viewer: Actor, name: str, *, limit: int = KEPT) -> list[Errand]:
    """What was done to a board by hand lately, the newest first; with transcripts for whom `sees_config`.

    Raises `NotFound`.
    """
    require_board(viewer, name)
    found = all_errands(name, limit=limit)
    if sees_config(viewer, name):
        return found
    return [
        replace(one, reason="", steps=tuple(replace(step, said="", transcript="") for step in one.steps))
        for one in found
    ]


def sees_config(viewer: Actor, name: str) -> bool:
    """Whether somebody may know how the lab reaches a board, and who is in its lists."""
    return access.has_permission(viewer, "devices.view_board") or access.may(viewer, "administer", name)


def board_config(viewer: Actor, name: str) -> tuple[list[Layer], list[Setting], list[str]] | None:
    """A board's layers, the lowest first, its settings and what is wrong with them; None: not for the viewer.

    Raises `NotFound`.
    """
    require_board(viewer, name)
    if not sees_config(viewer, name):
        return None
    return queries.board_layers(name), queries.board_settings(name), queries.board_problems(name)


def require_board(viewer: Actor, name: str) -> Rules:
    """Return what holds for a board. Raises `NotFound` if there is none that the viewer may know of."""
    access.require_reading(viewer)
    rules = access.board_rules(name)
    one = access.person(viewer)
    if rules is None or not allows(rules, "view", one, everywhere=one.boards):
        raise NotFound(f"There is no board {name!r}.")
    return rules


# -- device types --------------------------------------------------------------------------------


def board_types(viewer: Actor) -> list[BoardTypeView]:
    """The types of boards in use, by name, with the boards that the viewer may know of.

    A type that is hidden is there with those of its boards that say of themselves that they are not.
    """
    access.require_reading(viewer)
    closed = access.hidden(viewer)
    if not closed:
        return queries.board_types()
    shown = []
    for one in queries.board_types():
        known = _of_known_vms(one, closed)
        members = tuple(
            _of_known_vms(board, closed) for board in one.boards if board.name not in closed.boards
        )
        if one.name not in closed.types or members:
            runs = tuple(sorted({vm for member in members for vm in member.runs})) if members else known.runs
            shown.append(replace(known, boards=members, runs=runs))
    return shown


def vm_types(viewer: Actor) -> list[VmTypeView]:
    """The types of virtual machines in use, by name."""
    access.require_reading(viewer)
    closed = access.hidden(viewer).types
    return [one for one in queries.vm_types() if one.name not in closed]


def device_types(viewer: Actor, *, retired: bool = False) -> list[DeviceTypeView]:
    """All device types by name; with `retired` also those that are out of use."""
    access.require_reading(viewer)
    closed = access.hidden(viewer)
    found = [_without(one, closed) for one in queries.device_types(retired=retired)]
    return [one for one in found if one.name not in closed.types or one.boards]


def device_type(viewer: Actor, name: str) -> DeviceTypeView:
    """One device type. Raises `NotFound`."""
    access.require_reading(viewer)
    closed = access.hidden(viewer)
    found = _without(queries.device_type(name), closed)
    if name in closed.types and not found.boards:
        raise NotFound(f"There is no device type {name!r}.")
    return found


def device_type_history(
    viewer: Actor, name: str, *, before: int | None = None, limit: int | None = None
) -> list[Entry]:
    """What happened to a device type, the newest first, as for a board. Raises `NotFound`."""
    device_type(viewer, name)
    entries = queries.device_type_history(name, before=before, limit=limit)
    return _told(entries, access.hidden(viewer), secrets=sees_type_config(viewer, name))


def sees_type_config(viewer: Actor, name: str) -> bool:
    """Whether somebody may know a type's configuration, and who is in its lists."""
    permitted = access.has_permission(viewer, "devices.view_devicetype")
    return permitted or access.may_type(viewer, "administer", name)


def without_config(viewer: Actor) -> access.Names:
    """The boards, and the types, of which somebody may not know that: for who asks about many."""
    of_boards, of_types = (
        access.has_permission(viewer, one) for one in ("devices.view_board", "devices.view_devicetype")
    )
    if of_boards and of_types:
        return access.Names()
    closed = access.lacking(access.person(viewer), "administer")
    nothing = frozenset[str]()
    return access.Names(
        boards=nothing if of_boards else closed.boards, types=nothing if of_types else closed.types
    )


def require_type_config(viewer: Actor, name: str, to_do: str) -> None:
    """Raise `NotFound`, or `NotPermitted` with who can help, for who may not know a type's configuration.

    `to_do` completes "may not …".
    """
    rules = type_access(viewer, name)
    if not sees_type_config(viewer, name):
        who = access.person(viewer).name or "Somebody who is not logged in"
        raise NotPermitted(
            f"{who} may not {to_do}: that needs the permission devices.view_devicetype, or the right to "
            f"administer device type {name}, which {rules.granted_by} can grant."
        )


def type_config(viewer: Actor, name: str) -> tuple[list[Layer], list[Setting]] | None:
    """A type's layers, the lowest first, and its settings; None: not for the viewer. Raises `NotFound`."""
    device_type(viewer, name)
    if not sees_type_config(viewer, name):
        return None
    return queries.type_layers(name), queries.type_settings(name)


# -- rights, to show -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessView:
    """Who may do what with a board or a type, as somebody may see it."""

    own: dict[str, list[str]] | None
    """What it says itself; None: that is not for the viewer."""
    effective: dict[str, list[str]] | None
    """The same with what it leaves to its type and the lab to say."""
    rights: tuple[Right, ...]
    """The viewer's."""
    granted_by: str
    """Who can put somebody on a list, in words."""
    version: int
    """Of the stream."""


def board_access(viewer: Actor, name: str) -> AccessView:
    """Who may do what with a board. Raises `NotFound`."""
    rules = require_board(viewer, name)
    row = Board.objects.get(pk=name)
    one = access.person(viewer)
    rights = _rights(rules, one, one.boards)
    return _access_view(row, rules, rights, shows=sees_config(viewer, name))


def type_access(viewer: Actor, name: str) -> AccessView:
    """Who may do what with a device type. Raises `NotFound`."""
    device_type(viewer, name)
    rules = access.type_rules(name) or Rules()
    row = DeviceType.objects.get(pk=name)
    one = access.person(viewer)
    rights = _rights(rules, one, one.types)
    return _access_view(row, rules, rights, shows=sees_type_config(viewer, name))


def board_rights(viewer: Actor, name: str) -> set[Right]:
    """What somebody may do with a board: for what a page offers. Commands check again."""
    rules = access.board_rules(name)
    one = access.person(viewer)
    return set(_rights(rules, one, one.boards)) if rules is not None else set()


def _rights(rules: Rules, one: Person, everywhere: Iterable[Right]) -> tuple[Right, ...]:
    return tuple(right for right in RIGHTS if allows(rules, right, one, everywhere=everywhere))


def _access_view(
    row: Board | DeviceType, rules: Rules, rights: tuple[Right, ...], *, shows: bool
) -> AccessView:
    effective: dict[str, list[str]] = {
        right: list(getattr(rules, right)) for right in RIGHTS if getattr(rules, right)
    }
    return AccessView(
        own=row.access if shows else None,
        effective=effective if shows else None,
        rights=rights,
        granted_by=granted_by(rules),
        version=row.version,
    )


def _of_known_vms(one: V, closed: access.Names) -> V:
    """The same without the VM types that are hidden among those that it runs."""
    if closed.types.isdisjoint(one.runs):
        return one
    return replace(one, runs=tuple(name for name in one.runs if name not in closed.types))


def _without(one: DeviceTypeView, closed: access.Names) -> DeviceTypeView:
    if not closed:
        return one
    return replace(
        one,
        chain=tuple(name for name in one.chain if name == one.name or name not in closed.types),
        based_on_it=tuple(name for name in one.based_on_it if name not in closed.types),
        boards=tuple(name for name in one.boards if name not in closed.boards),
    )


def _told(entries: list[Entry], closed: access.Names, *, secrets: bool) -> list[Entry]:
    """Return a history without the names that are hidden and, unless the reader may know them, secrets."""
    if secrets and not closed:
        return entries
    return [_entry(one, closed, secrets=secrets) for one in entries]


def _entry(entry: Entry, closed: access.Names, *, secrets: bool) -> Entry:
    kept = []
    for one in entry.changes:
        key = one.what.replace(" ", "_")
        if not _is_hidden(key, one.new, closed) and (secrets or not is_secret(one.what)):
            kept.append(replace(one, old=None) if _is_hidden(key, one.old, closed) else one)
    hides_why = not secrets and entry.type == BoardErrandEnded.type
    return replace(entry, changes=tuple(kept), why="" if hides_why else entry.why)


def is_secret(what: str) -> bool:
    """Whether a changed value is told only to those who see the configuration."""
    return what.partition(".")[0] in SECRET


def public_data(type_: str, data: dict[str, Any]) -> dict[str, Any]:
    """The data of an event of a type, without what only those may know who see the configuration."""
    kept = {key: value for key, value in data.items() if key not in SECRET}
    if type_ == BoardErrandEnded.type:
        kept["reason"] = ""  # older ones quote errors, with addresses in them
    changes = kept.get("changes")
    if isinstance(changes, dict):
        kept["changes"] = {key: value for key, value in changes.items() if key not in SECRET}
    return kept


def known_data(data: dict[str, Any], closed: access.Names) -> dict[str, Any]:
    """The data of an event, without the names that are hidden."""
    kept = {key: "" if _is_hidden(key, value, closed) else value for key, value in data.items()}
    changes = kept.get("changes")
    if isinstance(changes, dict):
        kept["changes"] = {key: value for key, value in changes.items() if not _is_hidden(key, value, closed)}
    return kept


def _is_hidden(key: str, value: Any, closed: access.Names) -> bool:
    """Whether this, which stands under this key, is a name that is hidden."""
    if key in BOARDS_NAMED:
        return value in closed.boards
    return key in TYPES_NAMED and value in closed.types
