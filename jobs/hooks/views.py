"""The pages of a user's webhooks: what there is, one with what it was sent, a message."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from devices import seen
from jobs.hooks import commands, queries
from jobs.hooks.commands import BadHook
from jobs.hooks.forms import COMMON, WHOSE, HookForm, initial
from jobs.hooks.models import Hook
from lab.kernel.errors import NotFound, Rejected


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def hooks(request: HttpRequest) -> HttpResponse:
    """List the user's webhooks; make one, whose secret is shown this once. ``?job=``: for this job."""
    user = _user(request)
    form = HookForm(request.POST or None, initial=initial(job=_number(request.GET.get("job"))))
    made, secret = None, ""
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = commands.make_hook(user, **form.settings())
        except (BadHook, NotFound, Rejected) as error:
            _refuse(form, error)
        else:
            form = HookForm(initial=initial())
    return _page(
        request,
        "hooks/hooks.html",
        form,
        {"hooks": queries.hooks(user), "made": made, "secret": secret, "most": commands.MOST},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def hook(request: HttpRequest, hook: int) -> HttpResponse:
    """Show a webhook with what it was sent; change what it is told."""
    user = _user(request)
    row = commands.hook_of(user, hook)
    form = HookForm(request.POST or None, initial=initial(row))
    if request.method == "POST" and form.is_valid():
        try:
            commands.change_hook(user, hook, **form.settings())
        except (BadHook, NotFound, Rejected) as error:
            _refuse(form, error)
        else:
            messages.info(request, "It is told what you said from now on.")
            return redirect("hooks:hook", hook)
    return _shown(request, row, form)


@require_safe
@login_required
@never_cache
def message(request: HttpRequest, hook: int, key: str) -> HttpResponse:
    """Show a message: every attempt, and what was sent."""
    row = commands.message_of(_user(request), hook, key)
    context = {"hook": queries.hook(row.hook), "message": queries.whole_message(row)}
    return render(request, "hooks/message.html", context)


@require_POST
@login_required
def test(request: HttpRequest, hook: int) -> HttpResponse:
    commands.send_test(_user(request), hook)
    return redirect("hooks:hook", hook)


@require_POST
@login_required
def again(request: HttpRequest, hook: int, key: str) -> HttpResponse:
    try:
        commands.send_again(_user(request), hook, key)
    except NotFound:
        raise
    except Rejected as error:
        messages.error(request, str(error))
    return redirect("hooks:hook", hook)


@require_POST
@login_required
def switch(request: HttpRequest, hook: int) -> HttpResponse:
    """Switch it off, or on: from where it stopped, or from now on."""
    user, to = _user(request), request.POST.get("to")
    if to == "off":
        commands.switch_off(user, hook)
    else:
        commands.switch_on(user, hook, skip=to == "on-from-now")
    return redirect("hooks:hook", hook)


@require_POST
@login_required
@never_cache
def secret(request: HttpRequest, hook: int) -> HttpResponse:
    """Make a new secret and show it, this once."""
    row, made = commands.new_secret(_user(request), hook)
    return _shown(request, row, HookForm(initial=initial(row)), secret=made)


@require_POST
@login_required
def remove(request: HttpRequest, hook: int) -> HttpResponse:
    row = commands.hook_of(_user(request), hook)
    commands.remove_hook(_user(request), hook)
    messages.info(request, f"The webhook {row.name!r} is gone.")
    return redirect("hooks:hooks")


def _shown(request: HttpRequest, row: Hook, form: HookForm, *, secret: str = "") -> HttpResponse:
    before = _number(request.GET.get("before"))
    found = queries.messages(row, before=before, limit=queries.PAGE + 1)
    shown = found[: queries.PAGE]
    context = {
        "hook": queries.hook(row),
        "secret": secret,
        "shown": shown,
        "before": before,
        "older": shown[-1]["number"] if len(found) > queries.PAGE else None,
        "pending": queries.something_soon(row),
    }
    return _page(request, "hooks/hook.html", form, context)


def _page(request: HttpRequest, template: str, form: HookForm, context: dict[str, Any]) -> HttpResponse:
    offered = {
        "form": form,
        "common": COMMON,
        "whose": WHOSE,
        "boards": [one.name for one in seen.boards(request.user)],
        "types": [one.name for one in seen.board_types(request.user)],
    }
    return render(request, template, context | offered, status=422 if form.errors else 200)


def _refuse(form: HookForm, error: Rejected) -> None:
    if isinstance(error, BadHook):
        for problem in error.problems:
            form.refuse(problem.field, problem.message)
    else:
        form.refuse("job" if isinstance(error, NotFound) else "", str(error))


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the decorator sees to it
    return request.user


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
