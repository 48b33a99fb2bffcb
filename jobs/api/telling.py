"""What the answers about boards and about device types have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from rest_framework.request import Request
from rest_framework.response import Response

from devices.domain.history import Entry
from devices.domain.layers import Setting
from jobs.api.parameters import check_known, integer, next_page


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


def history(request: Request, tell: Telling, usual: int, high: int) -> Response:
    """Answer a page of a history."""
    check_known(request, ("before", "limit"))
    size = integer(request, "limit", usual, low=1, high=high)
    before = integer(request, "before", 0)
    found = tell(before=before or None, limit=size + 1)
    more = next_page(request, before=found[size - 1].version) if len(found) > size else None
    return Response({"history": [asdict(one) for one in found[:size]], "next": more})
