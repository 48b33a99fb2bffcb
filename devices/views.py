"""Pages about boards."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from devices import seen
from lab.eventstore.store import store


@require_safe
def boards(request: HttpRequest) -> HttpResponse:
    """Show all boards: who has them, and why the others can't be had."""
    return render(
        request, "devices/boards.html", {"boards": seen.boards(request.user), "position": store.head()}
    )


@require_safe
def board(request: HttpRequest, name: str) -> HttpResponse:
    """Show one board and its history."""
    return render(
        request,
        "devices/board.html",
        {
            "board": seen.board(request.user, name),
            "history": seen.board_history(request.user, name),
            # How the lab reaches its boards is for who keeps them.
            "shows_config": seen.sees_config(request.user, name),
            "position": store.head(),
        },
    )
