"""What can be done to things of the inventory besides editing them: on a page of its own, with a reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from devices import checking, commands
from devices.domain.access import Right
from lab.actors import Actor


class Command(Protocol):
    def __call__(self, name: str, reason: str, *, actor: Actor, cause: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command that takes a name and a reason."""

    key: str
    """Part of the page's address."""
    button: str
    consequence: str
    """What will be true afterwards, for the person who is about to do it."""
    permission: str
    """That lets somebody do it to anything of the kind; or else `right` on this one."""
    done: str
    """Completes "Board x …"."""
    run: Command
    right: Right = "handle"
    dangerous: bool = False


OFFLINE = Step(
    key="offline",
    button="Take offline",
    consequence="No new job gets it until it is brought online. A job that has it goes on to its end.",
    permission="devices.change_board",
    done="is offline",
    run=commands.take_board_offline,
)
STILL_OFFLINE = replace(
    OFFLINE, button="Change the reason", consequence="It stays offline, for the reason you give now."
)
ONLINE = Step(
    key="online",
    button="Bring online",
    consequence="Waiting jobs may get it at once. The end of a quarantine needs a reason: what did you find?",
    permission="devices.change_board",
    done="is online",
    run=commands.bring_board_online,
)


REPAIRED = replace(
    ONLINE,
    button="Repaired: check and bring online",
    consequence="Its health check runs first. Other jobs may get it once it has passed.",
    done="is to be checked",
)


def _check(name: str, reason: str, *, actor: Actor, cause: str) -> None:
    commands.request_board_check(name, reason, actor=actor, cause=cause)
    checking.queue(name)


CHECK = Step(
    key="check",
    button="Check health",
    consequence="A job of the lab checks it once it is free, before any other job. A failure takes it out.",
    permission="devices.change_board",
    done="is to be checked",
    run=_check,
)


def _health(health: str) -> Command:
    def run(name: str, reason: str, *, actor: Actor, cause: str) -> None:
        commands.set_board_health(name, health, reason, actor=actor, cause=cause)

    return run


HEALTHY = Step(
    key="good",
    button="Health good",
    consequence="Jobs may get it if it is online.",
    permission="devices.change_board",
    done="has good health",
    run=_health("good"),
)
UNHEALTHY = Step(
    key="bad",
    button="Health bad",
    consequence="No new job gets it until its health is good or unknown again.",
    permission="devices.change_board",
    done="has bad health",
    run=_health("bad"),
)
RETIRE_BOARD = Step(
    key="delete",
    button="Retire",
    consequence="It leaves the inventory for good: no job gets it, nothing about it can change, and its name "
    "is never given again. Its history stays.",
    permission="devices.delete_board",
    done="is retired",
    run=commands.retire_board,
    right="administer",
    dangerous=True,
)
RETIRE_TYPE = Step(
    key="delete",
    button="Retire",
    consequence="It leaves the inventory for good: no definition can ask for it, and its name is never given "
    "again. Its history stays. Boards of the type must be retired first.",
    permission="devices.delete_devicetype",
    done="is retired",
    run=commands.retire_device_type,
    right="administer",
    dangerous=True,
)


def board_steps(
    *, offline: bool, health: str, retired: bool, has_check: bool = False, checking: bool = False
) -> list[Step]:
    """Return what can be done to a board in this state; `checking`: a health check is due or under way."""
    if retired:
        return []
    steps = [ONLINE, STILL_OFFLINE] if offline else [OFFLINE]
    if has_check and not offline and not checking:
        steps.insert(0, REPAIRED if health == "bad" else CHECK)
    steps.append(UNHEALTHY if health == "good" else HEALTHY)
    if health == "unknown":
        steps.append(UNHEALTHY)
    return [*steps, RETIRE_BOARD]
