"""Aggregates as they are now.

A row is the fold of its stream up to the row's version, drawn in the transaction of the append (and tests
compare it with a rebuilt one), so only what came later is read: a board lives through thousands of jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from devices.domain import board as boards
from devices.domain import device_type as types
from devices.domain.board import Board
from devices.domain.device_type import DeviceType
from devices.models import Board as BoardRow
from devices.models import DeviceType as DeviceTypeRow
from devices.states import board_state, type_state
from lab.eventstore.store import store
from lab.kernel.aggregate import Loaded, fold
from lab.kernel.events import Event

S = TypeVar("S")


def load_board(name: str) -> Loaded[Board]:
    """Return a board with the version to append at. Version 0: there is no such board."""
    row = BoardRow.objects.filter(pk=name).first()
    state, version = (board_state(row), row.version) if row else (Board(), 0)
    return _caught_up(boards.stream(name), state, version, boards.apply)


def load_device_type(name: str) -> Loaded[DeviceType]:
    """Return a device type with the version to append at. Version 0: there is no such type."""
    row = DeviceTypeRow.objects.filter(pk=name).first()
    state, version = (type_state(row), row.version) if row else (DeviceType(), 0)
    return _caught_up(types.stream(name), state, version, types.apply)


def load_chain(name: str) -> list[Loaded[DeviceType]]:
    """Return a device type, the one it is based on, and so on.

    Ends before a type that comes a second time, or where one is not there (which only a log that was made by
    other hands can hold).
    """
    chain: list[Loaded[DeviceType]] = []
    while name and name not in (one.state.name for one in chain):
        found = load_device_type(name)
        if chain and not found.version:
            break
        chain.append(found)
        name = found.state.base
    return chain


def _caught_up(stream: str, state: S, version: int, apply: Callable[[S, Event], S]) -> Loaded[S]:
    later = store.read(stream, after=version)
    return Loaded(
        stream, fold(apply, state, (one.event for one in later)), later[-1].version if later else version
    )
