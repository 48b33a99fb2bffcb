"""All that happens in the lab, in the order it happened, for programs that follow it.

A reader has a position and gets what came after it, as far as its user may see it. The position of an answer
lies behind everything that was looked at, shown or not, so nothing is skipped and nothing comes twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import msgspec

from devices import access, seen
from jobs import queries
from jobs.domain.words import describe
from jobs.models import Node
from jobs.sight import Sight
from lab.eventstore.store import store
from lab.kernel.events import Recorded

JsonObject = dict[str, Any]
MOST = 1000
"""Events that are looked at for one answer, unless the reader wants fewer."""


def feed(
    user: queries.User, after: int, *, limit: int = MOST, types: frozenset[str] = frozenset()
) -> JsonObject:
    """Return ``{events, position, more}``: what came after a position, of these types if any are named.

    `limit` bounds how many events are looked at. Of the boards and types that they may know of, everybody
    learns what happened; the configuration, and who may do what, is for those who administer them.
    """
    access.require_reading(user)
    recorded = store.read_all(after=after, limit=limit)
    wanted = [one for one in recorded if not types or one.event.type in types]
    reader = Reader(user, wanted)
    events = [row for one in wanted if (row := reader.row(one)) is not None]
    position = recorded[-1].position if recorded else after
    return {"events": events, "position": position, "more": len(recorded) == limit}


class Reader:
    """Whoever reads, and what is to be known for one answer: for these events, and not to be kept."""

    def __init__(self, user: queries.User, events: Iterable[Recorded]) -> None:
        self._user = user
        self._events = events

    @cached_property
    def _sight(self) -> Sight:
        return Sight(self._user)

    @cached_property
    def _closed(self) -> access.Names:
        return seen.without_config(self._user)

    def row(self, one: Recorded) -> JsonObject | None:
        """Return one of the events as it is told, None if it is not."""
        kind, _, name = one.stream.partition("/")
        if kind == "job":
            names = self._nodes.get(int(name))
            if names is None:
                return None
            return _told(one, data=msgspec.to_builtins(one.event), text=describe(one.event, names))
        hidden = self._sight.hidden
        if name in {"board": hidden.boards, "device-type": hidden.types}.get(kind, ()):
            return None
        data: JsonObject = msgspec.to_builtins(one.event)
        if kind in ("board", "device-type"):
            data = seen.known_data(data, hidden)
            if name in (self._closed.boards if kind == "board" else self._closed.types):
                data = seen.public_data(one.event.type, data)
        return _told(one, data=data, text="")

    @cached_property
    def _nodes(self) -> dict[int, dict[int, str]]:
        """The names of the nodes of those jobs that are for this reader."""
        streams = (one.stream.partition("/") for one in self._events)
        numbers = {int(name) for kind, _, name in streams if kind == "job"}
        found: dict[int, dict[int, str]] = {number: {} for number in self._sight.those_seen(numbers)}
        for job, index, name in Node.objects.filter(job__in=list(found)).values_list("job", "index", "name"):
            found[job][index] = name
        return found


def _told(one: Recorded, *, data: JsonObject, text: str) -> JsonObject:
    return {
        "position": one.position,
        "stream": one.stream,
        "version": one.version,
        "type": one.event.type,
        "at": one.recorded_at.isoformat(),
        "actor": one.meta.actor,
        "cause": one.meta.cause,
        "data": data,
        "text": text,
    }
