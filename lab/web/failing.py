"""What somebody gets to see of what is not their fault: a page or problem details, without a database."""

from __future__ import annotations

import logging
import secrets
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

log = logging.getLogger(__name__)

AWAY = (OperationalError, InterfaceError)
"""The database does not answer, or is being changed: nobody's fault, and over soon."""
RETRY_AFTER = 10
"""Seconds."""
WORDS = {
    500: ("This page failed", "It is a fault of Labbook, not yours: the server's log has the details."),
    503: (
        "The database does not answer",
        "It is being restarted or maintained. Nothing is lost: try again in a moment.",
    ),
}


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a request that broke off: 503 where the database is away, else 500.

    The answer has a number, by which the log's traceback is found.
    """
    error = sys.exc_info()[1]
    status = 503 if isinstance(error, AWAY) else 500
    number = secrets.token_hex(4)
    log.error("Request %s failed: %s %s: %r", number, request.method, request.path, error)
    title, words = WORDS[status]
    headers = {"Retry-After": str(RETRY_AFTER)} if status == 503 else {}
    if request.path.startswith("/api/"):
        problem = {"type": "about:blank", "title": title, "status": status, "detail": words, "number": number}
        return JsonResponse(problem, status=status, headers=headers, content_type="application/problem+json")
    context = {"title": title, "words": words, "number": number, "path": request.get_full_path()}
    # Without the request: who it is from is in the database.
    page = render_to_string("500.html", context)
    return HttpResponse(page, status=status, headers=headers)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that is too old, or was sent from elsewhere."""
    words = (
        "This form was sent from another site, or the browser has no cookie for it any more. Go back, load "
        "the page again and repeat what you did."
    )
    log.warning("A form was refused: %s: %s", request.path, reason)
    return render(request, "403.html", {"exception": words, "is_form": True}, status=403)
