"""Projections: tables drawn from events, inside the transaction that appends them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import models

from lab.kernel.events import Event, Recorded

E = TypeVar("E", bound=Event)
Handler = Callable[[E, Recorded], None]


@dataclass(kw_only=True)
class Projection:
    """Read tables and the handlers that draw them.

    >>> boards = Projection(name="boards", models=[Board])
    >>> @boards.on(BoardRegistered)
    ... def draw(event: BoardRegistered, recorded: Recorded) -> None: ...
    """

    name: str
    models: Sequence[type[models.Model]]
    """Tables that only this projection writes; a rebuild empties them, last one first."""
    handlers: dict[type[Event], list[Callable[[Any, Recorded], None]]] = field(default_factory=dict)

    def on(self, *events: type[E]) -> Callable[[Handler[E]], Handler[E]]:
        """Decorator: call the function with (event, recorded) for each of these events."""

        def add(function: Handler[E]) -> Handler[E]:
            for event in events:
                self.handlers.setdefault(event, []).append(function)
            return function

        return add

    def apply(self, recorded: Recorded) -> None:
        for handler in self.handlers.get(type(recorded.event), ()):
            handler(recorded.event, recorded)


_installed: dict[str, Projection] = {}


def install(projection: Projection) -> None:
    """Make a projection part of every append from now on. Called from `AppConfig.ready`."""
    _installed[projection.name] = projection


def installed() -> list[Projection]:
    return list(_installed.values())


def project(recorded: Sequence[Recorded]) -> None:
    """Apply all installed projections, in log order."""
    for one in recorded:
        for projection in _installed.values():
            projection.apply(one)
