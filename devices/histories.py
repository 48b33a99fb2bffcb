"""The streams of the inventory told in words, a page at a time: a board that runs jobs has many events."""

from __future__ import annotations

from collections.abc import Sequence

from devices.domain import board as boards
from devices.domain import device_type as types
from devices.domain import history
from devices.domain.board import Board
from devices.domain.device_type import DeviceType
from devices.domain.events import (
    BoardAccessChanged,
    BoardBroughtOnline,
    BoardChanged,
    BoardHealthChanged,
    BoardRegistered,
    BoardTakenOffline,
    DeviceTypeAccessChanged,
    DeviceTypeChanged,
    DeviceTypeRegistered,
)
from devices.domain.history import Entry
from lab.eventstore.store import store
from lab.kernel.errors import NotFound
from lab.kernel.events import Event, Recorded

EDITS = (BoardChanged, DeviceTypeChanged)
STEP = 50
"""Edits that are looked at in one go for what a value was before."""
OUT: tuple[type[Event], ...] = (BoardTakenOffline, BoardBroughtOnline)


def board_history(name: str, *, before: int | None = None, limit: int | None = None) -> list[Entry]:
    """What happened to a board, the newest first; of versions below `before`, at most `limit`.

    Raises `NotFound`.
    """
    stream = boards.stream(name)
    page = store.read_back(stream, before=before, limit=limit)[::-1]
    if not page and before is None:
        raise NotFound(f"There is no board {name!r}.")
    return history.board_history(page, _state_before(stream, page))[::-1]


def device_type_history(name: str, *, before: int | None = None, limit: int | None = None) -> list[Entry]:
    """What happened to a device type, the newest first, as for a board. Raises `NotFound`."""
    stream = types.stream(name)
    page = store.read_back(stream, before=before, limit=limit)[::-1]
    if not page and before is None:
        raise NotFound(f"There is no device type {name!r}.")
    return history.device_type_history(page, _type_before(stream, page))[::-1]


def _type_before(stream: str, page: Sequence[Recorded]) -> DeviceType:
    """Return as much of a type's state before a page of its events as is needed to tell them."""
    earlier = _edits_before(stream, page, DeviceTypeRegistered)
    if any(isinstance(one.event, DeviceTypeAccessChanged) for one in page):
        earlier += store.read_back(
            stream, before=page[0].version, limit=1, types=_names(DeviceTypeAccessChanged)
        )
    state = DeviceType()
    for one in sorted(earlier, key=lambda one: one.version):
        state = types.apply(state, one.event)
    return state


def _edits_before(stream: str, page: Sequence[Recorded], registered: type[Event]) -> list[Recorded]:
    """Return the edits before a page of events that say what each value was that is changed in it."""
    found: list[Recorded] = []
    wanted = {key for one in page if isinstance(one.event, EDITS) for key in one.event.changes}
    before = page[0].version if page else 0
    while wanted:
        earlier = store.read_back(stream, before=before, limit=STEP, types=_names(registered, *EDITS))
        if not earlier:
            break
        found, before = [*found, *earlier], earlier[-1].version
        for one in earlier:
            wanted -= one.event.changes.keys() if isinstance(one.event, EDITS) else wanted
    return found


def _state_before(stream: str, page: Sequence[Recorded]) -> Board:
    """Return as much of a board's state before a page of its events as is needed to tell them."""
    if not page or page[0].version == 1:
        return Board()
    happened, first = {type(one.event) for one in page}, page[0].version
    earlier = _edits_before(stream, page, BoardRegistered)
    if not happened.isdisjoint(OUT):
        earlier += store.read_back(stream, before=first, limit=1, types=_names(*OUT))
    if BoardAccessChanged in happened:
        earlier += store.read_back(stream, before=first, limit=1, types=_names(BoardAccessChanged))
    if BoardHealthChanged in happened:
        earlier += store.read_back(stream, before=first, limit=1, types=_names(BoardHealthChanged))
    state = Board()
    for one in sorted(earlier, key=lambda one: one.version):
        state = boards.apply(state, one.event)
    return state


def _names(*events: type[Event]) -> tuple[str, ...]:
    return tuple(event.type for event in events)
