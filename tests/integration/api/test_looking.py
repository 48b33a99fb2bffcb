"""The REST API on the real commands, queries and database: looking at jobs, and results for programs."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.integration.api.client import JOBS, VALIDATE, client, post
from tests.support.jobs import definition, make_user, phase, result, started, submit

pytestmark = pytest.mark.django_db


def test_the_list_goes_on_where_next_says(api: Client, erika: User) -> None:
    numbers = [submit(erika, definition(f"job {n}")) for n in range(5)]
    seen, url = [], f"{JOBS}?limit=2&submitter=erika"
    while url:
        page = api.get(url).json()
        seen += [job["id"] for job in page["jobs"]]
        url = page["next"]
    assert seen == numbers[::-1]
    found = api.get(f"{JOBS}?text=JOB%203&state=queued&host_type=bench").json()
    assert [job["name"] for job in found["jobs"]] == ["job 3"]
    assert found["next"] is None
    assert api.get(f"{JOBS}?outcome=complete").json()["jobs"] == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("submiter=x", "Unknown parameter 'submiter'; did you mean \"submitter\"?"),
        ("zzz=x", "known here: state, outcome"),
        ("limit=0", "limit must be a whole number from 1 to 500, not '0'"),
        ("limit=x", "limit must be a whole number"),
        ("limit=%C2%B2", "limit must be a whole number"),
        ("before=-1", "before must be a whole number from 0, not '-1'"),
        ("before=99999999999999999999", "before must be a whole number"),
        ("text=%00", "text is not a text to look for"),
        ("board=" + "x" * 1001, "board is not a text"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_in_words(api: Client, query: str, words: str) -> None:
    answer = api.get(f"{JOBS}?{query}")
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_a_job_can_be_looked_at_whole_or_since_a_position(api: Client, erika: User) -> None:
    number, recorder = started(erika)
    recorder.record([phase(0, "deploy", "the installed system"), result("first")])
    whole = api.get(f"{JOBS}{number}/").json()
    assert (whole["id"], whole["state"], whole["board"]) == (number, "running", "alpha")
    assert [one["case"] for one in whole["results"]] == ["first"]
    recorder.record([result("second", "fail")])
    since = api.get(f"{JOBS}{number}/?after={whole['position']}").json()
    assert [one["case"] for one in since["results"]] == ["second"]
    assert since["counts"] == {"pass": 1, "fail": 1, "skip": 0, "unknown": 0}
    found = api.get(f"{JOBS}{number}/results/").json()
    assert [one["case"] for one in found["results"]] == ["first", "second"]
    assert found["counts"] == since["counts"]


def test_events_can_be_followed_by_position(api: Client, erika: User) -> None:
    number, recorder = started(erika)
    recorder.record([result(f"case {n}") for n in range(5)])
    seen, after = [], 0
    while True:
        page = api.get(f"{JOBS}{number}/events/?after={after}&limit=3").json()
        seen += page["events"]
        after = page["position"]
        if not page["more"]:
            break
    assert [event["version"] for event in seen] == list(range(1, len(seen) + 1))
    assert seen[0]["type"] == "job.submitted"
    assert seen[-1]["data"]["case"] == "case 4"
    assert all(event["text"] for event in seen)
    assert api.get(f"{JOBS}{number}/events/?after={after}").json() == {
        "events": [],
        "position": after,
        "more": False,
    }


def test_there_is_nothing_at_other_addresses(api: Client) -> None:
    for path in ("nothing/", "jobs/x/", "jobs/99999999999999999999999/", "jobs/9223372036854775808/"):
        answer = api.get(f"/api/v1/{path}")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is nothing at this address.")
    for path in ("jobs/77/", "jobs/9223372036854775807/", "jobs/77/nodes/0/console/", "jobs/77/events/"):
        answer = api.get(f"/api/v1/{path}")
        assert answer.status_code == 404
        assert "There is no job" in answer.json()["detail"]
    assert post(api, f"{JOBS}77/cancel/").status_code == 404
    assert post(api, f"{JOBS}77/resubmit/").status_code == 404
    assert api.delete(JOBS).status_code == 405
    start = api.get("/api/v1/").json()
    assert start.items() >= {
        ("jobs", f"http://testserver{JOBS}"),
        ("validate", f"http://testserver{VALIDATE}"),
    }
    for address in start.values():
        assert api.get(address).status_code in (200, 405)


def test_results_come_as_junit_tap_and_csv(api: Client, erika: User) -> None:
    number, recorder = started(erika)
    recorder.record([result("boots"), result("fast", "fail", measurement="3", units="MB/s")])
    answers = {form: api.get(f"{JOBS}{number}/results.{form}") for form in ("xml", "tap", "csv")}
    assert {form: one.status_code for form, one in answers.items()} == {"xml": 200, "tap": 200, "csv": 200}
    assert answers["xml"]["Content-Type"] == "application/xml; charset=utf-8"
    assert b'<testsuite name="guest.smoke" tests="2" failures="1"' in answers["xml"].content
    assert b"not ok 2 - guest.smoke: fast" in answers["tap"].content
    assert b"guest,smoke,,fast,fail,3,MB/s" in answers["csv"].content
    assert api.get(f"{JOBS}{number}/results.pdf").status_code == 404
    assert api.get(f"{JOBS}99/results.xml").status_code == 404


def test_a_private_job_has_no_report_for_others(api: Client, erika: User) -> None:
    number = submit(erika, definition(visibility="private"))
    assert api.get(f"{JOBS}{number}/results.csv").status_code == 200
    assert client(make_user("mallory")).get(f"{JOBS}{number}/results.csv").status_code == 404
