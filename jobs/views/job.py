"""The page of one job, and what hangs on it: definition, raw console, cancel, hold."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from typing import Any, Literal

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from jobs import access, commands, comparison, console_log, hand_commands, queries, rows
from jobs.models import Job
from jobs.views.submit import text_lines
from lab.kernel.errors import NotFound, Rejected

TAIL_BYTES = 48 * 1024
"""Of each console, sent with the page; what is older comes when the reader asks for it."""
DOWNLOAD_BYTES = 256 * 1024


@require_safe
def job(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show a job. The page draws itself from the snapshot in it, then from what the websocket adds."""
    snapshot = queries.job_snapshot(request.user, job_id)
    row = queries.seen_job(request.user, job_id)
    consoles = {str(node["index"]): _tail(job_id, node["index"]) for node in snapshot["nodes"]}
    return render(
        request,
        "jobs/job.html",
        {
            "job": snapshot,
            # What to offer; commands decide.
            "may_cancel": access.may(request.user, "cancel", row),
            "may_hold": _has_hands(request, row, "hold"),
            "edited": queries.is_edited(row),
            "longest_hold": settings.LABBOOK["MAX_HOLD"] // 60,
            "page": {
                "now": time.time(),
                "consoles": consoles,
                "user": request.user.get_username(),
                "may_type": _has_hands(request, row, "console"),
                "may_end": access.may(request.user, "cancel", row),
            },
        },
    )


@require_safe
def definition(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show the definition as it was submitted; ``?raw=1`` sends exactly those bytes."""
    row = queries.seen_job(request.user, job_id)
    text = queries.definition_text(job_id)
    if request.GET.get("raw"):
        response = HttpResponse(text.encode(), content_type="text/plain; charset=utf-8")
        response.headers["Content-Disposition"] = f'inline; filename="job-{job_id}.{_suffix(text)}"'
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
    context: dict[str, Any] = {"job": rows.summary(row), "lines": text_lines(text)}
    origin = row.resubmitted_from
    if origin is not None and queries.may_see(request.user, origin):
        before = queries.definition_text(origin)
        context |= {
            "origin": origin,
            "difference": comparison.difference(before.splitlines(), text.splitlines()),
        }
    return render(request, "jobs/definition.html", context)


@require_safe
def raw_console(request: HttpRequest, job_id: int, node: int) -> HttpResponseBase:
    """Send a node's console, byte for byte, as far as it goes now."""
    snapshot = queries.job_snapshot(request.user, job_id)
    name = next((n["name"] for n in snapshot["nodes"] if n["index"] == node), None)
    if name is None:
        raise NotFound(f"Job {job_id} has no node {node}.")
    response = StreamingHttpResponse(_console(job_id, node), content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="job-{job_id}.{node}-{name}.log"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@require_POST
@login_required
def cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    """Ask for the end of a job."""
    reason = request.POST.get("reason", "").strip()
    commands.request_cancel(job_id, reason, user=request.user, cause="web")
    messages.info(request, f"Job {job_id} is being cancelled.")
    return redirect("jobs:job", job_id)


@require_POST
@login_required
def hold(request: HttpRequest, job_id: int) -> HttpResponse:
    """Have a job held before its clean-up."""
    minutes = request.POST.get("minutes", "").strip().replace(",", ".")
    try:
        seconds = round(float(minutes) * 60)
    except (ValueError, OverflowError) as error:
        raise Rejected(f"For how many minutes? {minutes[:20]!r} is no number.") from error
    hand_commands.hold_job(
        job_id,
        seconds,
        request.POST.get("reason", ""),
        if_failed=request.POST.get("if_failed") == "1",
        user=request.user,
        cause="web",
    )
    return redirect("jobs:job", job_id)


@require_POST
@login_required
def release(request: HttpRequest, job_id: int) -> HttpResponse:
    """Let a held job go on to its clean-up."""
    hand_commands.release_job(job_id, request.POST.get("reason", ""), user=request.user, cause="web")
    return redirect("jobs:job", job_id)


def _has_hands(request: HttpRequest, row: Job, deed: Literal["console", "hold"]) -> bool:
    """Whether to offer it: who submitted a job that waits for its board will most likely have the right."""
    mine = not row.board and access.is_submitter(request.user, row)
    return mine or access.may(request.user, deed, row)


def _tail(job_id: int, node: int) -> list[dict[str, Any]]:
    """Return the last chunks of a console in the form the websocket sends them."""
    first = console_log.tail(job_id, node, TAIL_BYTES)
    if first is None:
        return []
    return [
        {
            "offset": chunk.offset,
            "line": chunk.line,
            "at": chunk.at,
            "data": base64.b64encode(chunk.data).decode(),
        }
        for chunk in console_log.chunks(job_id, node, first.offset, 4 * TAIL_BYTES)
    ]


async def _console(job_id: int, node: int) -> AsyncIterator[bytes]:
    offset = 0
    while True:
        _, data = await sync_to_async(console_log.read)(job_id, node, offset, DOWNLOAD_BYTES)
        if not data:
            return
        yield data
        offset += len(data)


def _suffix(text: str) -> str:
    return "json" if text.lstrip().startswith(("{", "[")) else "yaml"
