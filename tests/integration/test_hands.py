"""Hands on a running job: from who types to the console and into the log, on both databases."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from jobs import commands, hand_commands, queries
from jobs.domain import job as life
from jobs.domain.events import Failure, PhaseStarted
from jobs.domain.hand_rules import Taken
from jobs.domain.hands_events import ConsoleOpened, HoldEnded, HoldStarted
from jobs.keyboard_relay import KeyboardRelay
from jobs.loading import job_state
from jobs.models import KeyboardInput, Phase
from lab.eventstore.rebuild import rebuild
from lab.eventstore.store import store
from lab.kernel.aggregate import fold
from lab.kernel.errors import NotFound, NotPermitted, Rejected
from tests.support.databases import Database
from tests.support.hands import Echo, Running, running, until
from tests.support.jobs import definition, make_inventory, make_user, submit
from tests.support.web import WebServer

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def erika(database: Database) -> User:
    make_inventory()
    return make_user()


@pytest.fixture
def bob(erika: User) -> User:
    return make_user("bob")


@pytest.fixture
def run(erika: User) -> Iterator[Running]:
    with running(erika) as one:
        yield one


def take(run: Running, user: User) -> int:
    return hand_commands.take_keyboard(run.number, 1, user=user, cause="test").ticket


def test_what_is_typed_reaches_the_console_and_who_typed_it_is_kept(run: Running, erika: User) -> None:
    ticket = take(run, erika)
    for key in "echo hi\r":
        hand_commands.type_keys(run.number, 1, ticket, key.encode(), user=erika)
    until(lambda: run.console.typed == b"echo hi\r")
    until(lambda: run.told("input_typed"))
    (typed,) = run.told("input_typed")
    assert (typed["user"], typed["node"], typed["text"], typed["offset"]) == ("erika", 1, "echo hi\r", 0)
    hand_commands.type_keys(run.number, 1, ticket, b"no end", user=erika)
    assert hand_commands.give_keyboard(run.number, 1, ticket=ticket, reason="left", user=erika, cause="test")
    with pytest.raises(Rejected, match="given back"):
        hand_commands.type_keys(run.number, 1, ticket, b"late", user=erika)
    until(lambda: not KeyboardInput.objects.exists())
    # What was under way when it was given back may have come too late: then it was not typed, and not kept.
    until(lambda: "".join(one["text"] for one in run.told("input_typed")) == run.console.typed.decode())
    assert [one["reason"] for one in run.told("keyboard_given")] == ["left"]


def test_what_is_typed_with_a_keyboard_that_is_given_back_at_once_is_typed(run: Running, erika: User) -> None:
    """The worker hears of the keyboard when it looks at the job again."""
    path = f"/api/v1/jobs/{run.number}/nodes/1/keyboard/"
    client = Client()
    client.force_login(erika)
    ticket = client.post(path).json()["ticket"]
    keys = {"ticket": ticket, "text": "date\r"}
    assert client.post(f"{path}keys/", keys, content_type="application/json").status_code == 202
    assert client.delete(path).status_code == 204
    assert run.console.typed == b"date\r"
    assert run.row.keyboards == []


def test_giving_back_waits_for_no_newer_keyboard_and_says_what_was_not_read(
    run: Running, erika: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeyboardRelay, "_turn", lambda relay: None)  # a worker that hangs
    path = f"/api/v1/jobs/{run.number}/nodes/1/keyboard/"
    client = Client()
    client.force_login(erika)

    def taken() -> int:
        ticket = take(run, erika)
        hand_commands.type_keys(run.number, 1, ticket, b"x", user=erika)
        return ticket

    taken()
    newer: list[int] = []
    # While it waits for what was typed, somebody takes the keyboard.

    def meanwhile(seconds: float) -> None:
        if not newer:
            newer.append(take(run, erika))

    clock = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=meanwhile)
    monkeypatch.setattr(hand_commands, "time", clock)
    answer = client.delete(path)
    assert answer.status_code == 409
    assert "did not read all that was typed" in answer.json()["detail"]
    assert [one["ticket"] for one in run.row.keyboards] == newer, "the newer one stays"
    monkeypatch.setattr(hand_commands, "time", time)
    monkeypatch.setattr(hand_commands, "READ_WITHIN", 0.1)
    ticket = taken()
    assert client.delete(f"{path}?ticket={newer[0]}").status_code == 204, "that one is gone"
    assert [one["ticket"] for one in run.row.keyboards] == [ticket]
    assert client.delete(f"{path}?ticket={ticket}").status_code == 409
    assert run.row.keyboards == []
    assert client.delete(path).status_code == 204


def test_keys_seen_late_are_typed_and_none_stay(run: Running, erika: User) -> None:
    """Ids are given when rows are written, and rows are seen when that is committed."""
    ticket = take(run, erika)
    for number in (1000, 500):
        KeyboardInput.objects.create(pk=number, job=run.number, node=1, ticket=ticket, data=b"%d " % number)
        until(lambda: b"%d " % number in run.console.typed)  # noqa: B023
    until(lambda: not KeyboardInput.objects.exists())
    assert run.console.typed == b"1000 500 "
    assert run.row.keyboards


def test_keys_of_a_second_keyboard_wait_until_it_is_known(run: Running, erika: User) -> None:
    host = Echo(run.writer, 0)
    run.hands.attach(0, host)
    run.writer.report(ConsoleOpened(node=0, at=time.time()))
    run.writer.flush()
    hand_commands.type_keys(run.number, 1, take(run, erika), b"first", user=erika)
    until(lambda: run.console.typed == b"first")
    second = hand_commands.take_keyboard(run.number, 0, user=erika, cause="test").ticket
    hand_commands.type_keys(run.number, 0, second, b"second", user=erika)
    until(lambda: host.typed == b"second")


def test_keys_that_cannot_be_taken_away_are_typed_once(
    run: Running, erika: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeyboardRelay, "_take_away", lambda relay, rows: None)
    ticket = take(run, erika)
    for key in b"abc":
        hand_commands.type_keys(run.number, 1, ticket, bytes([key]), user=erika)
        until(lambda: key in run.console.typed)  # noqa: B023
    assert run.console.typed == b"abc"


def test_what_is_typed_just_before_the_end_is_kept(erika: User) -> None:
    with running(erika) as run:
        hand_commands.type_keys(run.number, 1, take(run, erika), b"no end", user=erika)
        until(lambda: run.console.typed)
    assert [one["text"] for one in run.told("input_typed")] == ["no end"]


def test_what_does_not_get_there_is_said_and_not_recorded_as_typed(run: Running, erika: User) -> None:
    run.console.broken = "it does not read"
    hand_commands.type_keys(run.number, 1, take(run, erika), b"hello\r", user=erika)
    until(lambda: run.told("note_taken"))
    assert run.told("note_taken")[0]["text"] == "what erika types does not get there: it does not read"
    assert run.told("input_typed") == []


def test_an_idle_keyboard_is_given_back(erika: User, settings: Settings) -> None:
    settings.LABBOOK = {**django_settings.LABBOOK, "KEYBOARD_IDLE": 0.6}
    with running(erika) as run:
        take(run, erika)
        until(lambda: run.row.keyboards)
        until(lambda: not run.row.keyboards)
        assert [one["reason"] for one in run.told("keyboard_given")] == ["nothing was typed for 1 s"]


def test_only_who_has_the_right_may_lay_hands_on_a_job(run: Running, erika: User, bob: User) -> None:
    with pytest.raises(NotPermitted, match="bob may not type into the consoles of job 1: that needs"):
        take(run, bob)
    with pytest.raises(NotPermitted, match="bob may not hold job 1 before its clean-up: that needs"):
        hand_commands.hold_job(run.number, 600, user=bob, cause="test")
    with pytest.raises(NotPermitted):
        hand_commands.release_job(run.number, user=bob, cause="test")
    ticket = take(run, erika)
    with pytest.raises(NotPermitted):
        hand_commands.type_keys(run.number, 1, ticket, b"x", user=bob)
    with pytest.raises(NotPermitted, match="erika has the keyboard"):
        hand_commands.give_keyboard(run.number, 1, reason="mine", user=bob, cause="test")
    boss = make_user("boss", is_superuser=True)
    with pytest.raises(Taken):
        take(run, boss)
    with pytest.raises(Rejected, match="somebody else has it"):
        hand_commands.type_keys(run.number, 1, ticket, b"x", user=boss)
    assert hand_commands.give_keyboard(run.number, 1, reason="enough", user=boss, cause="test")
    assert take(run, boss) > ticket
    private = submit(erika, definition(visibility="private"))
    with pytest.raises(NotFound):
        hand_commands.take_keyboard(private, 1, user=bob, cause="test")


def test_a_hold_reaches_the_run_and_the_row_is_the_fold_of_the_stream(run: Running, erika: User) -> None:
    hand_commands.hold_job(run.number, 600, "odd", user=erika, cause="test")
    wish = run.hands.wanted(failed=False)
    assert wish is not None
    assert (wish.user, wish.seconds, wish.reason, wish.until) == ("erika", 600, "odd", None)
    now = time.time()
    run.writer.report(HoldStarted(until=now + 600, at=now))
    run.writer.flush()
    until(lambda: (one := run.hands.wish) is not None and one.until == now + 600)
    hand_commands.hold_job(run.number, 1200, user=erika, cause="test")
    until(lambda: (one := run.hands.wish) is not None and one.until is not None and one.until > now + 1100)
    with pytest.raises(Rejected, match="may be held for 120 min in all"):
        hand_commands.hold_job(run.number, 7200, user=erika, cause="test")
    take(run, erika)
    stream = [one.event for one in store.read(life.stream(run.number))]
    state = fold(life.apply, life.Job(number=run.number), stream)
    assert job_state(run.row) == state
    assert state.hold is not None
    held = Phase.objects.get(job=run.number, phase="hold")
    assert (held.node, held.what, held.start, held.end) == (0, "held by erika: odd", now, None)
    hand_commands.release_job(run.number, "seen enough", user=erika, cause="test")
    until(lambda: run.hands.wish is None)
    run.writer.report(HoldEnded(reason="it was let go", at=now + 7))
    run.writer.flush()
    assert Phase.objects.get(job=run.number, phase="hold").end == now + 7
    assert queries.job_snapshot(erika, run.number)["hold"] is None


def test_what_is_asked_for_while_a_hold_begins_is_what_holds(run: Running, erika: User) -> None:
    hand_commands.hold_job(run.number, 600, "odd", user=erika, cause="test")
    wish = run.hands.wanted(failed=False)
    assert wish is not None
    hand_commands.hold_job(run.number, 3600, "very odd", user=erika, cause="test")
    now = time.time()
    run.writer.report(HoldStarted(until=now + wish.seconds, at=now))
    run.writer.flush()
    until(lambda: (one := run.hands.wish) is not None and one.until == now + 3600)
    started = store.read(life.stream(run.number))[-1].event
    assert started == HoldStarted(until=now + 3600, at=now)


def test_a_job_that_was_let_go_is_not_held_again_before_its_worker_hears_of_it(
    run: Running, erika: User
) -> None:
    hand_commands.hold_job(run.number, 600, user=erika, cause="test")
    hand_commands.release_job(run.number, user=erika, cause="test")
    hand_commands.hold_job(run.number, 900, user=erika, cause="test")  # it had not begun
    now = time.time()
    run.writer.report(HoldStarted(until=now + 900, at=now))
    run.writer.flush()
    hand_commands.release_job(run.number, user=erika, cause="test")
    with pytest.raises(Rejected, match="has been let go: it cannot be held any more"):
        hand_commands.hold_job(run.number, 3600, user=erika, cause="test")


def test_a_job_that_is_being_cleaned_up_cannot_be_held(run: Running, erika: User) -> None:
    run.writer.report(PhaseStarted(node=0, phase="close", what="leave the host", at=time.time()))
    run.writer.flush()
    with pytest.raises(Rejected, match="is being cleaned up: it cannot be held any more"):
        hand_commands.hold_job(run.number, 600, user=erika, cause="test")


def test_the_end_of_a_job_ends_keyboards_and_holds(run: Running, erika: User) -> None:
    take(run, erika)
    hand_commands.hold_job(run.number, 600, user=erika, cause="test")
    commands.request_cancel(run.number, "enough", user=erika, cause="test")
    assert run.row.hold is None
    run.writer.flush()
    run.recorder.resync(0)
    run.recorder.finish(outcome="canceled", failure=Failure(kind="canceled", message=""))
    assert (run.row.keyboards, run.row.consoles, run.row.hold) == ([], [], None)
    with pytest.raises(Rejected, match="has ended"):
        take(run, erika)


class Window:
    """A page's socket that has, or wants, a keyboard."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def hears(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.socket.recv(timeout=20))
        return said

    def closed(self) -> tuple[int, str]:
        with pytest.raises(ConnectionClosed) as info:
            self.socket.recv(timeout=20)
        assert info.value.rcvd is not None
        return info.value.rcvd.code, info.value.rcvd.reason


def test_a_page_has_the_keyboard_as_long_as_its_socket_is_open(
    run: Running, erika: User, bob: User, database: Database, tmp_path: Path
) -> None:
    boss = make_user("boss", is_superuser=True)
    with WebServer(database.url, tmp_path / "web.log") as web, ExitStack() as sockets:

        def window(user: User | None, node: int = 1) -> Window:
            client = Client()
            if user is not None:
                client.force_login(user)
            cookies = "; ".join(f"{one.key}={one.value}" for one in client.cookies.values())
            path = f"ws/jobs/{run.number}/nodes/{node}/keyboard/"
            headers = {"Cookie": cookies} if cookies else {}
            return Window(sockets.enter_context(web.connect(path, additional_headers=headers)))

        first = window(erika)
        ticket = first.hears()["taken"]
        assert run.row.keyboards[0]["ticket"] == ticket
        assert window(None).closed()[0] == 4403
        assert window(bob).closed()[0] == 4403
        code, words = window(boss).closed()
        assert (code, words) == (4409, "erika has the keyboard of guest: only one can type at a time")
        assert window(boss, 0).closed()[0] == 4409
        assert window(boss, 7).closed()[0] == 4404

        delays = []
        for number in range(10):
            began = time.monotonic()
            first.socket.send(b"%d" % number)
            until(lambda: len(run.console.typed) > number)  # noqa: B023
            delays.append(time.monotonic() - began)
        first.socket.send(b"\r")
        until(lambda: run.console.typed == b"0123456789\r")
        assert sorted(delays)[5] < 0.5, delays

        second = window(erika)
        assert first.hears() == {"given": "taken in another window"}
        assert first.closed() == (4410, "taken in another window")
        assert second.hears()["taken"] > ticket
        second.socket.close()
        until(lambda: not run.row.keyboards)
        assert [one["reason"] for one in run.told("keyboard_given")] == [
            *("taken in another window", "its holder left")
        ]

        third = window(erika)
        third.hears()
        hand_commands.give_keyboard(run.number, 1, reason="enough", user=boss, cause="test")
        assert third.hears() == {"given": "enough"}
        assert third.closed()[0] == 4410


def test_programs_take_a_keyboard_type_and_hold_by_the_api(run: Running, erika: User) -> None:
    client = Client()
    client.force_login(erika)
    keyboard = f"/api/v1/jobs/{run.number}/nodes/1/keyboard/"

    def send(path: str, **fields: object) -> Any:
        return client.post(path, fields, content_type="application/json")

    taken = send(keyboard)
    assert taken.status_code == 201, taken.content
    assert taken.json()["idle"] == 300
    keys = send(f"{keyboard}keys/", ticket=taken.json()["ticket"], text="ls\r")
    assert keys.status_code == 202, keys.content
    until(lambda: run.console.typed == b"ls\r")
    assert send(f"{keyboard}keys/", ticket=1, text="ls\r").status_code == 409
    assert send(f"{keyboard}keys/", text="ls\r").status_code == 400
    assert client.delete(keyboard).status_code == 204
    assert run.told("keyboard_given")[0]["reason"] == "erika gave it back"
    hold = f"/api/v1/jobs/{run.number}/hold/"
    assert send(hold, seconds="soon").status_code == 400
    held = send(hold, seconds=600, reason="odd", if_failed=True)
    assert held.status_code == 202, held.content
    assert held.json()["hold"] == {
        "user": "erika",
        "seconds": 600,
        "reason": "odd",
        "if_failed": True,
        "since": None,
        "until": None,
    }
    assert client.delete(hold).json()["hold"] is None


def test_rebuilt_tables_know_of_hands_as_well(run: Running, erika: User) -> None:
    take(run, erika)
    hand_commands.hold_job(run.number, 600, user=erika, cause="test")
    before = run.row
    rebuild(["jobs"])
    after = run.row
    assert (after.keyboards, after.consoles, after.hold) == (before.keyboards, before.consoles, before.hold)
    assert after.hold
