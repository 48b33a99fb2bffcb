"""All that happens in the lab, for programs that follow it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from websockets.exceptions import ConnectionClosed

from devices import board_commands
from jobs import commands, feed
from jobs.models import Job
from lab.eventstore.store import store
from lab.tokens.models import ApiToken, make_token
from tests.support.databases import Database
from tests.support.jobs import add_board, definition, make_inventory, make_user, submit
from tests.support.threads import run_at_once
from tests.support.web import WebServer

FEED = "/api/v1/events/"


def follow(client: Client, after: int = 0, **parameters: Any) -> list[dict[str, Any]]:
    """Read everything, a few events at a time."""
    found = []
    while True:
        answer = client.get(FEED, {"after": after, "limit": 3, **parameters}).json()
        found += answer["events"]
        after = answer["position"]
        if not answer["more"]:
            return found


@pytest.mark.django_db
def test_everybody_gets_what_he_may_see_in_order_and_nothing_twice(client: Client) -> None:
    make_inventory("alpha")
    erika = make_user()
    submit(erika, definition(visibility="private"))
    submit(erika)
    commands.schedule()
    public = follow(client)
    mine = Client()
    mine.force_login(erika)
    everything = follow(mine)
    positions = [one["position"] for one in everything]
    assert positions == list(range(1, len(positions) + 1))
    assert {one["stream"] for one in everything} - {one["stream"] for one in public} == {"job/1"}
    assert [one["position"] for one in public] == sorted({one["position"] for one in public})


@pytest.mark.django_db
def test_how_boards_are_reached_is_for_who_keeps_them(client: Client) -> None:
    make_inventory("alpha")
    board_commands.change_board("alpha", config={"ssh": {"host": "192.0.2.77"}}, actor="lab")
    assert "192.0.2" not in json.dumps(follow(client))
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    assert "192.0.2.77" in json.dumps(follow(client))


@pytest.mark.django_db
def test_an_answer_about_many_jobs_asks_as_little_as_one_about_a_few(client: Client) -> None:
    make_inventory("alpha")
    erika = make_user()

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert len(client.get(FEED, {"type": "job.submitted"}).json()["events"]) == len(numbers)
        return len(asked)

    numbers = [submit(erika)]
    few = questions()
    numbers += [submit(erika) for _ in range(5)]
    assert questions() == few
    told = client.get(FEED, {"type": "job.submitted"}).json()["events"]
    assert [one["stream"] for one in told] == [f"job/{number}" for number in numbers]


@pytest.mark.django_db
def test_types_narrow_it_and_the_position_goes_on_all_the_same(client: Client) -> None:
    make_inventory("alpha", "beta")
    submit(make_user())
    answer = client.get(FEED, {"type": "job.submitted,board.retired"}).json()
    assert [one["type"] for one in answer["events"]] == ["job.submitted"]
    assert answer["events"][0]["text"]
    assert answer["position"] == 5
    assert client.get(FEED, {"after": 5}).json() == {"events": [], "position": 5, "more": False}
    assert client.get(FEED, {"tpye": "x"}).status_code == 400


def test_a_follower_misses_nothing_while_others_write(database: Database) -> None:
    make_inventory("alpha")
    users = [make_user(f"user{n}") for n in range(3)]
    boss = make_user("boss", is_superuser=True, is_staff=True)
    written, got = threading.Event(), list[int]()

    def write(user: User) -> None:
        for n in range(10):
            number = submit(user, definition(visibility="private" if n % 2 else "public"))
            commands.request_cancel(number, "enough", user=user, cause="test")

    def write_all() -> None:
        try:
            run_at_once(*(lambda user=user: write(user) for user in users))
        finally:
            written.set()

    def follow_on() -> None:
        position, last = 0, False
        while True:
            last = written.is_set()
            answer = feed.feed(boss, position, limit=4)
            got.extend(one["position"] for one in answer["events"])
            position = answer["position"]
            if last and not answer["more"]:
                return

    run_at_once(write_all, follow_on)
    assert got == list(range(1, store.head() + 1))
    theirs = feed.feed(users[0], 0, limit=5000)["events"]
    hidden = {f"job/{row.id}" for row in Job.objects.filter(public=0).exclude(submitter="user0")}
    assert hidden
    assert not hidden & {one["stream"] for one in theirs}


def test_the_socket_brings_the_same_as_it_happens(sqlite_database: Database, tmp_path: Path) -> None:
    make_inventory("alpha")
    erika = make_user()
    submit(erika, definition(visibility="private"))
    token = make_token(erika, "follower")
    with WebServer(sqlite_database.url, tmp_path / "web.log") as web:
        mine = web.connect(
            "ws/feed/?after=0", additional_headers={"Authorization": f"Token {token}"}, origin=None
        )
        with mine as socket, web.connect("ws/feed/?after=0") as public:
            known = feed.feed(erika, 0)
            assert json.loads(socket.recv(20)) == known
            assert json.loads(public.recv(20))["position"] == known["position"]
            submit(erika, definition("private again", visibility="private"))
            add_board("beta")
            frames: list[dict[str, Any]] = []
            while not any(one["stream"] == "board/beta" for frame in frames for one in frame["events"]):
                frames.append(json.loads(socket.recv(20)))
            streams = [one["stream"] for frame in frames for one in frame["events"]]
            assert streams == ["job/2", "board/beta"]
            seen: list[str] = []
            while "board/beta" not in seen:
                seen += [one["stream"] for one in json.loads(public.recv(20))["events"]]
            assert "job/2" not in seen
        ApiToken.objects.all().delete()
        gone = web.connect("ws/feed/", additional_headers={"Authorization": f"Token {token}"})
        with gone as socket, pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
            4401,
            "This token is not valid (any more).",
        )
