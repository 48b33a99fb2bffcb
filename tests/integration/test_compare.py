"""Comparing two jobs, and trends, by their pages."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs import commands, console_log, queries
from jobs.models import Job
from jobs.recorder import Recorder
from tests.support.jobs import definition, make_inventory, make_user, phase, result, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def asha() -> User:
    make_inventory("alpha")
    return make_user("asha")


def run(
    user: User,
    verdict: str = "pass",
    measurement: str | None = None,
    console: bytes = b"",
    text: str | None = None,
) -> int:
    """Run a job to its end; returns its number."""
    number = submit(user, text)
    commands.schedule()
    recorder = Recorder(number, commands.start_job(number, "worker-1"))
    if console:
        console_log.append(number, [(1, console, 100.0 + number)])
    fact = result("bandwidth", verdict, measurement=measurement, units="MB/s" if measurement else "")
    recorder.record([phase(1, "test", "smoke", 1.0), fact])
    recorder.finish(outcome="complete")
    return number


def shown(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.content.decode()[:2000]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_the_page_says_what_changed(client: Client, asha: User) -> None:
    run(asha, "pass", "100", b"[    1.000000] boot\r\nfast\r\n")
    run(asha, "fail", "80", b"[    2.000000] boot\r\nslow <b>\r\n", definition(timeout=61))
    words = shown(client, "/compare/1/2/")
    assert "1 case fails now." in words
    assert "The definition differs." in words
    assert "fails now" in words
    assert "-20.0 %".replace("-", "\N{MINUS SIGN}") in words
    assert "fast" in words
    assert "slow &lt;b&gt;" in words
    assert "line 1 of A, line 1 of B" in words
    assert "2 lines differ" in words


def test_equal_runs_are_said_to_be_equal(client: Client, asha: User) -> None:
    run(asha, console=b"[    1.000000] boot\r\n")
    run(asha, console=b"[    2.000000] boot\r\n")
    words = shown(client, "/compare/1/2/?node=guest")
    assert "All results are the same." in words
    assert "The consoles of guest say the same in both jobs." in words
    assert "Both ran the same definition, to the letter." in words


def test_a_job_is_compared_with_the_last_that_passed_else_with_the_one_before(
    client: Client, asha: User
) -> None:
    assert client.get(f"/jobs/{run(asha, 'fail')}/compare/").status_code == 404
    second = run(asha, "fail")
    assert client.get(f"/jobs/{second}/compare/")["Location"] == "/compare/1/2/"
    run(asha, "pass")
    run(asha, "fail")
    assert client.get(f"/jobs/{run(asha, 'fail')}/compare/")["Location"] == "/compare/3/5/"
    other = run(asha, text=definition("another name"))
    assert client.get(f"/jobs/{other}/compare/").status_code == 404


def test_two_marked_jobs_are_compared_the_older_first(client: Client, asha: User) -> None:
    assert client.get("/compare/?job=7&job=3")["Location"] == "/compare/3/7/"
    for wrong in ("", "?job=1", "?job=1&job=1", "?job=1&job=2&job=3", "?job=a&job=2"):
        assert client.get(f"/compare/{wrong}").status_code == 404


def test_nobody_compares_what_he_may_not_see(client: Client, asha: User) -> None:
    run(asha)
    run(asha, text=definition(visibility="private"))
    assert client.get("/compare/1/2/").status_code == 404
    client.force_login(asha)
    assert client.get("/compare/1/2/").status_code == 200
    trend = "/trends/?name=a+job&node=guest&suite=smoke&case=bandwidth"
    assert "#2" in shown(client, trend)
    client.logout()
    assert "#2" not in shown(client, trend)


def test_a_trend_shows_every_run_and_links_to_it(client: Client, asha: User) -> None:
    for verdict, measurement in (("pass", "100"), ("pass", "102.5"), ("fail", "3"), ("skip", None)):
        run(asha, verdict, measurement)
    page = client.get("/trends/?name=a+job&node=guest&suite=smoke&case=bandwidth").content.decode()
    assert page.count("<circle") == 3
    assert '<circle class="r-fail"' in page
    assert "#2: 102.5 MB/s" in page
    assert "reported in 4 of 4" in page
    assert client.get("/trends/?name=nobody").status_code == 404
    assert "reported in 0 of 4" in shown(client, "/trends/?name=a+job&node=guest&suite=smoke&case=other")


def test_the_history_of_a_name_is_read_along_an_index(asha: User) -> None:
    run(asha)
    ended = Job.objects.filter(public=1, name="a job", finished_at__isnull=False)
    plan = ended.order_by("-id")[:50].explain()
    assert "job_name" in plan or "Seq Scan" in plan  # PostgreSQL does not bother for one row
    assert [one["id"] for one in queries.runs_of(asha, "a job")] == [1]


def test_programs_compare_jobs_and_follow_a_case(client: Client, asha: User) -> None:
    run(asha, "pass", "100", b"[    1.000000] boot\r\nfast\r\n")
    run(asha, "fail", "80", b"[    2.000000] boot\r\nslow\r\n")
    told = client.get("/api/v1/compare/1/2/").json()
    assert (told["a"]["id"], told["b"]["id"], told["total"], told["same"]) == (1, 2, 1, 0)
    (changed,) = told["changed"]
    assert (changed["case"], changed["change"], changed["worse"]) == ("bandwidth", "fails now", True)
    assert [one["percent"] for one in told["measured"]] == [-20.0]
    assert (told["definition"]["changed"], told["console"]) == (0, None)
    console = client.get(f"/api/v1/compare/1/2/?node={changed['node']}").json()["console"]
    assert [line["text"] for line in console["difference"]["lines"] if line["kind"] == "-"] == ["fast"]
    odd = client.get("/api/v1/compare/1/2/?node=none")
    assert (odd.status_code, changed["node"] in odd.json()["detail"]) == (400, True)
    case = f"name=a job&node={changed['node']}&suite=smoke&case=bandwidth"
    runs = client.get(f"/api/v1/trends/?{case}").json()["runs"]
    assert [(one["job"]["id"], one["result"]["measurement"]) for one in runs] == [(1, "100"), (2, "80")]
    assert [one["job"]["id"] for one in client.get(f"/api/v1/trends/?{case}&before=2").json()["runs"]] == [1]
    assert client.get("/api/v1/trends/?name=a job").status_code == 400


def test_programs_read_the_list_of_jobs_in_either_order(client: Client, asha: User) -> None:
    for _ in range(3):
        submit(asha)

    def walked(address: str | None) -> list[int]:
        found = []
        while address:
            page = client.get(address).json()
            found += [one["id"] for one in page["jobs"]]
            address = page["next"]
        return found

    assert walked("/api/v1/jobs/?limit=2") == [3, 2, 1]
    assert walked("/api/v1/jobs/?limit=2&order=oldest") == [1, 2, 3]
    assert walked("/api/v1/jobs/?limit=1&after=1") == [2, 3]
    for wrong in ("order=up", "after=1&before=3", "order=oldest&before=2", "order=newest&after=1"):
        assert client.get(f"/api/v1/jobs/?{wrong}").status_code == 400
