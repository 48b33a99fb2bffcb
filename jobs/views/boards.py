"""Pages about boards. Filters and place live in the URL, so every view is a link."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from devices import seen, sitting_view
from devices.domain.config import BoardConfig
from devices.domain.history import Entry
from devices.seen import BoardView
from devices.steps import Step, board_steps
from jobs import board_pages, queries, waiting
from jobs.board_pages import DAY, MOST
from jobs.sight import User
from lab.eventstore.store import store
from lab.kernel.errors import NotFound, NotPermitted, Rejected

EVENTS, JOBS, TABLE, ERRANDS = 30, 10, 20, 3
FILTERS = ("q", "state", "type", "tag", "site")
STATES = {
    "free": "Free",
    "reserved": "In use",
    "out": "Out of service",
    "offline": "Offline",
    "quarantined": "Quarantined",
    "unhealthy": "Unhealthy",
    "unchecked": "To be checked",
    "retired": "Retired",
}
SPANS = {"24h": ("24 h", DAY, 2), "7d": ("7 d", 7 * DAY, 24)}
"""Windows of the strip by their name in the URL: words, seconds, hours between two marks of the axis."""


@require_safe
def boards(request: HttpRequest) -> HttpResponse:
    """Show boards by name: who has them, why the others can't be had, and their last day."""
    position, now = store.head(), time.time()
    chosen = {name: request.GET.get(name, "").strip() for name in FILTERS}
    known = seen.boards(request.user, retired=chosen["state"] == "retired")
    found = [one for one in known if _wanted(one, chosen)]
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    if before:
        shown = [one for one in found if one.name < before][-MOST:]
    else:
        shown = [one for one in found if one.name > after][:MOST]
    context: dict[str, Any] = {
        "position": position,
        "rows": board_pages.board_rows(request.user, shown, now=now),
        "count": len(found),
        "total": len(known),
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "states": STATES.items(),
        "types": sorted({one.device_type for one in known}),
        "tags": sorted({tag for one in known for tag in one.tags}),
        "sites": sorted({one.site for one in known}),
        "back": _page(chosen, "before", shown[0].name) if shown and shown[0] is not found[0] else "",
        "forward": _page(chosen, "after", shown[-1].name) if shown and shown[-1] is not found[-1] else "",
    }
    return render(request, "devices/boards.html", context)


@require_safe
def board(request: HttpRequest, name: str) -> HttpResponse:
    """Show one board: who has it, its day, its connections, its queue and its history."""
    position, now = store.head(), time.time()
    one = seen.board(request.user, name)
    span = request.GET.get("span", "")
    span = span if span in SPANS else "24h"
    words, seconds, step = SPANS[span]
    (row,) = board_pages.board_rows(request.user, [one])
    strip = board_pages.strips(request.user, [name], now - seconds, now)[name]
    history, older = _history(request.user, name, _number(request.GET.get("before")))
    rights = seen.board_rights(request.user, name)
    shows_config = seen.sees_config(request.user, name)
    reached = seen.connections(request.user, name)
    steps = steps_of(one) if "handle" in rights else []
    hands = hands_of(one, reached) if "handle" in rights and shows_config else []
    context: dict[str, Any] = {
        "position": position,
        "board": one,
        "row": row,
        "tone": _tone(one),
        "strip": strip,
        "span": span,
        "span_words": words,
        "spans": [(key, told[0]) for key, told in SPANS.items()],
        "marks": board_pages.marks(now, seconds, step),
        "use": board_pages.use(name, now),
        "table": board_pages.told_stretches(request.user, seen.last_stretches(request.user, name, TABLE)),
        "recent": queries.job_list(request.user, {"board": name}, limit=JOBS),
        "queue": waiting.queue(request.user, host_type=one.device_type, limit=8)
        if one.state != "retired"
        else None,
        "history": history,
        "older": older,
        "newest": "before" not in request.GET,
        "rights": rights,
        "steps": steps,
        # How the lab reaches its boards is for who keeps them.
        "sitting": sitting_view.current(name),
        "may_sit": sitting_view.may(request.user, name),
        "shows_config": shows_config,
        "reached": reached,
        "hands": hands,
        "errands": seen.errands(request.user, name, limit=ERRANDS) if shows_config else [],
        "dialogs": [*steps, *hands],
    }
    return render(request, "devices/board.html", context)


@require_POST
def do(request: HttpRequest, name: str, key: str) -> HttpResponse:
    """Do something to a board, for a reason."""
    one = seen.board(request.user, name)
    reached = seen.connections(request.user, name)
    step = next((step for step in (*steps_of(one), *hands_of(one, reached)) if step.key == key), None)
    if step is None:
        messages.warning(request, f"Nothing done: that cannot be done to board {name} as it is now.")
        return redirect("devices:board", name)
    try:
        step.run(name, request.POST.get("reason", "").strip(), actor=request.user, cause="web")
    except (NotPermitted, NotFound):
        raise
    except Rejected as exc:
        messages.error(request, str(exc))
    else:
        messages.success(request, f"Board {name} {step.done}.")
    return redirect("devices:board", name)


def steps_of(one: BoardView) -> list[Step]:
    """Return what can be done to a board now, for a reason.

    What is dangerous is left to the admin's pages.
    """
    found = board_steps(
        offline=one.offline,
        health=one.health,
        retired=one.state == "retired",
        has_check=one.check_every is not None,
        checking=bool(one.check),
    )
    return [step for step in found if step.asks and not step.dangerous]


def hands_of(one: BoardView, reached: tuple[BoardConfig | None, list[str]] | None) -> list[Step]:
    """Return what a worker can do to a board now at somebody's request: test it, switch its power."""
    config = reached[0] if reached is not None else None
    found = board_steps(
        offline=one.offline,
        health=one.health,
        retired=one.state == "retired",
        held=one.held_by_job is not None,
        errand=one.errand,
        has_power=config is not None and config.power.present,
    )
    return [step for step in found if not step.asks]


def _wanted(one: BoardView, chosen: dict[str, str]) -> bool:
    state = chosen["state"]
    if state == "out":
        if one.free or (one.state == "reserved" and not one.offline and one.health != "bad"):
            return False
    elif state == "offline":
        if not one.offline:
            return False
    elif state and one.state != state and not (state == "unhealthy" and one.health == "bad"):
        return False
    if (chosen["type"] and one.device_type != chosen["type"]) or (
        chosen["site"] and one.site != chosen["site"]
    ):
        return False
    if chosen["tag"] and chosen["tag"] not in one.tags:
        return False
    text = f"{one.name}\n{one.description}\n{one.device_type}\n{' '.join(one.tags)}".casefold()
    return all(word in text for word in chosen["q"].casefold().split())


def _history(user: User, name: str, before: int | None) -> tuple[list[Entry], int | None]:
    """Return a page of the history, and the version below which the next one is."""
    found = seen.board_history(user, name, before=before, limit=EVENTS + 1)
    return found[:EVENTS], found[EVENTS - 1].version if len(found) > EVENTS else None


def _tone(one: BoardView) -> str:
    if one.health == "bad" or one.state == "quarantined":
        return "fail"
    return {"reserved": "run", "free": "pass", "unchecked": "wait"}.get(one.state, "idle")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def _page(chosen: dict[str, str], side: str, name: str) -> str:
    return "?" + urlencode({**{key: value for key, value in chosen.items() if value}, side: name})
