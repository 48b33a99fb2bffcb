"""Lists of jobs: who sees what, page by page, along indexes."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, Group
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from jobs import queries
from jobs.models import Job, SavedView
from lab.kernel.errors import NotFound, NotPermitted
from tests.support.jobs import definition, make_inventory, make_user, submit

pytestmark = pytest.mark.django_db

NOBODY = AnonymousUser()


def numbers(user: queries.User, filters: queries.Filters | None = None, **page: int) -> list[int]:
    return [row["id"] for row in queries.job_list(user, filters, **page)]


def many(count: int) -> None:
    """Jobs without events, straight into the table: only what lists read."""
    Job.objects.bulk_create(
        Job(
            id=number,
            name=f"nightly {number}",
            state="finished" if number % 100 else "queued",
            open=int(not number % 100),
            outcome="complete" if number % 7 else "incomplete",
            submitter=f"user{number % 5}",
            visibility="public" if number % 10 else "private",
            public=int(bool(number % 10)),
            host_type=f"type{number % 3}",
            priority=50,
            timeout=60,
            board=f"board{number % 4}",
            submitted_at=datetime(2026, 1, 1, tzinfo=UTC),
            position=number,
        )
        for number in range(1, count + 1)
    )


def test_the_newest_come_first_and_pages_join_without_a_gap() -> None:
    many(30)
    first = numbers(NOBODY, limit=10)
    second = numbers(NOBODY, limit=10, before=first[-1])
    assert first + second == [n for n in range(30, 0, -1) if n % 10][:20]
    assert numbers(NOBODY, limit=10, after=second[0]) == first


def test_lists_are_narrowed_by_all_filters_at_once() -> None:
    many(60)
    filters: queries.Filters = {"outcome": "incomplete", "board": "board1", "state": "finished"}
    wanted = [n for n in range(60, 0, -1) if n % 10 and n % 7 == 0 and n % 4 == 1]
    assert numbers(NOBODY, filters) == wanted
    assert numbers(NOBODY, {"submitter": "user2", "host_type": "type1"})[:2] == [52, 37]


def test_open_jobs_are_those_that_have_not_ended() -> None:
    make_inventory()
    erika = make_user()
    number = submit(erika)
    assert numbers(erika, {"state": "open"}) == numbers(erika, {"state": "queued"}) == [number]
    assert numbers(erika, {"state": "finished"}) == numbers(erika, {"state": "running"}) == []


def test_private_jobs_are_for_their_submitter_and_the_staff() -> None:
    make_inventory()
    erika = make_user()
    private = submit(erika, definition(visibility="private"))
    public = submit(erika)
    assert numbers(erika) == numbers(make_user("boss", is_staff=True)) == [public, private]
    for user in (NOBODY, make_user("otto")):
        assert numbers(user) == [public]
        assert not queries.may_see(user, private)
        with pytest.raises(NotFound):
            queries.job_snapshot(user, private)
    assert queries.may_see(erika, private)


def test_jobs_of_groups_are_for_their_members() -> None:
    make_inventory()
    Group.objects.bulk_create([Group(name="kernel"), Group(name="boot")])
    number = submit(make_user(), definition(visibility=["kernel", "boot"]))
    member, outsider = make_user("member"), make_user("outsider")
    member.groups.add(Group.objects.get(name="boot"))
    assert numbers(member) == [number]
    assert queries.may_see(member, number)
    assert numbers(outsider) == []
    assert not queries.may_see(outsider, number)


def test_accounts_that_were_closed_see_what_visitors_see() -> None:
    make_inventory()
    erika = make_user()
    private = submit(erika, definition(visibility="private"))
    erika.is_active = False
    assert not queries.may_see(erika, private)
    assert numbers(erika) == []


@override_settings(LABBOOK=settings.LABBOOK | {"ANONYMOUS_READ": False})
def test_a_closed_lab_shows_visitors_nothing() -> None:
    many(5)
    with pytest.raises(NotPermitted, match="log in"):
        numbers(NOBODY)
    assert not queries.may_see(NOBODY, 3)
    assert numbers(make_user()) == [5, 4, 3, 2, 1]


def test_there_is_no_seeing_what_does_not_exist() -> None:
    assert not queries.may_see(NOBODY, 4711)


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "job_public"),
        ({"outcome": "incomplete"}, "job_outcome"),
        ({"board": "board1"}, "job_board"),
        ({"host_type": "type1"}, "job_type"),
        ({"submitter": "user1"}, "job_submitter"),
        ({"state": "open"}, "job_open"),
        ({"state": "queued"}, "job_open"),
    ],
)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plans")
def test_no_list_walks_over_the_table_or_sorts_it(filters: queries.Filters, index: str) -> None:
    many(500)
    with CaptureQueriesContext(connection) as seen:
        queries.job_list(make_user("boss", is_staff=True), filters, before=400)
    lists = [query["sql"] for query in seen.captured_queries if 'FROM "jobs_job"' in query["sql"]]
    assert lists
    for sql in lists:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN QUERY PLAN " + sql)
            steps = [row[3] for row in cursor.fetchall()]
        assert len(steps) == 1, (steps, sql)
        assert f"USING INDEX {index} (" in steps[0], (steps, sql)


# -- the page ------------------------------------------------------------------------------------


def test_a_view_is_kept_under_a_name_and_forgotten(client: Client) -> None:
    make_inventory()
    erika = make_user()
    client.force_login(erika)
    answer = client.post(
        "/jobs/views/", {"name": "My failures", "query": "state=incomplete&submitter=erika&x=1"}
    )
    assert answer["Location"] == "/jobs/?state=incomplete&submitter=erika"
    page = client.get(answer["Location"]).content.decode()
    assert '<a href="?state=incomplete&amp;submitter=erika" aria-current="true">My failures</a>' in page
    assert "Forget the view" in page
    assert "My failures" not in Client().get("/jobs/").content.decode(), "it is its owner's"
    client.post("/jobs/views/", {"name": "My failures", "forget": "1"})
    assert "My failures" not in client.get("/jobs/").content.decode()
    for wrong in ({"name": "", "query": "state=open"}, {"name": "x", "query": "nothing=1"}):
        client.post("/jobs/views/", wrong)
    assert SavedView.objects.count() == 0


def test_the_oldest_may_come_first_and_pages_go_on(client: Client) -> None:
    many(120)
    page = client.get("/jobs/?sort=oldest").content.decode()
    first = [int(one) for one in re.findall(r'mono">#(\d+)</span>', page)]
    newer = re.search(r'href="(\?[^"]*after=\d+)"', page)
    assert newer is not None
    page = client.get("/jobs/" + newer[1].replace("&amp;", "&")).content.decode()
    then = [int(one) for one in re.findall(r'mono">#(\d+)</span>', page)]
    assert first + then == sorted(numbers(NOBODY, limit=100, after=0))
