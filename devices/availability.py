"""Who wants to know that a board may have become free. The inventory does not know who: they say so here."""

from __future__ import annotations

from collections.abc import Iterable

from devices.domain.errand_events import BoardErrandEnded
from devices.domain.events import (
    BoardAccessChanged,
    BoardBroughtOnline,
    BoardChanged,
    BoardCheckRequested,
    BoardHealthChanged,
    BoardRegistered,
    DeviceTypeAccessChanged,
)
from lab.kernel.events import Event
from lab.kernel.ports import FollowUp

_tasks: list[str] = []


def tell(task: str) -> None:
    """Queue `task` (a dotted path) with every append that may give jobs a board they could not have before,
    or that asks for a job of the board's own, its health check.

    Boards that jobs give back are not told of: whoever appends that knows.
    """
    if task not in _tasks:
        _tasks.append(task)


def follow_ups(events: Iterable[Event]) -> list[FollowUp]:
    """Return what these events make necessary."""
    return [FollowUp(task=task) for task in _tasks] if any(_may_free(event) for event in events) else []


def _may_free(event: Event) -> bool:
    if isinstance(event, BoardHealthChanged):
        return event.health != "bad"
    more = BoardRegistered | BoardBroughtOnline | BoardChanged | BoardCheckRequested | BoardErrandEnded
    return isinstance(event, more | BoardAccessChanged | DeviceTypeAccessChanged)
