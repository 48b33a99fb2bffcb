"""The list of jobs and the dashboard. Filters and place live in the URL, so every view is a link."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from devices import queries as inventory
from jobs import queries
from jobs.queries import Filters
from lab.eventstore.store import store

PAGE = 50
OPEN = 200
"""Jobs not yet finished that the dashboard shows at most."""
EXPLAINED = 20
"""Waiting ones among them that it explains board by board."""
STATES: dict[str, tuple[str, Filters]] = {
    "open": ("Not finished", {"state": "open"}),
    "running": ("Running", {"state": "running"}),
    "queued": ("Waiting", {"state": "queued"}),
    "complete": ("Complete", {"outcome": "complete"}),
    "incomplete": ("Incomplete", {"outcome": "incomplete"}),
    "canceled": ("Cancelled", {"outcome": "canceled"}),
}
"""What the state filter offers: value in the URL, words, what it means to the query."""
FILTERS = ("state", "submitter", "board", "q")


@require_safe
def job_list(request: HttpRequest) -> HttpResponse:
    """Show jobs, newest first, 50 a page."""
    chosen = {name: request.GET.get(name, "").strip() for name in FILTERS}
    number = _number(chosen["q"].removeprefix("#"))
    if number is not None and queries.may_see(request.user, number):
        return redirect("jobs:job", number)
    before, after = _number(request.GET.get("before")), _number(request.GET.get("after"))
    rows = queries.job_list(request.user, _filters(chosen), before=before, after=after, limit=PAGE + 1)
    more = len(rows) > PAGE
    # Going to newer ones, the row too many is the newest, otherwise the oldest.
    rows = (rows[-PAGE:] if after is not None else rows[:PAGE]) if more else rows
    context: dict[str, Any] = {
        "jobs": rows,
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "states": [(value, words) for value, (words, _) in STATES.items()],
        "boards": [board.name for board in inventory.board_list()],
        "newer": _page(chosen, "after", rows) if before is not None or (after is not None and more) else "",
        "older": _page(chosen, "before", rows) if more or after is not None else "",
        "position": store.head(),
    }
    return render(request, "jobs/list.html", context)


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show what runs, what waits and why, and what came of the latest jobs."""
    running = queries.job_list(request.user, {"state": "open"}, limit=OPEN)
    boards = inventory.board_list()
    waiting = [job for job in running if job["state"] == "queued"]
    return render(
        request,
        "jobs/dashboard.html",
        {
            "position": store.head(),
            "running": [job for job in running if job["state"] != "queued"],
            "waiting": [
                {**job, "waiting": queries.waiting_for(queries.seen_job(request.user, job["id"]))}
                for job in waiting[:EXPLAINED]
            ],
            "unexplained": max(0, len(waiting) - EXPLAINED),
            "recent": queries.job_list(request.user, {"state": "finished"}, limit=12),
            "boards": boards,
            "free": sum(board.free for board in boards),
        },
    )


def _filters(chosen: dict[str, str]) -> Filters:
    filters: Filters = {"submitter": chosen["submitter"], "board": chosen["board"], "text": chosen["q"]}
    return {**filters, **STATES[chosen["state"]][1]} if chosen["state"] in STATES else filters


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _page(chosen: dict[str, str], side: str, rows: list[dict[str, Any]]) -> str:
    """Return the address of the next page on that side of these rows, filters kept."""
    if not rows:
        return ""
    edge = rows[0]["id"] if side == "after" else rows[-1]["id"]
    return "?" + urlencode({**{k: v for k, v in chosen.items() if v}, side: edge})
