"""A program that uses the REST API."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from lab.tokens.models import make_token

JOBS = "/api/v1/jobs/"
VALIDATE = "/api/v1/validate/"


def client(user: User) -> Client:
    """A program with a token of the user, checked for cross-site requests as browsers are."""
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Token {make_token(user, 'test')}"})


def post(
    api: Client, path: str, body: str | bytes = "", kind: str = "application/json", **headers: str
) -> Any:
    return api.generic("POST", path, body, content_type=kind, headers=headers)
