"""Tokens: what they are for, until when, and the page on which users make and revoke their own."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from lab.tokens.models import ApiToken, make_token, valid_token
from tests.support.jobs import definition, make_inventory, make_user, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def erika() -> User:
    make_inventory()
    return make_user()


def program(token: str) -> Client:
    return Client(headers={"Authorization": f"Token {token}"})


def test_a_token_does_what_it_is_for_and_no_more(erika: User) -> None:
    number = submit(erika)
    reader = program(make_token(erika, "reader", scopes=["read"]))
    assert reader.get("/api/v1/jobs/").status_code == 200
    refused = reader.post(f"/api/v1/jobs/{number}/cancel/", content_type="application/json")
    assert refused.status_code == 403
    assert refused.json()["detail"] == "This token is not for that: it lacks the scope submit."
    writer = program(make_token(erika, "writer", scopes=["submit"]))
    assert writer.post("/api/v1/jobs/", definition(), content_type="text/plain").status_code == 201
    assert writer.get("/api/v1/jobs/").status_code == 403


def test_a_token_ends_when_it_was_to_end(erika: User) -> None:
    token = make_token(erika, "short", days=1)
    assert valid_token(token) is not None
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert valid_token(token) is None
    assert program(token).get("/api/v1/jobs/").status_code == 401


def test_a_user_makes_a_token_on_the_profile_sees_it_once_and_revokes_it(erika: User) -> None:
    browser = Client()
    browser.force_login(erika)
    assert "You have no token" in browser.get("/profile/").content.decode()
    answer = browser.post("/profile/", {"name": "nightly", "scopes": ["read", "submit"], "days": "30"})
    (token,) = re.findall(r"labbook_[\w-]+", answer.content.decode())
    assert answer["Cache-Control"].startswith("max-age=0")
    row = ApiToken.objects.get()
    assert (row.name, row.scopes, row.user) == ("nightly", ["read", "submit"], erika)
    assert row.expires_at is not None
    assert timedelta(days=29) < row.expires_at - timezone.now() <= timedelta(days=30)
    assert program(token).get("/api/v1/jobs/").status_code == 200
    page = browser.get("/profile/").content.decode()
    assert "nightly" in page
    assert token not in page
    browser.post(f"/profile/tokens/{row.pk}/revoke")
    assert program(token).get("/api/v1/jobs/").status_code == 401


def test_nobody_sees_or_revokes_the_tokens_of_others(erika: User) -> None:
    token = make_token(erika, "secret plans")
    browser = Client()
    browser.force_login(make_user("mallory"))
    assert "secret plans" not in browser.get("/profile/").content.decode()
    browser.post(f"/profile/tokens/{ApiToken.objects.get().pk}/revoke")
    assert valid_token(token) is not None
    assert Client().get("/profile/")["Location"].startswith("/login/")


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"name": "", "scopes": ["read"]}, "This field is required"),
        ({"name": "x"}, "This field is required"),
        ({"name": "x", "scopes": ["everything"]}, "not one of the available choices"),
        ({"name": "x", "scopes": ["read"], "days": "0"}, "greater than or equal to 1"),
    ],
)
def test_a_wrong_form_makes_no_token_and_says_why(erika: User, sent: dict[str, object], words: str) -> None:
    browser = Client()
    browser.force_login(erika)
    answer = browser.post("/profile/", sent)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_the_command_makes_tokens_for_a_purpose_and_a_time(erika: User) -> None:
    out = io.StringIO()
    call_command("create_token", "erika", "--scope", "read", "--days", "7", stdout=out)
    found = valid_token(out.getvalue().strip())
    assert found is not None
    assert found.scopes == ["read"]
    with pytest.raises(CommandError, match="1 to 3650 days"):
        call_command("create_token", "erika", "--days", "0")
