"""What the rest of the house asks of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lab.kernel.events import Event, Meta, Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Events for one stream, which must be at version `expected` (0: it must not exist yet)."""

    stream: str
    expected: int
    events: Sequence[Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """A background task that is queued in the transaction of an append: not lost, not started for nothing."""

    task: str
    """Dotted path of the task function."""
    args: tuple[Any, ...] = ()
    site: str = ""
    """The site whose workers must run it; empty: any worker of the default cluster."""


class EventStore(Protocol):
    """The append-only log.

    Positions rise in commit order over all streams, so a reader that follows them misses nothing.
    """

    def append(self, *batches: Append, meta: Meta, follow_ups: Sequence[FollowUp] = ()) -> list[Recorded]:
        """Append to one or more streams, all or nothing; projections and follow-ups commit with it.

        Raises `lab.kernel.errors.Conflict` if a stream is not at its expected version.
        """

    def read(self, stream: str, *, after: int = 0, limit: int | None = None) -> list[Recorded]:
        """Return the events of one stream with a version greater than `after`, in order."""

    def read_all(self, *, after: int = 0, limit: int = 1000, category: str = "") -> list[Recorded]:
        """Return up to `limit` events with a position greater than `after`, in order.

        `category` keeps only streams named ``<category>/…``.
        """

    def head(self) -> int:
        """Return the position of the last event, 0 for an empty log."""
