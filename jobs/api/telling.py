"""What the answers about boards, device types and images have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

from rest_framework.request import Request
from rest_framework.response import Response

from devices.domain.history import Entry
from devices.domain.layers import Setting
from jobs.api.parameters import check_known, integer, next_page, text


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


class Named(Protocol):
    """Something of the inventory."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...


N = TypeVar("N", bound=Named)


def by_name(
    request: Request, key: str, found: Iterable[N], tell: Callable[[N], Any], usual: int, high: int
) -> Response:
    """Answer a page of a list, by name: of what has the ``text`` that is looked for, behind ``after``."""
    size = integer(request, "limit", usual, low=1, high=high)
    words, after = text(request, "text").casefold(), text(request, "after")
    # By code points, as `after` is compared; databases have their own ideas of order.
    rows = sorted(
        (one for one in found if one.name > after and words in f"{one.name}\n{one.description}".casefold()),
        key=lambda one: one.name,
    )
    more = next_page(request, after=rows[size - 1].name) if len(rows) > size else None
    return Response({key: [tell(one) for one in rows[:size]], "next": more})


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
