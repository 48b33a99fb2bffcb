"""Security headers on every answer, static files, and pages for what commands and queries refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

from lab.kernel.errors import Conflict, NotFound, NotPermitted, Rejected

GetResponse = Callable[[HttpRequest], HttpResponseBase]

# Everything comes from here; no inline scripts or styles. "data:" is for the small pictures in style sheets.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


def content_security_policy(get_response: GetResponse) -> GetResponse:
    """Middleware: tell browsers to run and load nothing that is not ours."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        # Django's own pages about errors, for developers only, are full of inline code.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response

    return middleware


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # it has no types
    """WhiteNoise, but files are read at once: they are small, and ASGI can't await its iterators."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        found = WhiteNoiseMiddleware.serve(static_file, request)
        with contextlib.closing(found):
            content = found.getvalue()
        return HttpResponse(content, status=found.status_code, headers=dict(found.items()))


class Refusals:
    """Middleware: show the sentence of a refusal on a page of its own.

    A visitor who is not logged in and lacks permission is asked to log in instead.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exc: Exception) -> HttpResponse | None:
        """Return a page for the errors that are part of the interface; anything else is a bug."""
        match exc:
            case NotPermitted() if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            case NotPermitted():
                return render(request, "403.html", {"exception": str(exc)}, status=403)
            case NotFound():
                return render(request, "404.html", {"exception": str(exc)}, status=404)
            case Rejected():
                return render(request, "400.html", {"exception": str(exc)}, status=409)
            case Conflict():
                text = "Somebody else changed this at the same moment. Nothing was lost: try again."
                return render(request, "400.html", {"exception": text}, status=409)
        return None
