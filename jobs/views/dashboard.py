"""The front page."""

from __future__ import annotations

import time

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobs.dashboard import dashboard
from lab.eventstore.store import store


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show what runs, what waits and why, what is broken, and what happened lately."""
    # Before anything is read: what changes meanwhile is told by the feed.
    position = store.head()
    mine = request.user.is_authenticated and request.GET.get("whose") == "mine"
    shown = dashboard(request.user, time.time(), mine=mine)
    tone = "fail" if shown.attention else "wait" if shown.blocked else "run" if shown.running else "idle"
    context = {"lab": shown, "mine": mine, "tone": tone, "position": position}
    return render(request, "jobs/dashboard.html", context)
