"""Pages about device types, of boards and of virtual machines."""

from __future__ import annotations

import time
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from devices import seen
from jobs import board_pages, queries, waiting
from jobs.type_pages import health_of, queued_by_type, runs_of, vm_type
from lab.eventstore.store import store

EVENTS, JOBS = 30, 10


@require_safe
def device_types(request: HttpRequest) -> HttpResponse:
    """Show all device types: their boards, what is free, and how many jobs wait."""
    position = store.head()
    retired = request.GET.get("retired") == "1"
    known = seen.device_types(request.user, retired=retired)
    boards = seen.board_types(request.user)
    queued = queued_by_type()
    free = {one.name: sum(board.free for board in one.boards) for one in boards}
    runs = {one.name: one.runs for one in boards}
    rows: list[dict[str, Any]] = [
        {
            "type": one,
            "free": free.get(one.name, 0),
            "queued": queued.get(one.name, 0),
            "runs": runs.get(one.name, ()),
        }
        for one in known
    ]
    context = {
        "position": position,
        "retired": retired,
        "board_types": [row for row in rows if row["type"].kind == "board"],
        "vm_types": [row for row in rows if row["type"].kind == "vm"],
        "runners": {
            vm: [name for name, found in runs.items() if vm in found] for vm in {one.name for one in known}
        },
    }
    return render(request, "devices/types.html", context)


@require_safe
def device_type(request: HttpRequest, name: str) -> HttpResponse:
    """Show one device type."""
    position, now = store.head(), time.time()
    one = seen.device_type(request.user, name)
    config = seen.type_config(request.user, name)
    found = seen.device_type_history(
        request.user, name, before=_number(request.GET.get("before")), limit=EVENTS + 1
    )
    context: dict[str, Any] = {
        "position": position,
        "type": one,
        "shows_config": config is not None,
        "settings": config[1] if config else [],
        "history": found[:EVENTS],
        "older": found[EVENTS - 1].version if len(found) > EVENTS else None,
        "newest": "before" not in request.GET,
    }
    if one.kind == "board":
        members = seen.boards(request.user, device_type=name)
        context |= {
            "rows": board_pages.board_rows(request.user, members[: board_pages.MOST], now=now),
            "count": len(members),
            "free": sum(board.free for board in members),
            "runs": sorted({vm for board in members for vm in board.runs}) or runs_of(name),
            "health": health_of(name),
            "queue": waiting.queue(request.user, host_type=name),
            "recent": queries.job_list(request.user, {"host_type": name}, limit=JOBS),
        }
    else:
        context |= {
            "run_by": [other.name for other in seen.board_types(request.user) if name in other.runs],
            "vm": vm_type(name),
        }
    return render(request, "devices/type.html", context)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
