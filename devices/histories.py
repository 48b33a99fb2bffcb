"""The streams of the inventory told in words, a page at a time: a board that runs jobs has many events."""

from __future__ import annotations

from collections.abc import Sequence

from devices.domain import board as boards
from devices.domain import device_type as types
from devices.domain import history
from devices.domain.board import Board
from devices.domain.events import (
    BoardAccessChanged,
    BoardBroughtOnline,
    BoardChanged,
    BoardHealthChanged,
    BoardRegistered,
    BoardTakenOffline,
)
from devices.domain.history import Entry
from lab.eventstore.store import store
from lab.kernel.errors import NotFound
from lab.kernel.events import Event, Recorded

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
    """What happened to a device type, the newest first. Raises `NotFound`."""
    recorded = store.read(types.stream(name))
    if not recorded:
        raise NotFound(f"There is no device type {name!r}.")
    told = history.device_type_history(recorded)[::-1]
    return [one for one in told if before is None or one.version < before][:limit]


def _state_before(stream: str, page: Sequence[Recorded]) -> Board:
    """Return as much of a board's state before a page of its events as is needed to tell them."""
    if not page or page[0].version == 1:
        return Board()
    happened, first = {type(one.event) for one in page}, page[0].version
    earlier: list[Recorded] = []
    if BoardChanged in happened:
        earlier += store.read_back(stream, before=first, types=_names(BoardRegistered, BoardChanged))
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
