"""The REST API on the real commands, queries and database: who is asking."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from lab.tokens.models import ApiToken, digest_of, make_token
from tests.integration.api.client import JOBS, VALIDATE, client, post
from tests.support.jobs import definition, make_user, submit

pytestmark = pytest.mark.django_db


def test_a_token_is_printed_once_and_only_its_hash_is_kept(erika: User) -> None:
    out = io.StringIO()
    call_command("create_token", "erika", "--name", "nightly", stdout=out)
    token = out.getvalue().strip()
    row = ApiToken.objects.get()
    assert (row.name, row.user, row.digest, row.last_used_at) == ("nightly", erika, digest_of(token), None)
    assert token not in {str(value) for value in ApiToken.objects.values().get().values()}
    answer = Client(headers={"Authorization": f"Token {token}"}).post(
        VALIDATE, definition(), content_type="text/plain"
    )
    assert answer.status_code == 200
    row.refresh_from_db()
    assert row.last_used_at is not None
    assert str(row) == "nightly of erika"


def test_the_last_use_is_noted_once_a_minute(erika: User) -> None:
    api = client(erika)
    api.get(JOBS)
    first = ApiToken.objects.get().last_used_at
    api.get(JOBS)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    api.get(JOBS)
    assert first is not None
    assert (ApiToken.objects.get().last_used_at or first) > first


def test_tokens_for_nobody_are_not_made() -> None:
    with pytest.raises(CommandError, match="There is no account 'max'"):
        call_command("create_token", "max")
    make_user("max", is_active=False)
    with pytest.raises(CommandError, match="not active"):
        call_command("create_token", "max")


@pytest.mark.parametrize("header", ["Token wrong", "Token ", "Bearer labbook_x", "token \udc80"])
def test_a_wrong_token_is_refused_even_for_reading(header: str) -> None:
    answer = Client(headers={"Authorization": header}).get(JOBS)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Token realm="labbook"'
    assert answer.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "This token is not valid (any more).",
    }
    assert answer["WWW-Authenticate"] == 'Token realm="labbook"'


def test_a_token_ends_with_its_account(erika: User) -> None:
    api = client(erika)
    assert api.get(JOBS).status_code == 200
    User.objects.update(is_active=False)
    assert api.get(JOBS).status_code == 401


def test_visitors_may_read_what_is_public_and_do_nothing(erika: User) -> None:
    public, private = submit(erika), submit(erika, definition(visibility="private"))
    visitor = Client()
    assert [job["id"] for job in visitor.get(JOBS).json()["jobs"]] == [public]
    assert visitor.get(f"{JOBS}{public}/").status_code == 200
    for path in ("", "definition/", "events/", "results/", "nodes/0/console/", f"attachments/{'0' * 64}/"):
        answer = visitor.get(f"{JOBS}{private}/{path}")
        assert answer.status_code == 404, path
        assert answer.json()["detail"] == f"There is no job {private}, or you may not see it."
    for path in (JOBS, VALIDATE, f"{JOBS}{public}/cancel/", f"{JOBS}{public}/resubmit/"):
        answer = post(visitor, path, definition())
        assert answer.status_code == 401, path
        assert "Authorization: Token" in answer.json()["detail"]


def test_visitors_may_read_nothing_where_the_site_says_so(erika: User, settings: Any) -> None:
    settings.LABBOOK = settings.LABBOOK | {"ANONYMOUS_READ": False}
    assert Client().get(JOBS).status_code == 401
    assert client(erika).get(JOBS).status_code == 200


def test_a_browser_needs_the_forms_token_and_a_program_does_not(erika: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(erika)
    assert post(browser, JOBS, definition()).status_code == 403
    assert post(client(erika), JOBS, definition()).status_code == 201
    trusting = Client()
    trusting.force_login(erika)
    assert post(trusting, JOBS, definition()).status_code == 201


def test_the_admin_shows_and_revokes_tokens_but_never_the_secret(erika: User, admin_client: Client) -> None:
    token = make_token(erika, "nightly")
    row = ApiToken.objects.get()
    for path in ("", f"{row.pk}/change/"):
        page = admin_client.get(f"/admin/tokens/apitoken/{path}").content.decode()
        assert "nightly" in page
        assert token not in page
        assert row.digest not in page
    assert admin_client.get("/admin/tokens/apitoken/add/").status_code == 403
    assert admin_client.post(f"/admin/tokens/apitoken/{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert Client(headers={"Authorization": f"Token {token}"}).get(JOBS).status_code == 401
