"""A board's power, switched by a person: for repair, and to see whether its configuration is right."""

from __future__ import annotations

from functools import partial

from devices import board_commands, queries
from devices.domain.config import BoardConfig
from devices.drivers.board import PowerState
from devices.drivers.power import switch
from devices.drivers.trial import patience
from lab.actors import Actor
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError, Rejected

ACTIONS = ("on", "off", "cycle")


def switch_power(name: str, action: str, *, actor: Actor, cause: str = "") -> PowerState:
    """Switch a board that is offline ``on`` or ``off``, or ``cycle`` it; every switch is on the record.

    Returns what the switch says since. Raises `Rejected` with its words where it does not do it.
    """
    if action not in ACTIONS:
        raise Rejected(f"{action!r} is nothing to do with power: it is {', '.join(ACTIONS)}.")
    board_commands.check_board_is_left_to_hand(name, actor=actor)
    config = _switchable(name)
    # Somebody may bring it online in between: asked again before each attempt.
    fence = partial(board_commands.check_board_is_left_to_hand, name, actor=actor)
    power, deadline = switch(config, fence), _patience(config)
    do = {"on": power.on, "off": power.off, "cycle": power.cycle}[action]
    try:
        state = do(deadline)
    except InfrastructureError as exc:
        raise Rejected(f"Board {name}: {exc}.") from exc
    board_commands.note_board_power(name, action, state, actor=actor, cause=cause)
    return state


def power_state(name: str) -> PowerState:
    """Ask a board's switch, whoever has the board. Raises `Rejected` with its words where it does not say."""
    config = _switchable(name)
    try:
        return switch(config).state(_patience(config))
    except InfrastructureError as exc:
        raise Rejected(f"Board {name}: {exc}.") from exc


def _switchable(name: str) -> BoardConfig:
    config = queries.effective_config(name)
    if not config.power.present:
        raise Rejected(f"Board {name} has no power switch: its configuration has no power.method.")
    return config


def _patience(config: BoardConfig) -> Deadline:
    return Deadline.after(patience(config), "the power switch")
