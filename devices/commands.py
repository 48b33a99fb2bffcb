"""Everything that can be done to the inventory; pages, admin, command line and tasks all call these.

Each command checks that the actor may do it (see `lab.actors`, `devices.access`), reads the stream, lets the
domain decide and appends. Who loses a race re-reads and decides again. A form passes the stream version that
it showed as `expected_version`: if somebody has edited the thing since, the change is refused
(`EditedMeanwhile`) instead of overwriting theirs. Permissions: ``devices.add_…``, ``devices.change_…``; to
retire ``devices.delete_…``. Who has the right in the lists of a board or a type can do without: `handle` for
what is done with a board, `administer` for all else.

All raise `Rejected` with a sentence for the user: `NotPermitted`, `NotFound`, or a broken rule; `BadConfig`
carries the problems of a configuration one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar

from django.db import transaction

from devices import availability, holding, seen
from devices.access import check_key, check_people, has_permission, permit, permit_type, type_access
from devices.checking import check_definition
from devices.dependents import board_check, check_dependents, check_runs, check_unused
from devices.domain import board as boards
from devices.domain import checks, names
from devices.domain import device_type as types
from devices.domain import errand as errands
from devices.domain.access import Right
from devices.domain.board import Board
from devices.domain.device_type import DeviceType
from devices.domain.events import (
    BoardAccessChanged,
    BoardChanged,
    BoardRetired,
    DeviceTypeAccessChanged,
    DeviceTypeChanged,
    DeviceTypeRetired,
)
from devices.domain.parse_config import overlay
from devices.loading import load_board, load_chain, load_device_type
from lab.actors import Actor, authorise
from lab.eventstore.store import store
from lab.kernel.aggregate import Loaded
from lab.kernel.errors import Conflict, NotPermitted, Rejected
from lab.kernel.events import Event, Meta, Recorded
from lab.kernel.ports import Append, FollowUp

__all__ = [
    "EditedMeanwhile",
    "bring_board_online",
    "change_board",
    "change_board_access",
    "change_device_type",
    "change_device_type_access",
    "clone_board",
    "decide_on_board",
    "load_board",
    "load_device_type",
    "may_handle",
    "register_board",
    "register_device_type",
    "release_board",
    "request_board_check",
    "retire_board",
    "retire_device_type",
    "set_board_health",
    "take_board_offline",
]

S = TypeVar("S")
Lists = Mapping[str, Sequence[str]]
"""By right, who has it: see `devices.domain.access`."""
ATTEMPTS = 10
"""How often a command that loses races decides again; each loss means that another one got through."""


class EditedMeanwhile(Rejected):
    """Somebody changed the thing after the actor looked at it.

    `since`: the versions of the edits; `version`: of the stream now, for who has seen them and goes on.
    """

    def __init__(self, sentence: str, since: Sequence[int] = (), version: int = 0) -> None:
        self.since, self.version = tuple(since), version
        super().__init__(sentence)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Events for the own stream, and what else must be true when they are appended."""

    events: list[Event]
    relies_on: Sequence[Loaded[Any]] = ()
    """Other streams that must not have moved since the decision."""
    verify: Callable[[], None] = lambda: None
    """Looks at read rows once appends of others have to wait; raises `Rejected` to undo everything."""
    follow_ups: Sequence[FollowUp] = ()
    """Tasks that this makes necessary, besides looking for jobs that may now get a board."""


# -- device types --------------------------------------------------------------------------------


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
    meta = _meta(actor, "devices.add_devicetype", "register device types", cause)
    if base:
        seen.require_type_config(actor, base, f"base a device type on {base}")

    def decide(found: Loaded[DeviceType]) -> Decision:
        chain = _chain(base)
        events = types.register(
            found.state,
            name=name,
            kind=kind,
            description=description,
            config=config,
            bases=[one.state for one in chain],
            access=access,
        )
        _check_named(config)
        check_people(access or {}, {})
        return Decision(events=events, relies_on=chain)

    _perform(lambda: load_device_type(name), decide, meta)


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
        _unedited(found, expected_version, f"Device type {name}")
        if base and base != state.base:
            seen.require_type_config(actor, base, f"base device type {name} on {base}")
        chain = _chain(state.base if base is None else base)
        bases = [one.state for one in chain]
        events = types.change(
            state,
            description=description,
            config=config,
            bases=None if base is None else bases,
            under=bases,
            reason=reason,
        )
        _check_named(config or {})
        if not any({"config", "base"} & event.changes.keys() for event in events if _is_change(event)):
            return Decision(events=events)
        return Decision(events=events, relies_on=chain, verify=lambda: check_dependents(name))

    _perform(lambda: load_device_type(name), decide, meta)


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
        _unedited(found, expected_version, f"Device type {name}")
        events = types.change_access(state, access, reason)
        check_people(access, state.access)
        check_key(actor, "devices.change_devicetype", [access, *type_access(state.base)])
        return events

    _perform(lambda: load_device_type(name), decide, meta)


def retire_device_type(name: str, reason: str, *, actor: Actor, cause: str = "") -> None:
    """Take a type out of use for good. It must have no boards in use; its history stays."""
    meta = _type_meta(actor, name, "devices.delete_devicetype", f"retire device type {name}", cause)

    def decide(found: Loaded[DeviceType]) -> Decision:
        events = types.retire(types.exists(found.state, name), reason)
        return Decision(events=events, verify=lambda: check_unused(name))

    _perform(lambda: load_device_type(name), decide, meta)


# -- boards --------------------------------------------------------------------------------------


def register_board(
    name: str,
    device_type: str,
    site: str,
    tags: Iterable[str],
    description: str,
    config: Mapping[str, Any],
    *,
    access: Lists | None = None,
    cloned_from: str = "",
    actor: Actor,
    cause: str = "",
) -> None:
    """Register a board of a type. `config` is laid over the type's and must make it complete.

    The actor must be one who may see the type's configuration, or that of the board after which it is made.
    `access`: who may do what with it, where that is not as its type says. `cloned_from`: that board.
    """
    meta = _meta(actor, "devices.add_board", "register boards", cause)
    if not _sees_it_on_boards(actor, device_type, cloned_from):
        seen.require_type_config(actor, device_type, f"register a board of the type {device_type}")
    tags = list(tags)

    def decide(found: Loaded[Board]) -> Decision:
        chain = _chain(device_type)
        events = boards.register(
            found.state,
            [one.state for one in chain],
            name=name,
            site=site,
            tags=tags,
            description=description,
            config=config,
            access=access,
            cloned_from=cloned_from,
        )
        _check_named(config)
        check_people(access or {}, {})
        return Decision(events=events, relies_on=chain)

    _perform(lambda: load_board(name), decide, meta)


def clone_board(
    source: str, name: str, config: Mapping[str, Any] | None = None, *, actor: Actor, cause: str = ""
) -> None:
    """Register a board that is as `source` is but for its name and what `config` says otherwise.

    Who may not see how the lab reaches a board may not clone it either.
    """
    seen.require_board(actor, source)
    if not seen.sees_config(actor, source):
        raise NotPermitted(f"You may not see how board {source} is reached, and so may not clone it.")
    state = boards.exists(load_board(source).state, source)
    register_board(
        name,
        state.device_type,
        state.site,
        state.tags,
        state.description,
        overlay(state.config, config or {}),
        access=state.access,
        cloned_from=source,
        actor=actor,
        cause=cause,
    )


def change_board(
    name: str,
    *,
    device_type: str | None = None,
    site: str | None = None,
    tags: Iterable[str] | None = None,
    description: str | None = None,
    config: Mapping[str, Any] | None = None,
    reason: str = "",
    actor: Actor,
    cause: str = "",
    expected_version: int | None = None,
) -> None:
    """Change what is given; refused for what a running job relies on.

    Another type must be one that the actor administers, too: jobs for that type would get the board.
    """
    meta = _board_meta(actor, "administer", name, "devices.change_board", f"change board {name}", cause)
    if device_type and device_type != load_board(name).state.device_type:
        to_do = f"make board {name} one of the type {device_type}"
        permit_type(actor, "administer", device_type, "devices.change_board", to_do)
    tags = None if tags is None else list(tags)

    def decide(found: Loaded[Board]) -> Decision:
        state = boards.exists(found.state, name)
        _unedited(found, expected_version, f"Board {name}")
        chain = _chain(device_type or state.device_type)
        events = boards.change(
            state,
            [one.state for one in chain],
            site=site,
            tags=tags,
            description=description,
            config=config,
            reason=reason,
        )
        _check_named(config or {})
        return Decision(events=events, relies_on=chain)

    _perform(lambda: load_board(name), decide, meta)


def change_board_access(
    name: str,
    access: Lists,
    reason: str = "",
    *,
    actor: Actor,
    cause: str = "",
    expected_version: int | None = None,
) -> None:
    """Say who may do what with a board, by right: all lists; those left out are as its type says."""
    to_do = f"change the access of board {name}"
    meta = _board_meta(actor, "administer", name, "devices.change_board", to_do, cause)

    def decide(found: Loaded[Board]) -> list[Event]:
        state = boards.exists(found.state, name)
        _unedited(found, expected_version, f"Board {name}")
        events = boards.change_access(state, access, reason)
        check_people(access, state.access)
        check_key(actor, "devices.change_board", [access, *type_access(state.device_type)])
        return events

    _perform(lambda: load_board(name), decide, meta)


def take_board_offline(name: str, reason: str, *, actor: Actor, cause: str = "") -> None:
    """Keep new jobs away from it. A job that has it goes on."""
    meta = _handling(actor, name, f"take board {name} offline", cause)
    _change_state(name, lambda state: boards.take_offline(state, reason), meta)


def bring_board_online(name: str, reason: str = "", *, actor: Actor, cause: str = "") -> None:
    """Give it to jobs again; a quarantined board needs a reason.

    One that was quarantined or unhealthy has to pass its health check first, where it has one.
    """
    meta = _handling(actor, name, f"bring board {name} online", cause)
    has_check = board_check(name) is not None
    _change_state(name, lambda state: boards.bring_online(state, reason, has_check=has_check), meta)


def request_board_check(name: str, reason: str = "", *, actor: Actor, cause: str = "") -> None:
    """Ask for its health check. See `devices.checking.queue` for the job."""
    meta = _handling(actor, name, f"have board {name} checked", cause)
    boards.exists(load_board(name).state, name)
    if board_check(name) is None:
        raise Rejected(
            f"Board {name} has no health check: give its type or the board itself a definition, as "
            "health.definition in the configuration."
        )
    reason = names.optional_reason(reason) or f"{meta.actor} asked for it"
    _change_state(name, lambda state: checks.request(state, reason), meta)


def set_board_health(
    name: str, health: str, reason: str = "", *, job: int | None = None, actor: Actor, cause: str = ""
) -> None:
    """Note its health: ``unknown``, ``good`` or ``bad`` (which needs a reason and keeps jobs away)."""
    meta = _handling(actor, name, f"set the health of board {name}", cause)
    _change_state(name, lambda state: boards.set_health(state, health, reason, job=job), meta)


def note_board_power(name: str, action: str, power: str, *, actor: Actor, cause: str = "") -> None:
    """Record that its power was switched by hand. See `devices.by_hand`, which does it."""
    meta = _handling(actor, name, f"switch the power of board {name}", cause)
    _change_state(name, lambda state: boards.note_power(state, action, power), meta)


def check_board_is_left_to_hand(name: str, *, actor: Actor) -> None:
    """Raise `Rejected` unless the actor may switch its power now, without getting in the way of a job."""
    _handling(actor, name, f"switch the power of board {name}", "")
    boards.leave_to_hand(boards.exists(load_board(name).state, name))


def release_board(name: str, reason: str, *, actor: Actor, cause: str = "") -> None:
    """Take it from whoever holds it and got stuck, a job or an errand; the holder's token is void then.

    A job ends by it, and its board is quarantined until a worker has proven it clean. Refused while the
    holder's worker shows that it is alive: a job can be canceled.
    """
    meta = may_handle(name, actor, f"release board {name}", cause)
    reason = names.checked_reason(reason, f"release board {name}")
    state = boards.exists(load_board(name).state, name)
    if state.held_by is not None:
        holding.release(name, state.held_by, reason, meta)
    elif state.errand is not None:
        token = state.errand
        why = f"released by {meta.actor}: {reason}"
        _change_state(name, lambda now: errands.end(now, token, outcome="lost", reason=why), meta)
    else:
        raise Rejected(f"Board {name} is not reserved for anybody: there is nothing to release.")


def retire_board(name: str, reason: str, *, actor: Actor, cause: str = "") -> None:
    """Take it out of the inventory for good; its history stays."""
    meta = _board_meta(actor, "administer", name, "devices.delete_board", f"retire board {name}", cause)
    _change_state(name, lambda state: boards.retire(state, reason), meta)


def may_handle(name: str, actor: Actor, to_do: str, cause: str) -> Meta:
    """Return what stands beside the events of somebody who may handle a board. Raises `NotPermitted`."""
    return _handling(actor, name, to_do, cause)


def decide_on_board(name: str, decide: Callable[[Loaded[Board]], Decision], meta: Meta) -> None:
    """Read a board, decide, append; for commands of other modules, which have authorised their actor."""

    def known(found: Loaded[Board]) -> Decision:
        boards.exists(found.state, name)
        return decide(found)

    _perform(lambda: load_board(name), known, meta)


# -- inside --------------------------------------------------------------------------------------


def _meta(actor: Actor, permission: str, to_do: str, cause: str) -> Meta:
    return Meta(actor=authorise(actor, permission, to_do), cause=cause)


def _board_meta(actor: Actor, right: Right, name: str, permission: str, to_do: str, cause: str) -> Meta:
    return Meta(actor=permit(actor, right, name, permission, to_do), cause=cause)


def _handling(actor: Actor, name: str, to_do: str, cause: str) -> Meta:
    return _board_meta(actor, "handle", name, "devices.change_board", to_do, cause)


def _type_meta(actor: Actor, name: str, permission: str, to_do: str, cause: str) -> Meta:
    return Meta(actor=permit_type(actor, "administer", name, permission, to_do), cause=cause)


def _change_state(name: str, decide: Callable[[Board], list[Event]], meta: Meta) -> None:
    _perform(lambda: load_board(name), lambda found: decide(boards.exists(found.state, name)), meta)


def _perform(
    read: Callable[[], Loaded[S]], decide: Callable[[Loaded[S]], Decision | list[Event]], meta: Meta
) -> None:
    """Read, decide, append; after a lost race once more."""
    for attempt in range(1, ATTEMPTS + 1):
        found = read()
        decided = decide(found)
        decision = decided if isinstance(decided, Decision) else Decision(events=decided)
        if not decision.events:
            return
        own = Append(stream=found.stream, expected=found.version, events=decision.events)
        others = [Append(stream=o.stream, expected=o.version, events=()) for o in decision.relies_on]
        try:
            with transaction.atomic():
                tasks = [*availability.follow_ups(decision.events), *decision.follow_ups]
                store.append(*others, own, meta=meta, follow_ups=tasks)
                decision.verify()
        except Conflict as exc:
            if attempt == ATTEMPTS:
                raise Rejected(
                    f"Others change {found.stream} faster than this command: try again in a moment."
                ) from exc
        else:
            return


def _unedited(found: Loaded[Any], expected: int | None, what: str) -> None:
    """Refuse a change that is based on a version after which somebody has edited the same thing.

    Reservations, health and being offline are no edits: they do not touch what a form shows for editing.
    """
    if expected is None or expected >= found.version:
        return
    edits = (
        BoardChanged,
        BoardAccessChanged,
        BoardRetired,
        DeviceTypeChanged,
        DeviceTypeAccessChanged,
        DeviceTypeRetired,
    )
    since = [r for r in store.read(found.stream, after=expected) if isinstance(r.event, edits)]
    if since:
        versions = [one.version for one in since]
        raise EditedMeanwhile(_sentence(what, since[-1]), versions, found.version)


def _sentence(what: str, last: Recorded) -> str:
    did = "changed it"
    if isinstance(last.event, BoardChanged | DeviceTypeChanged):
        did = f"changed its {' and '.join(last.event.changes).replace('_', ' ')}"
    elif isinstance(last.event, BoardAccessChanged | DeviceTypeAccessChanged):
        did = "changed who may do what with it"
    elif isinstance(last.event, BoardRetired | DeviceTypeRetired):
        did = "retired it"
    return (
        f"{what} was edited after you opened it: {last.meta.actor} {did} at "
        f"{last.recorded_at:%Y-%m-%d %H:%M:%S} UTC (event {last.position}). Nothing of yours is saved: "
        "open it again and repeat your change on top of that."
    )


def _sees_it_on_boards(actor: Actor, device_type: str, board: str) -> bool:
    """Whether somebody sees a type's configuration as a part of that of all boards, or of this one."""
    if any(has_permission(actor, one) for one in ("devices.view_board", "devices.change_board")):
        return True
    same = bool(board) and load_board(board).state.device_type == device_type
    return same and seen.sees_config(actor, board)


def _check_named(config: Mapping[str, Any]) -> None:
    """Refuse a configuration that names what there is not."""
    check_runs(config)
    check_definition(config)


def _chain(name: str) -> list[Loaded[DeviceType]]:
    """Return a type, the one it is based on, and so on; nothing for no name. Raises `NotFound`."""
    chain = load_chain(name)
    if chain:
        types.exists(chain[0].state, name)
    return chain


def _is_change(event: Event) -> TypeGuard[DeviceTypeChanged]:
    return isinstance(event, DeviceTypeChanged)
