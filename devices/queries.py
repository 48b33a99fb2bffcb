"""What others see of the inventory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from devices.dependents import all_types, chain_of, health_check
from devices.domain import board as boards
from devices.domain import device_type as types
from devices.domain.config import BoardConfig, VmTypeConfig
from devices.domain.layers import Layer, Setting, merged, settings, traced
from devices.domain.parse_config import BadConfig, checked_board_config, checked_vm_type_config
from devices.histories import board_history, device_type_history
from devices.models import Board, DeviceType
from lab.kernel.errors import NotFound

__all__ = [
    "BoardTypeView",
    "BoardView",
    "DeviceTypeView",
    "VmTypeView",
    "board",
    "board_history",
    "board_layers",
    "board_list",
    "board_problems",
    "board_settings",
    "board_types",
    "boards_for_scheduling",
    "device_type",
    "device_type_history",
    "device_types",
    "effective_config",
    "names_in_use",
    "type_layers",
    "type_settings",
    "vm_type_config",
    "vm_types",
]

SHOWN = ("runs", "health")
"""Keys of the configuration that views tell about."""
NOT_SHOWN = (
    "access",
    "registered_at",
    "changed_at",
    "offline_since",
    "health_since",
    "errand_until",
    "retired_at",
)
"""Fields that views need not read: for 500 boards a third of the time."""
CLOSED = ("retired", "reserved", "quarantined", "offline")
"""States in which not even its health check can have a board."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardView:
    """A board as scheduling and pages see it."""

    name: str
    device_type: str
    site: str
    tags: tuple[str, ...]
    state: str
    """free, reserved, unhealthy, unchecked, offline, quarantined or retired. Reserved wins: see `reason`."""
    reason: str
    """Why no job can have it now, in words; empty: it can be reserved."""
    held_by_job: int | None
    held_since: datetime | None
    errand: bool
    """Somebody has it tested, switched or types on it."""
    offline: bool
    """Out of use; it may still be held by the job it was running."""
    health: str
    """unknown, good or bad."""
    health_reason: str
    health_job: int | None
    """The job that found it out, if one did."""
    closed: str
    """Why not even its health check can have it now, in words."""
    check: str
    """Why its health is to be checked; empty: it need not be."""
    check_job: int | None
    """The job that checks it, queued or running."""
    checked_at: datetime | None
    """When a health check last ended."""
    check_every: float | None
    """Hours from one health check to the next, 0: only on demand and after repair; None: it has none."""
    runs: tuple[str, ...]
    """The VM types it can run."""
    description: str
    version: int
    """Of the board's stream."""

    @property
    def free(self) -> bool:
        """Whether a job can have it now."""
        return not self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardTypeView:
    """A type of boards that is not retired, as definitions see it."""

    name: str
    description: str
    runs: tuple[str, ...]
    """VM types that at least one of its boards can run."""
    boards: tuple[BoardView, ...]
    """Those that are not retired."""
    deploy: str
    """How an image gets onto its boards; ``none``: the installed system is used as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTypeView:
    """A device type of either kind, retired or not, as people see it."""

    name: str
    kind: str
    description: str
    chain: tuple[str, ...]
    """Its name, that of the type it is based on, and so on."""
    based_on_it: tuple[str, ...]
    """Types in use that are based on it, directly."""
    boards: tuple[str, ...]
    """Boards in use that have it."""
    retired: str
    version: int
    """Of the type's stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmTypeView:
    """A type of virtual machines that is not retired."""

    name: str
    description: str
    config: VmTypeConfig


def boards_for_scheduling() -> list[BoardView]:
    """All boards that are not retired, by name."""
    return _views(_in_use())


def names_in_use() -> tuple[list[str], list[str]]:
    """The names of the boards that are not retired, and of the types of boards, in order."""
    types = DeviceType.objects.filter(kind="board", retired_at=None).order_by("name")
    return list(_in_use().values_list("name", flat=True)), list(types.values_list("name", flat=True))


def board_list(*, retired: bool = False, device_type: str = "") -> list[BoardView]:
    """All boards, or those of a type, by name, for people; with `retired` also those that are out of the
    inventory.
    """
    rows = Board.objects.order_by("name") if retired else _in_use()
    return _views(rows.filter(device_type=device_type) if device_type else rows)


def board(name: str) -> BoardView:
    """One board. Raises `NotFound`."""
    found = _views(Board.objects.filter(pk=name))
    if not found:
        raise NotFound(f"There is no board {name!r}.")
    return found[0]


def board_types() -> list[BoardTypeView]:
    """The types of boards that are not retired, by name, each with its boards."""
    known = all_types()
    by_type: dict[str, list[BoardView]] = {}
    for view in boards_for_scheduling():
        by_type.setdefault(view.device_type, []).append(view)
    result = []
    for row in DeviceType.objects.filter(kind="board", retired_at=None).order_by("name"):
        members = tuple(by_type.get(row.name, ()))
        config = types.whole(chain_of(row.name, known)).config
        runs = {vm for member in members for vm in member.runs} if members else set(_runs(config))
        result.append(
            BoardTypeView(
                name=row.name,
                description=row.description,
                runs=tuple(sorted(runs)),
                boards=members,
                deploy=str(config.get("deploy", "none")),
            )
        )
    return result


def vm_types() -> list[VmTypeView]:
    """The types of virtual machines that are not retired, by name."""
    rows = DeviceType.objects.filter(kind="vm", retired_at=None).order_by("name")
    known = all_types()
    return [
        VmTypeView(
            name=row.name,
            description=row.description,
            config=checked_vm_type_config(merged(types.layers(chain_of(row.name, known)))),
        )
        for row in rows
    ]


def effective_config(name: str) -> BoardConfig:
    """The configuration a board is used with: its type's with its own laid over it.

    Raises `NotFound`, or `BadConfig` if a rule that is newer than the stored configuration refuses it.
    """
    config = checked_board_config(merged(board_layers(name)))
    assert config is not None  # only a partial one may be
    return config


def device_types(*, retired: bool = False) -> list[DeviceTypeView]:
    """All device types by name; with `retired` also those that are out of use."""
    known = all_types()
    by_type: dict[str, list[str]] = {}
    for name, type_ in _in_use().values_list("name", "device_type_id"):
        by_type.setdefault(type_, []).append(name)
    rows = list(DeviceType.objects.order_by("name"))
    based: dict[str, list[str]] = {}
    for row in rows:
        if row.retired_at is None:
            based.setdefault(row.base, []).append(row.name)
    return [
        DeviceTypeView(
            name=row.name,
            kind=row.kind,
            description=row.description,
            chain=tuple(one.name for one in chain_of(row.name, known)),
            based_on_it=tuple(based.get(row.name, ())),
            boards=tuple(by_type.get(row.name, ())),
            retired=row.retired_reason,
            version=row.version,
        )
        for row in rows
        if retired or row.retired_at is None
    ]


def device_type(name: str) -> DeviceTypeView:
    """One device type. Raises `NotFound`."""
    row = _type(name)
    based = DeviceType.objects.filter(base=name, retired_at=None).order_by("name")
    members = Board.objects.filter(device_type_id=name).exclude(state="retired").order_by("name")
    return DeviceTypeView(
        name=row.name,
        kind=row.kind,
        description=row.description,
        chain=tuple(one.name for one in chain_of(name, all_types())),
        based_on_it=tuple(based.values_list("name", flat=True)),
        boards=tuple(members.values_list("name", flat=True)),
        retired=row.retired_reason,
        version=row.version,
    )


def board_layers(name: str) -> list[Layer]:
    """What a board's type, what that is based on, and the board itself say; the lowest first."""
    row = _board(name)
    return boards.layers(chain_of(row.device_type_id, all_types()), row.name, row.config)


def type_layers(name: str) -> list[Layer]:
    """What a type and what it is based on say; the lowest first. Raises `NotFound`."""
    return types.layers(chain_of(_type(name).name, all_types()))


def board_settings(name: str) -> list[Setting]:
    """Every setting of a board with where it comes from, whether they are right or not. Raises `NotFound`."""
    return settings(BoardConfig, board_layers(name))


def board_problems(name: str) -> list[str]:
    """What is wrong with a board's effective configuration, for a rule may be newer than it."""
    layers = board_layers(name)
    try:
        checked_board_config(merged(layers))
    except BadConfig as bad:
        return [str(problem) for problem in traced(bad.problems, layers)]
    return []


def type_settings(name: str) -> list[Setting]:
    """Every setting of a type with where it comes from. Raises `NotFound`."""
    return settings(VmTypeConfig if _type(name).kind == "vm" else BoardConfig, type_layers(name))


def vm_type_config(name: str) -> VmTypeConfig:
    """The configuration of a type of virtual machines, retired or not. Raises `NotFound` or `BadConfig`."""
    if not DeviceType.objects.filter(pk=name, kind="vm").exists():
        raise NotFound(f"There is no type of virtual machines named {name!r}.")
    return checked_vm_type_config(merged(type_layers(name)))


def _in_use() -> QuerySet[Board]:
    return Board.objects.exclude(state="retired").order_by("name")


def _board(name: str) -> Board:
    row = Board.objects.filter(pk=name).first()
    if row is None:
        raise NotFound(f"There is no board {name!r}.")
    return row


def _type(name: str) -> DeviceType:
    row = DeviceType.objects.filter(pk=name).first()
    if row is None:
        raise NotFound(f"There is no device type {name!r}.")
    return row


def _views(rows: QuerySet[Board]) -> list[BoardView]:
    known = all_types()
    bases = {name: merged(types.layers(chain_of(name, known))) for name in known}
    return [_view(row, _shown_config(row, known, bases)) for row in rows.defer(*NOT_SHOWN)]


def _shown_config(
    row: Board, known: Mapping[str, types.DeviceType], bases: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Return the effective configuration as far as views show it: few boards say something about that."""
    if row.config.keys().isdisjoint(SHOWN) and row.device_type_id in bases:
        return bases[row.device_type_id]
    return merged(boards.layers(chain_of(row.device_type_id, known), row.name, row.config))


def _view(row: Board, effective: Mapping[str, Any]) -> BoardView:
    health = health_check(effective)
    return BoardView(
        name=row.name,
        device_type=row.device_type_id,
        site=row.site,
        tags=tuple(row.tags),
        state=row.state,
        reason=row.refusal,
        held_by_job=row.held_by,
        held_since=row.held_since,
        errand=row.errand is not None,
        offline=bool(row.offline_reason),
        health=row.health,
        health_reason=row.health_reason,
        health_job=row.health_job,
        closed=row.refusal if row.state in CLOSED else "",
        check=row.check_reason,
        check_job=row.check_job,
        checked_at=row.checked_at,
        check_every=health.every if health else None,
        runs=_runs(effective),
        description=row.description,
        version=row.version,
    )


def _runs(config: Mapping[str, Any]) -> tuple[str, ...]:
    found = config.get("runs", ())
    return tuple(found) if isinstance(found, list | tuple) else ()
