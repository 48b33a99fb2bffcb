"""The list of jobs. Filters and place live in the URL, so every view is a link."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from devices import seen
from jobs import queries, saved_views
from jobs.queries import Filters
from jobs.saved_views import FILTERS
from lab.eventstore.store import store
from lab.kernel.errors import Rejected

PAGE = 50
STATES: dict[str, tuple[str, Filters]] = {
    "open": ("Not finished", {"state": "open"}),
    "running": ("Running", {"state": "running"}),
    "queued": ("Waiting", {"state": "queued"}),
    "complete": ("Complete", {"outcome": "complete"}),
    "incomplete": ("Incomplete", {"outcome": "incomplete"}),
    "canceled": ("Cancelled", {"outcome": "canceled"}),
}
"""What the state filter offers: value in the URL, words, what it means to the query."""
SORTS = {"": "Newest first", "oldest": "Oldest first"}


@require_safe
def job_list(request: HttpRequest) -> HttpResponse:
    """Show jobs, newest first, 50 a page."""
    chosen = {name: request.GET.get(name, "").strip() for name in FILTERS}
    number = _number(chosen["q"].removeprefix("#"))
    if number is not None and queries.may_see(request.user, number):
        return redirect("jobs:job", number)
    before, after = _number(request.GET.get("before")), _number(request.GET.get("after"))
    oldest = chosen["sort"] == "oldest"
    if oldest and before is None and after is None:
        after = 0
    rows = queries.job_list(request.user, _filters(chosen), before=before, after=after, limit=PAGE + 1)
    more = len(rows) > PAGE
    # Going to newer ones, the row too many is the newest, otherwise the oldest.
    rows = (rows[-PAGE:] if after is not None else rows[:PAGE]) if more else rows
    newer = _page(chosen, "after", rows) if before is not None or (after is not None and more) else ""
    older = _page(chosen, "before", rows) if more or after else ""
    views = _views(request, chosen)
    boards, types = seen.names(request.user)
    context: dict[str, Any] = {
        "jobs": queries.with_estimates(rows[::-1] if oldest else rows),
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "states": [(value, words) for value, (words, _) in STATES.items()],
        "boards": boards,
        "types": types,
        "sorts": SORTS.items(),
        "newer": newer,
        "older": older,
        "forward": newer if oldest else older,
        "back": older if oldest else newer,
        "views": views,
        "here": next((view["name"] for view in views if view["here"]), ""),
        "query": _query(chosen),
        "position": store.head(),
    }
    return render(request, "jobs/list.html", context)


@require_POST
@login_required
def save_view(request: HttpRequest) -> HttpResponse:
    """Keep the filters of a list under a name; an empty query forgets the name."""
    name, query = request.POST.get("name", "").strip(), request.POST.get("query", "")
    chosen = {key: str(value) for key, value in QueryDict(query).items() if key in FILTERS and value}
    if "forget" in request.POST:
        saved_views.forget(request.user, name)
        return redirect("jobs:list")
    try:
        saved_views.keep(request.user, name, chosen)
    except Rejected as error:
        messages.error(request, str(error))
    return redirect(f"{reverse('jobs:list')}?{urlencode(chosen)}")


def _views(request: HttpRequest, chosen: dict[str, str]) -> list[dict[str, Any]]:
    if not request.user.is_authenticated:
        return []
    here = {key: value for key, value in chosen.items() if value}
    kept = saved_views.views(request.user)
    return [{"name": one.name, "query": one.query, "here": one.filters == here} for one in kept]


def _query(chosen: dict[str, str]) -> str:
    return urlencode({key: value for key, value in chosen.items() if value})


def _filters(chosen: dict[str, str]) -> Filters:
    filters: Filters = {
        "submitter": chosen["submitter"],
        "board": chosen["board"],
        "host_type": chosen["type"],
        "text": chosen["q"],
    }
    return {**filters, **STATES[chosen["state"]][1]} if chosen["state"] in STATES else filters


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _page(chosen: dict[str, str], side: str, rows: list[dict[str, Any]]) -> str:
    """Return the address of the next page on that side of these rows, filters kept."""
    if not rows:
        return ""
    edge = rows[0]["id"] if side == "after" else rows[-1]["id"]
    return "?" + urlencode({**{k: v for k, v in chosen.items() if v}, side: edge})
