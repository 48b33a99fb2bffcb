"""``Authorization: Token <token>`` for the REST API."""

from __future__ import annotations

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from lab.tokens.models import ApiToken, valid_token


class TokenAuthentication(BaseAuthentication):
    """Who shows a token is its user; a wrong one is refused instead of counting as nobody."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        kind, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if kind.lower() not in ("token", "bearer"):
            return None
        found = valid_token(token.strip())
        if found is None:
            raise AuthenticationFailed("This token is not valid (any more).")
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return 'Token realm="labbook"'
