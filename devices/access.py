"""Who may do what with the boards and device types that there are: `devices.domain.access` on the tables.

``may(user, "console", "board-7")`` answers for one board, ``may_type(user, "use", "arndale")`` for one type;
`permit` is for commands; `hidden` and `barred` answer for all boards at once, in a handful of queries. Who
wants to *show* something of the inventory asks `devices.seen`.

Somebody is a user, a visitor (`AnonymousUser`), or, as for commands (`lab.actors`), Labbook itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, PermissionsMixin

from devices.domain.access import RIGHTS, Access, Person, Right, Rules, allows, granted_by, named, resolve
from devices.models import Board, DeviceType
from lab.actors import Actor, authorise
from lab.kernel.errors import NotFound, NotPermitted, Rejected

BoardRow = tuple[str, str, Access]
"""Name, type, lists of its own."""
EVERYTHING = frozenset(RIGHTS)
VIEW: frozenset[Right] = frozenset({"view"})
BOARD_VIEWERS = ("devices.view_board", "devices.add_board", "devices.delete_board")
TYPE_VIEWERS = ("devices.view_devicetype", "devices.add_devicetype", "devices.delete_devicetype")


# -- who somebody is -----------------------------------------------------------------------------


def person(viewer: Actor) -> Person:
    """What rules look at. Django's permissions, and being staff, hold in the whole lab."""
    if isinstance(viewer, str):
        return Person(name=viewer, known=True, reads=True, boards=EVERYTHING, types=EVERYTHING)
    if not (viewer.is_authenticated and viewer.is_active):
        return Person(reads=settings.LABBOOK["ANONYMOUS_READ"])
    name = viewer.get_username()
    own = {f"user:{name}"}
    if viewer.pk is not None:  # an account that is kept nowhere has no groups
        own |= {f"group:{one}" for one in group_names(viewer)}
    return Person(
        name=name,
        entries=frozenset(own),
        known=True,
        reads=True,
        boards=_everywhere(viewer, "devices.change_board", BOARD_VIEWERS),
        types=_everywhere(viewer, "devices.change_devicetype", TYPE_VIEWERS),
    )


def person_named(name: str) -> Person:
    """The same of who has this login name; of an account that is gone nothing but the name counts."""
    user = get_user_model().objects.filter(username=name, is_active=True).first()
    if user is None:
        return Person(name=name, entries=frozenset({f"user:{name}"}), known=True, reads=True)
    return person(user)


def group_names(viewer: Actor) -> list[str]:
    """The groups somebody is in."""
    if not isinstance(viewer, PermissionsMixin):
        return []
    return list(viewer.groups.values_list("name", flat=True))


def has_permission(viewer: Actor, permission: str) -> bool:
    """Whether somebody has one of Django's permissions. Visitors have none, Labbook itself has all."""
    return isinstance(viewer, str) or (isinstance(viewer, PermissionsMixin) and viewer.has_perm(permission))


def may_read(viewer: Actor) -> bool:
    """Whether somebody may see what everybody may see."""
    return isinstance(viewer, str) or person(viewer).reads


def require_reading(viewer: Actor) -> None:
    """Raise `NotPermitted` for visitors where the lab is not open to them."""
    known = not isinstance(viewer, str) and viewer.is_authenticated and viewer.is_active
    if not (known or isinstance(viewer, str) or settings.LABBOOK["ANONYMOUS_READ"]):
        raise NotPermitted("This lab shows nothing to visitors: log in.")


# -- one board, one type -------------------------------------------------------------------------


def may(viewer: Actor, right: Right, board: str, *, own: bool = False) -> bool:
    """Whether somebody has a right on a board. `own`: in a job of the viewer's own, which counts for
    ``console``. False for a board that there is not.
    """
    return person_may(person(viewer), right, board, own=own)


def person_may(one: Person, right: Right, board: str, *, own: bool = False) -> bool:
    """The same of a person."""
    rules = board_rules(board)
    return rules is not None and allows(rules, right, one, everywhere=one.boards, own=own)


def may_type(viewer: Actor, right: Right, device_type: str) -> bool:
    """The same for a device type. To know of one, or use it, that right on one of its boards is enough."""
    return DeviceType.objects.filter(pk=device_type).exists() and (
        device_type not in lacking(person(viewer), right).types
    )


def board_rules(name: str) -> Rules | None:
    """What holds for a board; None: there is no such board."""
    row = Board.objects.filter(pk=name).values_list("device_type_id", "access").first()
    return None if row is None else Lists().of_board(*row)


def type_rules(name: str) -> Rules | None:
    """What holds for a device type; None: there is no such type."""
    lists = Lists()
    return lists.of_type(name) if name in lists else None


def permit(actor: Actor, right: Right, board: str, permission: str, to_do: str) -> str:
    """Return the actor's name for the log, if the actor has a right on a board, or a permission in the lab.

    `to_do` completes "may not …". Raises `NotFound` for a board that the actor may not know of, and
    `NotPermitted` with the names of those who can help.
    """
    found = None if has_permission(actor, permission) else board_rules(board)
    return _permitted(actor, right, f"board {board}", permission, to_do, found)


def permit_type(actor: Actor, right: Right, device_type: str, permission: str, to_do: str) -> str:
    """The same for a device type."""
    found = None if has_permission(actor, permission) else type_rules(device_type)
    return _permitted(actor, right, f"device type {device_type}", permission, to_do, found)


def check_people(access: Access, before: Access) -> None:
    """Raise `Rejected` for users and groups that there are not: a typo would shut somebody out.

    Those that were in the lists `before` may stay, whatever became of them.
    """
    for kind, known in (("user", get_user_model().objects), ("group", Group.objects)):
        new = named(access, kind) - named(before, kind)  # type: ignore[arg-type]
        field = "username" if kind == "user" else "name"
        there = set(known.filter(**{f"{field}__in": new}).values_list(field, flat=True))
        if missing := sorted(new - there):
            raise Rejected(f"access: there is no {kind} {missing[0]!r}.")


def check_key(actor: Actor, permission: str, layers: list[Access]) -> None:
    """Raise `Rejected` if, with these lists, the actor could not change them back."""
    if not has_permission(actor, permission):
        alone = replace(person(actor), boards=frozenset(), types=frozenset())
        if not allows(resolve(layers), "administer", alone):
            raise Rejected(
                f"With this you could not change it back: keep user:{alone.name} or a group of yours in the "
                "list administer, or ask one of the others there to take you off."
            )


def type_access(name: str) -> list[Access]:
    """The lists that hold where something of this type, or based on it, says nothing; the nearest first."""
    return Lists().layers_of(name)


# -- all of them ---------------------------------------------------------------------------------


class Lists:
    """The lists of all device types, and what they make of a board's: read once, asked often."""

    def __init__(self) -> None:
        rows = DeviceType.objects.values_list("name", "base", "access")
        self._rows: dict[str, tuple[str, Access]] = {name: (base, access) for name, base, access in rows}
        self._layers: dict[str, list[Access]] = {}
        self._lab: Access = settings.LABBOOK["ACCESS"]

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def of_type(self, name: str) -> Rules:
        """What holds for a type. For one that there is not, what the lab says."""
        return resolve(self.layers_of(name))

    def of_board(self, device_type: str, access: Access) -> Rules:
        """What holds for a board of this type with these lists of its own."""
        return resolve([access, *self.layers_of(device_type)])

    def layers_of(self, name: str) -> list[Access]:
        """The lists of a type, of what it is based on, and of the lab."""
        if name not in self._layers:
            chain: list[str] = []
            here = name
            while here in self._rows and here not in chain:
                chain.append(here)
                here = self._rows[here][0]
            self._layers[name] = [*(self._rows[one][1] for one in chain), self._lab]
        return self._layers[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Boards and device types, retired ones as well."""

    boards: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.boards or self.types)


def hidden(viewer: Actor) -> Names:
    """What somebody may not know of. Mostly nothing: then queries need not look at boards at all."""
    return lacking(person(viewer), "view")


def lacking(one: Person, right: Right) -> Names:
    """The boards, and the types, on which a person does not have a right.

    To know of a type, or to use it, it is enough that one of its boards may be known of or used.
    """
    if right in one.boards and right in one.types:
        return Names()
    return _lacking(one, right, _Everything())


def listed(viewer: Actor, right: Right) -> Names:
    """The boards, and the types, on which somebody has a right by their lists, whatever holds in the lab."""
    one = person(viewer)
    without = lacking(replace(one, boards=one.boards & VIEW, types=one.types & VIEW), right)
    boards = Board.objects.exclude(name__in=without.boards).values_list("name", flat=True)
    types = DeviceType.objects.exclude(name__in=without.types).values_list("name", flat=True)
    return Names(boards=frozenset(boards), types=frozenset(types))


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """What somebody may not run jobs on, with who can grant it, in words."""

    boards: Mapping[str, str]
    types: Mapping[str, str]
    """Those, too, of which no board may be used."""


def barred(*people: Person) -> list[Barred]:
    """What each of these people may not run jobs on."""
    lab = _Everything()
    found = []
    for one in people:
        closed = _lacking(one, "use", lab)
        boards = {
            name: granted_by(lab.lists.of_board(type_, own))
            for name, type_, own in (lab.boards if closed.boards else ())
            if name in closed.boards
        }
        types = {name: granted_by(lab.lists.of_type(name)) for name in closed.types}
        found.append(Barred(boards=boards, types=types))
    return found


def limits_use() -> bool:
    """Whether anything anywhere says who may use or see what: mostly not, and then everybody may use all."""
    if any(settings.LABBOOK["ACCESS"].values()):
        return True
    return any(rows.exclude(access={}).exists() for rows in (Board.objects, DeviceType.objects))


# -- inside --------------------------------------------------------------------------------------


class _Everything:
    """All types and boards with their lists, read once and no more of them than needed."""

    def __init__(self) -> None:
        self.lists = Lists()
        self._rows = Board.objects.values_list("name", "device_type_id", "access")

    @cached_property
    def peculiar(self) -> list[BoardRow]:
        """The boards with lists of their own: mostly none, or a few."""
        return list(self._rows.exclude(access={}))

    @cached_property
    def boards(self) -> list[BoardRow]:
        return list(self._rows)


def _lacking(one: Person, right: Right, lab: _Everything) -> Names:
    if right in one.boards and right in one.types:
        return Names()
    plain = {name: lab.lists.of_type(name) for name in lab.lists}
    types = {name for name, rules in plain.items() if not allows(rules, right, one, everywhere=one.types)}
    # A board without lists of its own is as its type says.
    closed = {name for name, rules in plain.items() if not allows(rules, right, one, everywhere=one.boards)}
    rows = lab.boards if types or closed else lab.peculiar
    boards = {
        name
        for name, type_, own in rows
        if (
            not allows(lab.lists.of_board(type_, own), right, one, everywhere=one.boards)
            if own
            else type_ in closed
        )
    }
    if right in ("view", "use"):
        types -= {type_ for name, type_, _ in rows if name not in boards}
    return Names(boards=frozenset(boards), types=frozenset(types))


def _everywhere(viewer: Any, all_of_it: str, viewers: Iterable[str]) -> frozenset[Right]:
    if not isinstance(viewer, PermissionsMixin):
        return frozenset()
    if viewer.has_perm(all_of_it):
        return EVERYTHING
    if getattr(viewer, "is_staff", False) or any(viewer.has_perm(one) for one in viewers):
        return VIEW
    return frozenset()


def _permitted(
    actor: Actor, right: Right, what: str, permission: str, to_do: str, rules: Rules | None
) -> str:
    if has_permission(actor, permission):
        return authorise(actor, permission, to_do)
    one = person(actor)
    if not one.known:
        raise NotPermitted(f"Somebody who is not logged in may not {to_do}.")
    everywhere = one.boards if what.startswith("board ") else one.types
    if rules is None or not allows(rules, "view", one, everywhere=everywhere):
        kind, _, name = what.rpartition(" ")
        raise NotFound(f"There is no {kind} {name!r}.")
    # Only the lists: a permission for something else in the lab is none for this.
    if not allows(rules, right, one, everywhere=everywhere & VIEW):
        raise NotPermitted(
            f"{one.name} may not {to_do}: that needs the permission {permission}, or the right to {right} "
            f"{what}, which {granted_by(rules)} can grant."
        )
    return one.name
