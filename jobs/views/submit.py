"""Submitting a definition as text, new or again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from jobs import commands, queries, rows
from jobs.availability import availability
from jobs.domain.definition.edit import pin_board
from jobs.domain.definition.model import Invalid, Problem
from jobs.domain.definition.validate import validate
from jobs.lab_view import lab_view
from jobs.starting_points import starting_points


@dataclass(kw_only=True)
class Draft:
    """What the editor shows."""

    text: str
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    checked: bool = False
    origin: dict[str, Any] | None = field(default=None)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def submit(request: HttpRequest) -> HttpResponse:
    """Show the editor; check or submit what it holds."""
    if request.method != "POST":
        return _editor(request, Draft(text=""))
    text = sent_text(request.POST.get("definition", ""))
    return _act(request, Draft(text=text))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def resubmit(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show the definition of a job in the editor; what is submitted links to that job.

    ``?board=same`` names the board that the job had.
    """
    origin = rows.summary(queries.seen_job(request.user, job_id))
    original = queries.definition_text(job_id)
    if request.method != "POST":
        if request.GET.get("board") == "same":
            original = pin_board(original, queries.board_of(queries.seen_job(request.user, job_id)))
        return _editor(request, Draft(text=original, origin=origin))
    text = sent_text(request.POST.get("definition", ""), original=original)
    return _act(request, Draft(text=text, origin=origin))


def sent_text(posted: str, *, original: str = "") -> str:
    """Return the text as its author means it: a browser turns every line end of a form field into CRLF.

    What was not edited comes back exactly as the original. Edited text keeps the original's line ends
    if those were all CRLF; otherwise they are plain newlines.
    """
    text = _plain(posted)
    if original and text == _plain(original):
        return original
    crlf = "\r\n" in original and original.count("\r\n") == original.count("\n") == original.count("\r")
    return text.replace("\n", "\r\n") if crlf else text


def text_lines(text: str, problems: Sequence[Problem] = ()) -> list[tuple[int, str, str]]:
    """Return (number, text, class) of each line; lines with problems have class ``er``."""
    bad = {problem.line for problem in problems}
    return [(n, line, "er" if n in bad else "") for n, line in enumerate(_plain(text).split("\n"), 1)]


def _act(request: HttpRequest, draft: Draft) -> HttpResponse:
    try:
        if request.POST.get("do") == "validate":
            draft.warnings = validate(draft.text, lab_view(request.user)).warnings
            draft.checked = True
            return _editor(request, draft)
        if draft.origin:
            job = commands.resubmit_job(draft.origin["id"], draft.text, user=request.user, cause="web")
        else:
            job = commands.submit_job(draft.text, user=request.user, cause="web")
    except Invalid as exc:
        draft.problems, draft.checked = exc.problems, True
        return _editor(request, draft, status=422)
    return redirect("jobs:job", job)


def _editor(request: HttpRequest, draft: Draft, *, status: int = 200) -> HttpResponse:
    return render(
        request,
        "jobs/submit.html",
        {
            "draft": draft,
            "lines": text_lines(draft.text, draft.problems),
            "page": {
                "user": request.user.get_username(),
                "templates": [dataclasses.asdict(one) for one in starting_points(request.user)],
                "lab": availability(request.user),
            },
        },
        status=status,
    )


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
