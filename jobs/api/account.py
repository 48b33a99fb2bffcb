"""What is the user's own: who one is, tokens, saved views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import rows, saved_views
from jobs.api import shapes_account as of
from jobs.api.body import PARSERS, Sent
from jobs.api.errors import BadRequest
from jobs.api.operations import operation
from jobs.api.parameters import check_known
from jobs.saved_views import View
from lab.tokens import commands as tokens
from lab.tokens.models import ApiToken


def account(request: Request) -> User:
    """Return who asks. Raises `NotAuthenticated` for visitors."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


class Me(APIView):
    """Who one is here, and what the token is for."""

    @operation("show_me", "Who one is here", gives=of.Me)
    def get(self, request: Request) -> Response:
        check_known(request, ())
        user = account(request)
        return Response(
            {
                "username": user.get_username(),
                "name": user.get_full_name(),
                "email": user.email,
                "groups": sorted(user.groups.values_list("name", flat=True)),
                "staff": user.is_staff,
                "scopes": request.auth.scopes if isinstance(request.auth, ApiToken) else None,
            }
        )


class Tokens(APIView):
    """One's own tokens, by name, and the way to make one."""

    parser_classes = PARSERS
    scope = "account"

    @operation("list_tokens", "One's tokens", gives=of.Tokens)
    def get(self, request: Request) -> Response:
        check_known(request, ())
        return Response({"tokens": [_token(one) for one in tokens.tokens(account(request))]})

    @operation("make_token", "Make a token", gives=of.MadeToken, status=201, sends=of.NewToken)
    def post(self, request: Request) -> Response:
        """Make a token. A program makes none that may more, or lasts longer, than the one it shows."""
        user, sent = account(request), Sent(request, ("name", "scopes", "days"))
        made, secret = tokens.make(
            user,
            sent.needed("name"),
            scopes=sent.strings("scopes") or [],
            days=sent.number("days"),
            by=request.auth if isinstance(request.auth, ApiToken) else None,
        )
        answer = Response({**_token(made), "token": secret}, 201)
        answer.headers["Location"] = request.build_absolute_uri(reverse("api:token", args=[made.pk]))
        answer.headers["Cache-Control"] = "no-store"
        return answer


class OneToken(APIView):
    """One of one's own tokens."""

    scope = "account"

    @operation("show_token", "What is kept of a token", gives=of.Token)
    def get(self, request: Request, token: int) -> Response:
        check_known(request, ())
        return Response(_token(tokens.token(account(request), token)))

    @operation("revoke_token", "Revoke a token", status=204)
    def delete(self, request: Request, token: int) -> Response:
        """Take a token back: from now on it opens nothing."""
        tokens.revoke(account(request), token)
        return Response(status=204)


class Views(APIView):
    """The lists of jobs that one keeps under names."""

    @operation("list_views", "One's saved views", gives=of.Views)
    def get(self, request: Request) -> Response:
        check_known(request, ())
        return Response({"views": [_view(request, one) for one in saved_views.views(account(request))]})


class OneView(APIView):
    """A list of jobs that one keeps under a name."""

    parser_classes = PARSERS
    scope = "account"

    @operation("show_view", "A saved view", gives=of.View)
    def get(self, request: Request, view: str) -> Response:
        check_known(request, ())
        return Response(_view(request, saved_views.view(account(request), view)))

    @operation("keep_view", "Keep a view", gives=of.View, sends=of.NewView)
    def put(self, request: Request, view: str) -> Response:
        """Keep filters under this name; what had the name before is replaced."""
        user, sent = account(request), Sent(request, ("filters",))
        filters = sent.texts("filters") or {}
        if unknown := sorted(set(filters) - set(saved_views.FILTERS)):
            raise BadRequest(f"filters may hold {', '.join(saved_views.FILTERS)}, not {unknown[0][:60]!r}.")
        return Response(_view(request, saved_views.keep(user, view, filters)))

    @operation("forget_view", "Forget a view", status=204)
    def delete(self, request: Request, view: str) -> Response:
        """Forget a view, if it is there."""
        saved_views.forget(account(request), view)
        return Response(status=204)


def _token(one: ApiToken) -> Mapping[str, Any]:
    return {
        "id": one.pk,
        "name": one.name,
        "scopes": one.scopes,
        "created_at": rows.moment(one.created_at),
        "expires_at": rows.moment(one.expires_at),
        "last_used_at": rows.moment(one.last_used_at),
    }


def _view(request: Request, one: View) -> Mapping[str, Any]:
    page = request.build_absolute_uri(f"{reverse('jobs:list')}?{one.query}")
    return {"name": one.name, "filters": one.filters, "page": page}
