"""What the answers about boards and about device types have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from rest_framework.request import Request
from rest_framework.response import Response

from devices.domain.history import Entry
from devices.domain.layers import Setting
from jobs import feed
from jobs.api.parameters import check_known, integer, next_page
from jobs.queries import User, has_perm


def sees_boards(user: User) -> bool:
    """Whether the user may know how the lab reaches its boards."""
    return has_perm(user, feed.INVENTORY["board"])


def sees_types(user: User) -> bool:
    return has_perm(user, feed.INVENTORY["device-type"])


def configured(
    config: Mapping[str, Any] | None, settings: Iterable[Setting] | None, problems: list[str] | None
) -> dict[str, Any]:
    """Return a configuration as it is told: of its own, as it is used, and what is wrong with it."""
    effective = None
    if settings is not None:
        effective = [
            {"path": one.path, "value": one.value, "source": one.source, "origin": one.origin}
            for one in settings
        ]
    return {"config": config, "effective": effective, "problems": problems}


class Telling(Protocol):
    """Returns what happened, the newest first; of versions below `before`, at most `limit`."""

    def __call__(self, *, before: int | None, limit: int) -> list[Entry]: ...


def history(request: Request, tell: Telling, shows_config: bool, usual: int, high: int) -> Response:
    """Answer a page of a history."""
    check_known(request, ("before", "limit"))
    size = integer(request, "limit", usual, low=1, high=high)
    before = integer(request, "before", 0)
    found = tell(before=before or None, limit=size + 1)
    more = next_page(request, before=found[size - 1].version) if len(found) > size else None
    rows = [{**asdict(one), "changes": _changes(one, shows_config)} for one in found[:size]]
    return Response({"history": rows, "next": more})


def _changes(entry: Entry, shows_config: bool) -> list[dict[str, Any]]:
    hidden = not shows_config
    return [asdict(one) for one in entry.changes if not (hidden and one.what.startswith("config"))]
