"""The console of a board that no job has: the page to sit at it, and the records of those who did."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from devices import seen, sitting_view
from devices.domain.config import BoardConfig
from jobs.sending import cast_download
from lab.eventstore.store import store

MINUTES = ((15, "15 minutes"), (60, "an hour"), (240, "4 hours"))
POWER = (("", "Leave its power as it is"), ("on", "Switch it on"), ("cycle", "Switch it off and on again"))


@require_safe
def page(request: HttpRequest, name: str) -> HttpResponse:
    """Show the console, or how to get it, and who had it."""
    position = store.head()
    one = seen.board(request.user, name)
    sitting_view.require(request.user, name)
    reached = seen.connections(request.user, name)
    context: dict[str, Any] = {
        "position": position,
        "board": one,
        "sitting": sitting_view.current(name),
        "last": sitting_view.last(request.user, name),
        "minutes": MINUTES,
        "power": POWER,
        # Who may not know how it is reached finds out when they ask for its power.
        "has_power": reached is None or _has_power(reached[0]),
    }
    return render(request, "devices/console.html", context)


@require_safe
def record(request: HttpRequest, name: str, errand: int) -> HttpResponseBase:
    """Send the record of a sitting as an asciicast."""
    seen.require_board(request.user, name)
    return cast_download(request, sitting_view.cast(request.user, name, errand), f"{name}-{errand}.cast")


def _has_power(config: BoardConfig | None) -> bool:
    return config is not None and config.power.present
