"""A machine of the inventory that can host a job: who holds it, whether it may be used, its rules.

Deciders take the state and return the events, or raise `Rejected`; only `apply` changes state. `reserve`,
`release` and `quarantine` are for those who append a board's and a job's stream in one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from devices.domain import device_type as types
from devices.domain.access import checked_access
from devices.domain.device_type import DeviceType
from devices.domain.errand_events import BoardErrandEnded, BoardErrandRequested, BoardErrandStarted
from devices.domain.events import (
    BoardAccessChanged,
    BoardBroughtOnline,
    BoardChanged,
    BoardCheckQueued,
    BoardCheckRequested,
    BoardCheckUndecided,
    BoardHealthChanged,
    BoardPowerSwitched,
    BoardRegistered,
    BoardReleased,
    BoardReserved,
    BoardRetired,
    BoardTakenOffline,
    Health,
)
from devices.domain.layers import Layer, merged, traced
from devices.domain.names import (
    checked_description,
    checked_name,
    checked_reason,
    checked_tags,
    optional_reason,
    storable,
)
from devices.domain.parse_config import BadConfig, checked_board_config
from lab.kernel.errors import NotFound, Rejected
from lab.kernel.events import Event

State = Literal["free", "reserved", "unhealthy", "unchecked", "offline", "quarantined", "retired"]
OFFLINE_BEFORE = "it was offline before"
HELD_FAST = ("device_type", "site", "config")
"""What a running job relies on until its clean-up is done."""
NO_CHECK: dict[str, Any] = {"check": "", "check_first": False, "check_job": None, "check_attempts": 0}


def stream(name: str) -> str:
    return f"board/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What is known of a board. `name` is empty before it is registered."""

    name: str = ""
    device_type: str = ""
    site: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    access: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Who may do what with it; what it leaves out its type says. See `devices.domain.access`."""
    held_by: int | None = None
    """The job that has it reserved."""
    offline: str = ""
    """The reason for being out of use; empty while online."""
    quarantined: bool = False
    """Offline because it could not be proven clean."""
    health: Health = "unknown"
    health_reason: str = ""
    health_job: int | None = None
    """The job that found it out, if one did."""
    check: str = ""
    """Why its health is to be checked; empty: it need not be."""
    check_first: bool = False
    """No other job gets it before it has passed that check."""
    check_job: int | None = None
    """The job that checks it, queued or running."""
    check_attempts: int = 0
    """How many jobs were queued for this check."""
    errand: int | None = None
    """What a worker does to it at somebody's request, while no job gets it: see `devices.domain.errand`."""
    errand_what: str = ""
    errand_worker: str = ""
    """Who has begun it; empty: nobody yet."""
    errand_by: str = ""
    """Who types on its console; empty where that is not the errand."""
    retired: str = ""
    """The reason; empty while it is in use."""

    @property
    def state(self) -> State:
        """The one word for it. A board may be offline *and* still held by the job it was running."""
        if self.retired:
            return "retired"
        if self.held_by is not None:
            return "reserved"
        if self.offline:
            return "quarantined" if self.quarantined else "offline"
        if self.errand is not None:
            return "reserved"
        if self.health == "bad":
            return "unhealthy"
        return "unchecked" if self.check_first else "free"

    @property
    def refusal(self) -> str:
        """Why no job can have it now, in words; empty: it can be reserved. Not so for its health check."""
        if self.closed:
            return self.closed
        if self.health == "bad":
            return f"unhealthy: {self.health_reason}"
        if self.check_first:
            job = "" if self.check_job is None else f", job {self.check_job}"
            return f"waiting for its health check{job}: {self.check}"
        return ""

    @property
    def closed(self) -> str:
        """Why not even its health check can have it now, in words."""
        if self.retired:
            return f"retired: {self.retired}"
        if self.quarantined:
            return f"quarantined: {self.offline}"
        if self.offline:
            return f"offline: {self.offline}"
        if self.held_by is not None:
            return f"reserved for job {self.held_by}"
        if self.errand is not None:
            return f"reserved for {self.errand_words}"
        return ""

    @property
    def errand_words(self) -> str:
        """What the errand is."""
        if self.errand_what == "test":
            return "a test of its connections"
        if self.errand_what == "console":
            return f"{self.errand_by or self.errand_worker or 'somebody'}, who types on its console"
        return f"switching its power ({self.errand_what})"


def apply(state: Board, event: Event) -> Board:
    """Return the state after `event`."""
    match event:
        case BoardRegistered():
            return Board(
                name=event.name,
                device_type=event.device_type,
                site=event.site,
                tags=tuple(event.tags),
                description=event.description,
                config=event.config,
            )
        case BoardChanged():
            changes = dict(event.changes)
            if "tags" in changes:
                changes["tags"] = tuple(changes["tags"])
            return replace(state, **changes)
        case BoardAccessChanged():
            return replace(state, access=event.access)
        case BoardReserved():
            return replace(state, held_by=event.job)
        case BoardReleased():
            return replace(state, held_by=None)
        case BoardTakenOffline():
            return replace(state, offline=event.reason, quarantined=event.quarantined)
        case BoardBroughtOnline():
            return replace(state, offline="", quarantined=False)
        case BoardHealthChanged():
            told = replace(state, health=event.health, health_reason=event.reason, health_job=event.job)
            if state.check_job is None or event.job == state.check_job:
                return replace(told, **NO_CHECK)
            return replace(told, check_first=False)
        case BoardCheckRequested():
            return replace(state, check=event.reason, check_first=event.first or state.check_first)
        case BoardCheckQueued():
            return replace(state, check_job=event.job, check_attempts=state.check_attempts + 1)
        case BoardCheckUndecided():
            return replace(state, check_job=None) if event.again else replace(state, **NO_CHECK)
        case BoardErrandRequested():
            return replace(
                state, errand=event.errand, errand_what=event.what, errand_worker="", errand_by=event.by
            )
        case BoardErrandStarted():
            return replace(state, errand_worker=event.worker)
        case BoardErrandEnded():
            return replace(state, errand=None, errand_what="", errand_worker="", errand_by="")
        case BoardRetired():
            return replace(state, retired=event.reason)
    return state


# -- by people -----------------------------------------------------------------------------------


def register(
    state: Board,
    chain: Sequence[DeviceType],
    *,
    name: str,
    site: str,
    tags: Iterable[str],
    description: str,
    config: Mapping[str, Any],
    access: Mapping[str, Any] | None = None,
    cloned_from: str = "",
) -> list[Event]:
    """Decide on a new board. A name that was used once is never given again.

    `chain`: its type, what that is based on, and so on. `cloned_from`: the board it was made after.
    """
    device_type = chain[0]
    checked_name("board", name)
    if state.retired:
        raise Rejected(
            f"Board {name} was retired ({state.retired}) and its history stays: choose another name."
        )
    if state.name:
        raise Rejected(f"There is a board {name} already: change that one, or choose another name.")
    _usable(device_type)
    lists = checked_access(access or {})
    return [
        BoardRegistered(
            name=name,
            device_type=device_type.name,
            site=checked_name("site", site),
            tags=checked_tags(tags),
            description=checked_description(description),
            config=_checked_config(chain, name, config),
            cloned_from=cloned_from,
        ),
        *([BoardAccessChanged(access=lists)] if lists else []),
    ]


def change(
    state: Board,
    chain: Sequence[DeviceType],
    *,
    site: str | None = None,
    tags: Iterable[str] | None = None,
    description: str | None = None,
    config: Mapping[str, Any] | None = None,
    reason: str = "",
) -> list[Event]:
    """Decide on a change; what is None stays as it is.

    `chain`: the type it shall have (which may be the one it has), what that is based on, and so on. Without a
    difference nothing happens. What a running job relies on cannot change under it.
    """
    device_type = chain[0]
    _in_use(state)
    if device_type.name != state.device_type:
        _usable(device_type)
    wanted: dict[str, Any] = {"device_type": device_type.name}
    if site is not None:
        wanted["site"] = checked_name("site", site)
    if tags is not None:
        wanted["tags"] = checked_tags(tags)
    if description is not None:
        wanted["description"] = checked_description(description)
    wanted["config"] = _checked_config(chain, state.name, state.config if config is None else config)
    changes = {key: value for key, value in wanted.items() if value != _now(state, key)}
    if state.held_by is not None and (held := [key for key in HELD_FAST if key in changes]):
        raise Rejected(
            f"Board {state.name} is reserved for job {state.held_by}, which relies on its "
            f"{' and '.join(held).replace('_', ' ')}: take the board offline, "
            "and change it when the job has ended."
        )
    return [BoardChanged(changes=changes, reason=optional_reason(reason))] if changes else []


def change_access(state: Board, access: Mapping[str, Any], reason: str = "") -> list[Event]:
    """Decide on who may do what with it: all of its lists. Without a difference nothing happens."""
    _in_use(state)
    lists = checked_access(access)
    if lists == {right: list(entries) for right, entries in state.access.items()}:
        return []
    return [BoardAccessChanged(access=lists, reason=optional_reason(reason))]


def take_offline(state: Board, reason: str) -> list[Event]:
    """Decide to keep new jobs away; a job that has it goes on. Offline already: only the reason changes."""
    _in_use(state)
    reason = checked_reason(reason, f"take board {state.name} offline")
    if state.offline == reason:
        raise Rejected(f"Board {state.name} is offline for that very reason already.")
    return [BoardTakenOffline(reason=reason, quarantined=state.quarantined)]


def bring_online(state: Board, reason: str, *, has_check: bool = False) -> list[Event]:
    """Decide to give it to jobs again; the end of a quarantine needs a reason: somebody must have looked.

    A board that was quarantined or unhealthy is taken for repaired: where it has a health check, no job gets
    it before it has passed that.
    """
    _in_use(state)
    repaired = state.quarantined or state.health == "bad"
    if not state.offline and not (repaired and has_check):
        hint = ": set its health, for its type names no health check" if state.health == "bad" else ""
        raise Rejected(f"Board {state.name} is online already{hint}.")
    if state.quarantined:
        reason = checked_reason(reason, f"end the quarantine of board {state.name} ({state.offline})")
    reason = optional_reason(reason)
    events: list[Event] = [BoardBroughtOnline(reason=reason)] if state.offline else []
    if has_check and repaired and not (state.check_first and state.check):
        why = storable("it was repaired" + (f": {reason}" if reason else ""))
        events.append(BoardCheckRequested(reason=why, first=True))
    return events


def set_health(state: Board, health: str, reason: str, *, job: int | None = None) -> list[Event]:
    """Decide on its health; `job` is the one that found it out. The same again is no news."""
    _in_use(state)
    match health:
        case "unknown" | "good":
            reason = optional_reason(reason)
        case "bad":
            reason = checked_reason(reason, f"set the health of board {state.name} to bad")
        case _:
            raise Rejected(f"{health!r} is no health: it is 'unknown', 'good' or 'bad'.")
    if (health, reason, job) == (state.health, state.health_reason, state.health_job) and not state.check:
        return []
    return [BoardHealthChanged(health=health, reason=reason, job=job)]


def retire(state: Board, reason: str) -> list[Event]:
    """Decide to take it out of the inventory for good."""
    _in_use(state)
    if state.held_by is not None:
        raise Rejected(
            f"Board {state.name} is reserved for job {state.held_by}: take it offline, "
            "and retire it when the job has ended, or cancel the job first."
        )
    if state.errand is not None:
        raise Rejected(f"Board {state.name} is reserved for {state.errand_words}: wait for its end.")
    return [BoardRetired(reason=checked_reason(reason, f"retire board {state.name}"))]


def leave_to_hand(state: Board) -> None:
    """Raise `Rejected` unless no job has the board, or could get it in the next moment."""
    _in_use(state)
    if state.held_by is not None:
        raise Rejected(
            f"Board {state.name} is reserved for job {state.held_by}, which switches its power itself:"
            " cancel the job, or wait for its end."
        )
    if state.errand is not None:
        raise Rejected(f"Board {state.name} is reserved for {state.errand_words}: wait for its end.")
    if not state.offline:
        raise Rejected(f"Board {state.name} could be given to a job at any moment: take it offline first.")


def note_power(state: Board, action: str, power: str) -> list[Event]:
    """Decide on the record that its power was switched by hand: what happened is not refused."""
    return [BoardPowerSwitched(action=action, power=power)]


# -- by jobs -------------------------------------------------------------------------------------


def reserve(state: Board, job: int) -> list[Event]:
    """Decide to give it to a job."""
    if not state.name:
        raise NotFound("The board is not in the inventory.")
    refusal = state.closed if job == state.check_job else state.refusal
    if refusal:
        raise Rejected(f"Board {state.name} cannot be reserved for job {job}: it is {refusal}.")
    return [BoardReserved(job=job)]


def release(state: Board, job: int, reason: str) -> list[Event]:
    """Decide that `job`, which must have it, needs it no longer."""
    _held(state, job)
    return [BoardReleased(job=job, reason=storable(reason))]


def quarantine(state: Board, job: int, reason: str) -> list[Event]:
    """Decide that `job` gives it back, but nobody gets it: it could not be proven clean, for `reason`."""
    _held(state, job)
    why = _unclean_after(job) + reason
    if state.offline and not state.quarantined:
        why += f" ({OFFLINE_BEFORE}: {state.offline})"
    why = storable(why)
    return [BoardReleased(job=job, reason=why), BoardTakenOffline(reason=why, quarantined=True)]


def is_quarantined_after(state: Board, job: int) -> bool:
    """Whether it is out of use for no other reason than that `job` left it unclean."""
    return (
        state.quarantined
        and not state.retired
        and state.offline.startswith(_unclean_after(job))
        and OFFLINE_BEFORE not in state.offline
    )


def layers(chain: Sequence[DeviceType], name: str, config: Mapping[str, Any]) -> list[Layer]:
    """Return the layers of a board's configuration, the lowest first: those of its type, then its own."""
    return [*types.layers(chain), Layer(name=f"board {name}", config=config)]


def exists(state: Board, name: str) -> Board:
    """Return the state of a board that was registered, or raise `NotFound`."""
    if not state.name:
        raise NotFound(f"There is no board {name!r}.")
    return state


def _unclean_after(job: int) -> str:
    return f"not proven clean after job {job}: "


def _held(state: Board, job: int) -> None:
    if state.held_by != job:
        holder = "free" if state.held_by is None else f"reserved for job {state.held_by}"
        raise Rejected(f"Board {state.name} is not reserved for job {job}: it is {holder}.")


def _in_use(state: Board) -> None:
    if state.retired:
        raise Rejected(
            f"Board {state.name} is retired ({state.retired}): nothing about it can change any more."
        )


def _usable(device_type: DeviceType) -> None:
    if device_type.kind != "board":
        raise Rejected(f"{device_type.name} is a type of virtual machines; a board needs a type of boards.")
    if device_type.retired:
        raise Rejected(f"Device type {device_type.name} is retired ({device_type.retired}): choose another.")


def _checked_config(chain: Sequence[DeviceType], name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the board's own config; what it makes of its type's must be complete and right."""
    found = layers(chain, name, config)
    try:
        checked_board_config(merged(found))
    except BadConfig as bad:
        raise BadConfig(traced(bad.problems, found)) from bad
    return dict(config)


def _now(state: Board, key: str) -> Any:
    value = getattr(state, key)
    return list(value) if key == "tags" else value
