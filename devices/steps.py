"""What can be done to things of the inventory besides editing them: on a page of its own, with a reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from devices import board_commands, checking, errands, type_commands
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
    asks: bool = True
    """Whether there is a reason to give."""
    then: str = "change"
    """The page that shows what comes of it."""


OFFLINE = Step(
    key="offline",
    button="Take offline",
    consequence="No new job gets it until it is brought online. A job that has it goes on to its end.",
    permission="devices.change_board",
    done="is offline",
    run=board_commands.take_board_offline,
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
    run=board_commands.bring_board_online,
)


REPAIRED = replace(
    ONLINE,
    button="Repaired: check and bring online",
    consequence="Its health check runs first. Other jobs may get it once it has passed.",
    done="is to be checked",
)


def _check(name: str, reason: str, *, actor: Actor, cause: str) -> None:
    board_commands.request_board_check(name, reason, actor=actor, cause=cause)
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
        board_commands.set_board_health(name, health, reason, actor=actor, cause=cause)

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


def _errand(what: str) -> Command:
    def run(name: str, reason: str, *, actor: Actor, cause: str) -> None:
        errands.request(name, what, actor=actor, cause=cause)

    return run


TEST = Step(
    key="test",
    button="Test connections",
    consequence="A worker of its site tries power, serial console and ssh, and shows what was said. Power "
    "goes off and on, and is left as it was. No job gets the board meanwhile.",
    permission="devices.change_board",
    done="is to be tested",
    run=_errand("test"),
    asks=False,
    then="errands",
)
POWER_ON = Step(
    key="power-on",
    button="Power on",
    consequence="A worker of its site switches it on. It must be offline.",
    permission="devices.change_board",
    done="is to be switched on",
    run=_errand("on"),
    asks=False,
    then="errands",
)
POWER_OFF = replace(
    POWER_ON,
    key="power-off",
    button="Power off",
    consequence="A worker of its site switches it off. It must be offline.",
    done="is to be switched off",
    run=_errand("off"),
)
POWER_CYCLE = replace(
    POWER_ON,
    key="power-cycle",
    button="Power cycle",
    consequence="A worker of its site switches it off and on again. It must be offline.",
    done="is to be switched off and on",
    run=_errand("cycle"),
)
RELEASE = Step(
    key="release",
    button="Release",
    consequence="It is taken from the job, or the errand, that holds it and got stuck. The job ends, and its "
    "worker can do and say nothing more; the board is quarantined until it is proven clean.",
    permission="devices.change_board",
    done="is released",
    run=board_commands.release_board,
    dangerous=True,
)
RETIRE_BOARD = Step(
    key="delete",
    button="Retire",
    consequence="It leaves the inventory for good: no job gets it, nothing about it can change, and its name "
    "is never given again. Its history stays.",
    permission="devices.delete_board",
    done="is retired",
    run=board_commands.retire_board,
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
    run=type_commands.retire_device_type,
    right="administer",
    dangerous=True,
)


def board_steps(
    *,
    offline: bool,
    health: str,
    retired: bool,
    has_check: bool = False,
    checking: bool = False,
    held: bool = False,
    errand: bool = False,
    has_power: bool = False,
) -> list[Step]:
    """Return what can be done to a board in this state; `checking`: a health check is due or under way.

    `held`: by a job; `errand`: by an errand.
    """
    if retired:
        return []
    steps = [ONLINE, STILL_OFFLINE] if offline else [OFFLINE]
    if has_check and not offline and not checking:
        steps.insert(0, REPAIRED if health == "bad" else CHECK)
    steps.append(UNHEALTHY if health == "good" else HEALTHY)
    if health == "unknown":
        steps.append(UNHEALTHY)
    if not held and not errand:
        steps.append(TEST)
        if offline and has_power:
            steps += [POWER_CYCLE, POWER_OFF, POWER_ON]
    if held or errand:
        steps.append(RELEASE)
    return [*steps, RETIRE_BOARD]
