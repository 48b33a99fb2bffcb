"""All that happens in the lab, in the order it happened, for programs that follow it.

A reader has a position and gets what came after it, as far as its user may see it. The position of an answer
lies behind everything that was looked at, shown or not, so nothing is skipped and nothing comes twice.
"""

from __future__ import annotations

from typing import Any

import msgspec

from jobs import queries
from jobs.domain.words import describe
from jobs.models import Node
from lab.eventstore.store import store
from lab.kernel.events import Recorded

JsonObject = dict[str, Any]
MOST = 1000
"""Events that are looked at for one answer, unless the reader wants fewer."""

INVENTORY = {"board": "devices.view_board", "device-type": "devices.view_devicetype"}
"""Whose events hold how the lab reaches its machines, and what a user needs to see that."""


def feed(
    user: queries.User, after: int, *, limit: int = MOST, types: frozenset[str] = frozenset()
) -> JsonObject:
    """Return ``{events, position, more}``: what came after a position, of these types if any are named.

    `limit` bounds how many events are looked at. Of the inventory everybody learns what happened to whom; the
    configuration is for those who keep it.
    """
    recorded = store.read_all(after=after, limit=limit)
    seen: dict[int, bool] = {}
    names: dict[int, dict[int, str]] = {}
    events = []
    for one in recorded:
        if types and one.event.type not in types:
            continue
        kind, _, name = one.stream.partition("/")
        row = _job_row(user, one, int(name), seen, names) if kind == "job" else _row(user, one, kind)
        if row is not None:
            events.append(row)
    position = recorded[-1].position if recorded else after
    return {"events": events, "position": position, "more": len(recorded) == limit}


def _job_row(
    user: queries.User, one: Recorded, number: int, seen: dict[int, bool], names: dict[int, dict[int, str]]
) -> JsonObject | None:
    if number not in seen:
        seen[number] = queries.may_see(user, number)
    if not seen[number]:
        return None
    if number not in names:
        names[number] = dict(Node.objects.filter(job=number).values_list("index", "name"))
    return _told(one, data=msgspec.to_builtins(one.event), text=describe(one.event, names[number]))


def _row(user: queries.User, one: Recorded, kind: str) -> JsonObject:
    data: JsonObject = msgspec.to_builtins(one.event)
    needed = INVENTORY.get(kind)
    if needed is not None and not queries.has_perm(user, needed):
        data = {key: value for key, value in data.items() if key not in ("config", "changes")}
    return _told(one, data=data, text="")


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
