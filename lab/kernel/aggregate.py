"""Folding a stream into the state that decisions are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from lab.kernel.events import Event, Recorded
from lab.kernel.ports import EventStore

S = TypeVar("S")


def fold(apply: Callable[[S, Event], S], state: S, events: Iterable[Event]) -> S:
    """Return `state` after all `events`."""
    for event in events:
        state = apply(state, event)
    return state


class Loaded(Generic[S]):
    """An aggregate's state together with the stream version it stands for."""

    __slots__ = ("state", "stream", "version")

    def __init__(self, stream: str, state: S, version: int) -> None:
        self.stream, self.state, self.version = stream, state, version


def load(store: EventStore, stream: str, apply: Callable[[S, Event], S], initial: S) -> Loaded[S]:
    """Read a stream and fold it. Version 0 means that the stream does not exist."""
    recorded: list[Recorded] = store.read(stream)
    state = fold(apply, initial, (r.event for r in recorded))
    return Loaded(stream, state, recorded[-1].version if recorded else 0)
