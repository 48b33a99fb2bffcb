"""Who depends on a device type: types that are based on it, and boards.

Changes look at this in their transaction, once the appends of others have to wait: the read rows are as new
as the log then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from devices import access
from devices.domain import board as boards
from devices.domain import device_type as types
from devices.domain.config import HealthCheck
from devices.domain.device_type import DeviceType
from devices.domain.layers import merged
from devices.domain.parse_config import BadConfig, checked_board_config, known_vm_types
from devices.models import Board as BoardRow
from devices.models import DeviceType as DeviceTypeRow
from devices.states import type_state
from lab.actors import Actor


class BreaksOthers(BadConfig):
    """A configuration that is right by itself, but with which something else could not be used."""

    def __init__(self, kind: str, name: str, bad: BadConfig) -> None:
        what = f"{kind} {name}"
        self.kind, self.name = kind, name
        self.lead = f"With this, {what} could not be used: "
        super().__init__(
            bad.problems, first=f"With this configuration, {what} of the type could not be used:"
        )


def all_types() -> dict[str, DeviceType]:
    """Return all device types there are, also retired ones, by name."""
    return {row.name: type_state(row) for row in DeviceTypeRow.objects.all()}


def chain_of(name: str, known: Mapping[str, DeviceType]) -> list[DeviceType]:
    """Return a type, the one it is based on, and so on, as far as they are known."""
    chain: list[DeviceType] = []
    while (found := known.get(name)) is not None and found not in chain:
        chain.append(found)
        name = found.base
    return chain


def broken_by(name: str) -> Iterator[BreaksOthers]:
    """Find the types based on this one, and boards of one of them, that could not be used now."""
    known = all_types()
    chains = {one: chain_of(one, known) for one in sorted(known)}
    concerned = {one: chain for one, chain in chains.items() if name in (type_.name for type_ in chain)}
    for one, chain in concerned.items():
        if one != name and not chain[0].retired:
            try:
                types.check_layers(chain[0].kind, types.layers(chain))
            except BadConfig as bad:
                yield BreaksOthers("device type", one, bad)
    rows = BoardRow.objects.filter(device_type_id__in=concerned).exclude(state="retired")
    for row in rows.order_by("name"):
        found = boards.layers(concerned[row.device_type_id], row.name, row.config)
        try:
            checked_board_config(merged(found))
        except BadConfig as bad:
            yield BreaksOthers("board", row.name, bad)


def check_unused(name: str, hidden: Callable[[], access.Names]) -> None:
    """Raise `Rejected` if boards in use have this type, or types in use are based on it.

    `hidden`: what the actor may not know of; it is asked only where something is in the way.
    """
    boards_ = BoardRow.objects.filter(device_type_id=name).exclude(state="retired").order_by("name")
    based = DeviceTypeRow.objects.filter(base=name, retired_at=None).order_by("name")
    in_use, bases = [row.name for row in boards_], [row.name for row in based]
    if in_use or bases:
        closed = hidden()
        types.check_unused(
            name, _told(in_use, closed.boards, "a board"), _told(bases, closed.types, "a device type")
        )


def _told(names: Sequence[str], closed: Collection[str], what: str) -> list[str]:
    """Return the names that are not hidden; of all others together, that there are such."""
    known = [name for name in names if name not in closed]
    return known if len(known) == len(names) else [*known, f"{what} that you may not see"]


def check_runs(config: Mapping[str, Any], actor: Actor) -> None:
    """Refuse names in ``runs`` that are no VM types: a typo would make a board silently useless."""
    names = list(DeviceTypeRow.objects.filter(kind="vm").values_list("name", flat=True))
    if known_vm_types(config, names):
        problems = known_vm_types(config, names, access.hidden(actor).types)
        raise BadConfig(problems)


def board_check(name: str) -> HealthCheck | None:
    """Return a board's health check; None: it has none, or there is no such board."""
    row = BoardRow.objects.filter(pk=name).first()
    if row is None:
        return None
    config = merged(boards.layers(chain_of(row.device_type_id, all_types()), row.name, row.config))
    return health_check(config)


def health_check(config: Mapping[str, Any]) -> HealthCheck | None:
    """Return the health check of an effective configuration, which may be wrong elsewhere."""
    found = config.get("health")
    if not isinstance(found, Mapping) or not found.get("definition"):
        return None
    every = found.get("every", 0)
    return HealthCheck(
        definition=str(found["definition"]), every=every if isinstance(every, int | float) else 0
    )
