"""The REST API on the real commands, queries and database: acting on jobs, and refusals."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import Http404
from django.test import Client

from jobs import commands
from jobs.api.errors import answer
from lab.kernel.errors import Conflict, Rejected
from tests.integration.api.client import JOBS, client, post
from tests.support.jobs import definition, make_user, submit

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        ('{"reason": "wrong image"}', "application/json", "wrong image"),
        ("reason=wrong+image", "application/x-www-form-urlencoded", "wrong image"),
        ("", "application/json", ""),
        ("{}", "application/json", ""),
    ],
)
def test_a_job_is_canceled_with_a_reason(api: Client, erika: User, body: str, kind: str, reason: str) -> None:
    number = submit(erika)
    answer = post(api, f"{JOBS}{number}/cancel/", body, kind)
    assert answer.status_code == 202
    job = answer.json()
    assert (job["state"], job["outcome"]) == ("finished", "canceled")
    assert (job["cancel"]["by"], job["cancel"]["reason"]) == ("erika", reason)
    assert post(api, f"{JOBS}{number}/cancel/").status_code == 202


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"reason": 5}', "reason must be a string"),
        ('{"reason": "\\u0000"}', "no text"),
        ('{"reason": "\\ud800"}', "no text"),
        ("[]", "must be a JSON object"),
        ("{", "cannot be read"),
    ],
)
def test_a_reason_must_be_text(api: Client, erika: User, body: str, words: str) -> None:
    answer = post(api, f"{JOBS}{submit(erika)}/cancel/", body)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_others_may_not_cancel_but_staff_with_the_permission_may(erika: User) -> None:
    number = submit(erika)
    other = client(make_user("max"))
    answer = post(other, f"{JOBS}{number}/cancel/")
    assert answer.status_code == 403
    assert "max may not cancel job" in answer.json()["detail"]
    boss = client(make_user("boss", is_superuser=True))
    assert post(boss, f"{JOBS}{number}/cancel/").status_code == 202


def test_a_job_is_run_again_as_it_was_or_changed(api: Client, erika: User) -> None:
    number = submit(erika, definition("once"))
    same = post(api, f"{JOBS}{number}/resubmit/")
    assert same.status_code == 201
    changed = post(api, f"{JOBS}{number}/resubmit/", definition("twice"))
    assert changed.status_code == 201
    again = [api.get(answer.json()["url"]).json() for answer in (same, changed)]
    assert [(job["name"], job["resubmitted_from"]) for job in again] == [("once", number), ("twice", number)]
    assert api.get(f"{JOBS}{number}/").json()["resubmitted_as"] == [job["id"] for job in again]
    assert post(api, f"{JOBS}{number}/resubmit/", "{").status_code == 400


def test_a_private_job_of_a_group_is_seen_by_its_members(erika: User) -> None:
    group = Group.objects.create(name="qa")
    max_ = make_user("max")
    number = submit(erika, definition(visibility=["qa"]))
    assert client(max_).get(f"{JOBS}{number}/").status_code == 404
    max_.groups.add(group)
    assert client(max_).get(f"{JOBS}{number}/").status_code == 200


# -- refusals that only a race or a rule can bring about ------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (Rejected("Board alpha is retired."), 409, "Board alpha is retired."),
        (Conflict("job/1", 3, 4), 409, "job/1 is at version 4, not at version 3. Try again."),
        (RequestDataTooBig("x"), 413, "The request is too large."),
        (TooManyFieldsSent("too many fields"), 400, "too many fields"),
        (Http404("x"), 404, "There is nothing at this address."),
    ],
)
def test_every_refusal_becomes_words(error: Exception, status: int, words: str) -> None:
    response = answer(error, {})
    assert response is not None
    assert response.status_code == status
    assert words in response.data["detail"]


def test_a_job_runs_again_on_the_board_it_had(api: Client, erika: User) -> None:
    number = submit(erika)
    assert "never had a board" in post(api, f"{JOBS}{number}/resubmit/?board=same").json()["detail"]
    commands.schedule()
    again = post(api, f"{JOBS}{number}/resubmit/?board=same").json()["id"]
    text = api.get(f"{JOBS}{again}/definition/").content.decode()
    assert json.loads(text)["vm_group"]["host"]["board"] == "alpha"
    assert post(api, f"{JOBS}{number}/resubmit/?board=other").status_code == 400
    page = client(erika).get(f"/jobs/{again}/definition").content.decode()
    assert "1 line differs" in page or "2 lines differ" in page
    assert 'href="/jobs/1/definition"' in page


def test_with_a_key_a_job_is_submitted_once(api: Client, erika: User) -> None:
    first = post(api, JOBS, definition(), **{"Idempotency-Key": "build 7"})
    again = post(api, JOBS, definition(), **{"Idempotency-Key": "build 7"})
    assert (first.status_code, first.json()["id"]) == (201, 1)
    assert again.json() == first.json()
    other = post(api, JOBS, definition("another"), **{"Idempotency-Key": "build 7"})
    assert other.status_code == 409
    assert "used for another definition, which became job 1" in other.json()["detail"]
    assert post(api, f"{JOBS}1/resubmit/", **{"Idempotency-Key": "again"}).json()["id"] == 2
    assert post(api, f"{JOBS}1/resubmit/", **{"Idempotency-Key": "again"}).json()["id"] == 2
    theirs = post(client(make_user("otto")), JOBS, definition(), **{"Idempotency-Key": "build 7"})
    assert theirs.json()["id"] == 3, "keys are each user's own"
    assert post(api, JOBS, definition(), **{"Idempotency-Key": "x" * 101}).status_code == 400
