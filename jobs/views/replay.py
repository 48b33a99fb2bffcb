"""A job again, from its log: the page with the clock, and consoles as casts."""

from __future__ import annotations

import time

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobs import queries
from jobs.casting import cast_answer


@require_safe
def replay(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show a job with a time bar. ``?t=`` is the moment, in seconds since the start of its run."""
    snapshot = queries.job_snapshot(request.user, job_id)
    return render(request, "jobs/replay.html", {"job": snapshot, "page": {"now": time.time()}})


@require_safe
def cast(request: HttpRequest, job_id: int, node: int) -> HttpResponseBase:
    """Send a node's console, as far as it goes now, as an asciicast."""
    return cast_answer(request, job_id, node)
