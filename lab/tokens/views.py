"""The profile: who one is here, and the tokens by which programs may act for one."""

from __future__ import annotations

import contextlib

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from lab.kernel.errors import NotFound, Rejected
from lab.tokens import commands
from lab.tokens.models import MOST_DAYS, SCOPES


class TokenForm(forms.Form):
    name = forms.CharField(max_length=100, strip=True, label="What it is for")
    scopes = forms.MultipleChoiceField(choices=list(SCOPES.items()), label="What it may do")
    days = forms.IntegerField(min_value=1, max_value=MOST_DAYS, required=False, label="Days it is good for")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def profile(request: HttpRequest) -> HttpResponse:
    """Show the user's tokens; make one, which is shown this once."""
    user = request.user
    assert isinstance(user, User)  # the decorator sees to it
    form = TokenForm(request.POST or None, initial={"scopes": ["read", "submit"], "days": 365})
    made = ""
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            _, made = commands.make(user, chosen["name"], scopes=chosen["scopes"], days=chosen["days"])
        except Rejected as error:
            form.add_error(None, str(error))
        else:
            form = TokenForm(initial=form.initial)
    context = {
        "form": form,
        "made": made,
        "tokens": commands.tokens(user),
        "scopes": SCOPES,
        "now": timezone.now(),
    }
    return render(request, "tokens/profile.html", context, status=422 if form.errors else 200)


@require_POST
@login_required
def revoke(request: HttpRequest, token: int) -> HttpResponse:
    """Take a token back: from now on it opens nothing."""
    user = request.user
    assert isinstance(user, User)  # the decorator sees to it
    with contextlib.suppress(NotFound):  # then it opens nothing already
        found = commands.revoke(user, token)
        messages.info(request, f"The token {found.name!r} opens nothing any more.")
    return redirect("profile")
