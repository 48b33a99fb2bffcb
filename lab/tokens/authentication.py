"""``Authorization: Token <token>`` for the REST API."""

from __future__ import annotations

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from lab.tokens.models import token_owner


class TokenAuthentication(BaseAuthentication):
    """Who shows a token is its user; a wrong one is refused instead of counting as nobody."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        kind, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if kind.lower() not in ("token", "bearer"):
            return None
        user = token_owner(token.strip())
        if user is None:
            raise AuthenticationFailed("This token is not valid (any more).")
        return user, None

    def authenticate_header(self, request: Request) -> str:
        return 'Token realm="labbook"'
