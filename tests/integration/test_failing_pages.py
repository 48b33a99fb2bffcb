"""What somebody sees when something is wrong: pages in style that say what to do."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from tests.support import jobs

pytestmark = pytest.mark.django_db


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("jobs.views.dashboard.dashboard", fail)
    monkeypatch.setattr("jobs.availability.availability", fail)
    monkeypatch.setattr("jobs.api.boards.availability.availability", fail)


@pytest.fixture
def browser() -> Client:
    return Client(raise_request_exception=False)


def test_a_page_that_fails_says_whose_fault_it_is_and_by_which_number_the_log_knows_it(
    browser: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_with(monkeypatch, ZeroDivisionError("no boards"))
    answer = browser.get("/?whose=mine")
    page = answer.content.decode()
    assert answer.status_code == 500
    assert "It is a fault of Labbook, not yours" in page
    assert 'href="/?whose=mine"' in page
    number = page.split("<code>")[1].split("</code>")[0]
    assert f"Request {number} failed: GET /: ZeroDivisionError('no boards')" in caplog.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_database_that_is_away_is_maintenance_and_asks_no_database(
    browser: Client, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    fail_with(monkeypatch, OperationalError("server closed the connection"))
    answer = browser.get("/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert "Nothing is lost: try again in a moment" in answer.content.decode()


def test_programs_get_problem_details_when_something_fails(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, OperationalError("gone"))
    answer = browser.get("/api/v1/availability/")
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["title"] == "The database does not answer"


def test_an_address_of_nothing_is_said_to_be_that(client: Client) -> None:
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "There is no page at this address." in answer.content.decode()
    assert "There is no job 99, or you may not see it." in client.get("/jobs/99/").content.decode()


def test_who_may_not_do_something_reads_who_can_grant_it(client: Client) -> None:
    jobs.make_inventory()
    jobs.make_user("boss", is_superuser=True)
    jobs.make_user("gone", is_superuser=True, is_active=False)
    client.force_login(jobs.make_user("otto"))
    answer = client.post("/boards/alpha/do/offline", {"reason": "dust"})
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "otto may not take boards offline" in page or "otto may not take board alpha offline" in page
    assert "Who administers this lab can grant it: boss." in page


def test_a_form_that_is_too_old_is_refused_in_words() -> None:
    answer = Client(enforce_csrf_checks=True).post("/login/", {"username": "a", "password": "b"})
    assert answer.status_code == 403
    assert "load the page again" in answer.content.decode()
    assert "grant" not in answer.content.decode()
