"""Everything that can be done to boards; pages, admin, command line and tasks all call these.

Each command checks that the actor may do it (see `lab.actors`, `devices.access`) and decides as
`devices.deciding` says. Permissions: ``devices.add_board``, ``devices.change_board``; to retire
``devices.delete_board``. Who has the right in the lists of a board or its type can do without: `handle` for
what is done with a board, `administer` for all else.

All raise `Rejected` with a sentence for the user: `NotPermitted`, `NotFound`, or a broken rule; `BadConfig`
carries the problems of a configuration one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from devices import holding, seen
from devices.access import check_key, check_people, has_permission, permit, permit_type, type_access
from devices.deciding import Decision, Lists, chain_of, check_named, check_unedited, meta_of, perform
from devices.dependents import board_check
from devices.domain import board as boards
from devices.domain import checks, names
from devices.domain import errand as errands
from devices.domain.access import Right
from devices.domain.board import Board
from devices.domain.parse_config import overlay
from devices.loading import load_board
from lab.actors import Actor
from lab.kernel.aggregate import Loaded
from lab.kernel.errors import NotPermitted, Rejected
from lab.kernel.events import Event, Meta


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
    meta = meta_of(actor, "devices.add_board", "register boards", cause)
    if not _sees_it_on_boards(actor, device_type, cloned_from):
        seen.require_type_config(actor, device_type, f"register a board of the type {device_type}")
    tags = list(tags)

    def decide(found: Loaded[Board]) -> Decision:
        chain = chain_of(device_type)
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
        check_named(config, actor)
        check_people(access or {}, {})
        return Decision(events=events, relies_on=chain)

    perform(lambda: load_board(name), decide, meta)


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
        check_unedited(found, expected_version, f"Board {name}")
        chain = chain_of(device_type or state.device_type)
        events = boards.change(
            state,
            [one.state for one in chain],
            site=site,
            tags=tags,
            description=description,
            config=config,
            reason=reason,
        )
        check_named(config or {}, actor)
        return Decision(events=events, relies_on=chain)

    perform(lambda: load_board(name), decide, meta)


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
        check_unedited(found, expected_version, f"Board {name}")
        events = boards.change_access(state, access, reason)
        check_people(access, state.access)
        check_key(actor, "devices.change_board", [access, *type_access(state.device_type)])
        return events

    perform(lambda: load_board(name), decide, meta)


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

    perform(lambda: load_board(name), known, meta)


def _board_meta(actor: Actor, right: Right, name: str, permission: str, to_do: str, cause: str) -> Meta:
    return Meta(actor=permit(actor, right, name, permission, to_do), cause=cause)


def _handling(actor: Actor, name: str, to_do: str, cause: str) -> Meta:
    return _board_meta(actor, "handle", name, "devices.change_board", to_do, cause)


def _change_state(name: str, decide: Callable[[Board], list[Event]], meta: Meta) -> None:
    perform(lambda: load_board(name), lambda found: decide(boards.exists(found.state, name)), meta)


def _sees_it_on_boards(actor: Actor, device_type: str, board: str) -> bool:
    """Whether somebody sees a type's configuration as a part of that of all boards, or of this one."""
    if any(has_permission(actor, one) for one in ("devices.view_board", "devices.change_board")):
        return True
    same = bool(board) and load_board(board).state.device_type == device_type
    return same and seen.sees_config(actor, board)
