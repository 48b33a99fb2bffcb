"""A job again, from its log: the page with the clock, and consoles as casts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobs import console_log, queries
from jobs.asciicast import Cast, header
from lab.kernel.errors import NotFound

PIECE = 256 * 1024


@require_safe
def replay(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show a job with a time bar. ``?t=`` is the moment, in seconds since the start of its run."""
    snapshot = queries.job_snapshot(request.user, job_id)
    return render(request, "jobs/replay.html", {"job": snapshot, "page": {"now": time.time()}})


@require_safe
def cast(request: HttpRequest, job_id: int, node: int) -> HttpResponseBase:
    """Send a node's console, as far as it goes now, as an asciicast."""
    snapshot = queries.job_snapshot(request.user, job_id)
    name = next((n["name"] for n in snapshot["nodes"] if n["index"] == node), None)
    if name is None:
        raise NotFound(f"Job {job_id} has no node {node}.")
    title = f"{snapshot['name']} · job {job_id}, {name}"
    response = StreamingHttpResponse(_cast(job_id, node, title), content_type="application/x-asciicast")
    response.headers["Content-Disposition"] = f'attachment; filename="job-{job_id}.{node}-{name}.cast"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


async def _cast(job_id: int, node: int, title: str) -> AsyncIterator[str]:
    chunks: list[Any] = await sync_to_async(console_log.chunks)(job_id, node, 0, PIECE)
    start = chunks[0].at if chunks else 0.0
    yield header(title, start)
    recording = Cast(start)
    while chunks:
        yield "".join(recording.lines(chunks))
        chunks = await sync_to_async(console_log.chunks)(job_id, node, chunks[-1].end, PIECE)
    yield recording.end()
