"""Sitting at an idle board's console through a worker: from a page, or a program, to the board."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from devices import (
    board_commands,
    errand_records,
    fence,
    queries,
    sitting,
    sitting_input,
    sitting_life,
    sitting_record,
)
from devices.deciding import Decision
from devices.domain import errand as rules
from devices.drivers import session
from devices.models import Sitting, SittingChunk, SittingInput
from devices.sitting_record import Recorder
from jobs.reconciler import Reconciler
from lab.kernel.errors import NotPermitted, Rejected
from lab.kernel.events import Meta
from tests.support.consoles import TcpBoard
from tests.support.databases import Database
from tests.support.hands import until
from tests.support.jobs import make_inventory, make_user
from tests.support.sittings import Worker
from tests.support.switches import Relay
from tests.support.web import WebServer


@pytest.fixture
def far(tmp_path: Path) -> Iterator[TcpBoard]:
    board = TcpBoard(tmp_path)
    yield board
    board.close()


@pytest.fixture
def kim(database: Database, far: TcpBoard) -> User:
    """Who may type on consoles."""
    make_inventory("alpha")
    board_commands.change_board(
        "alpha", config={"console": {"url": far.config.url, "line_end": "cr"}}, actor="lab"
    )
    user = make_user("kim")
    board_commands.change_board_access("alpha", {"console": ["user:kim"]}, "", actor="lab")
    return user


def ask(user: User, **more: Any) -> int:
    return sitting.request("alpha", **{"seconds": 60, "actor": user, "cause": "test", **more})


def type_keys(errand: int, data: bytes, by: str = "kim") -> None:
    sitting_input.type_keys("alpha", errand, by, data)


def leave(user: User, errand: int) -> None:
    sitting.leave("alpha", errand, actor=user, cause="test")


def record(errand: int, kind: str) -> bytes:
    rows = SittingChunk.objects.filter(errand=errand, kind=kind).order_by("pk")
    return b"".join(bytes(row.data) for row in rows)


def last() -> errand_records.Errand:
    return errand_records.errands("alpha")[0]


def test_what_is_typed_reaches_the_board_and_all_is_on_record(kim: User, far: TcpBoard) -> None:
    errand = ask(kim)
    assert queries.board("alpha").reason == "reserved for kim, who types on its console"
    worker = Worker(errand)
    until(lambda: far.connected)
    far.print(b"=> \xff")
    until(lambda: record(errand, "o") == b"=> \xff")
    type_keys(errand, b"printenv\r")
    type_keys(errand, b"\x03")
    assert far.typed(10) == b"printenv\r\x03"
    leave(kim, errand)
    assert worker.done() == "console of board alpha: left"
    assert record(errand, "i") == b"printenv\r\x03"
    assert b"the serial console is open" in record(errand, "n")
    assert (last().outcome, last().reason, last().by) == ("pass", "", "kim")
    assert queries.board("alpha").free
    with pytest.raises(Rejected, match="given back: nothing was typed"):
        type_keys(errand, b"late")


def test_keys_that_came_before_the_worker_are_typed(kim: User, far: TcpBoard) -> None:
    errand = ask(kim)
    type_keys(errand, b"early")
    worker = Worker(errand)
    assert far.typed(5) == b"early"
    type_keys(errand, b" bird")
    leave(kim, errand)
    worker.done()
    assert far.typed(5) == b" bird"


@pytest.mark.parametrize(("idle", "away", "why"), [
    (0.3, 30.0, "nothing was typed for 0 s"),
    (30.0, 1.0, "nobody was there any more"),
])  # fmt: skip
def test_a_console_that_is_forgotten_is_given_back(
    kim: User, monkeypatch: pytest.MonkeyPatch, settings: Any, idle: float, away: float, why: str
) -> None:
    errand = ask(kim)
    settings.LABBOOK = settings.LABBOOK | {"KEYBOARD_IDLE": idle}
    monkeypatch.setattr(sitting_life, "AWAY", away)
    Worker(errand).done()
    assert (last().outcome, last().reason) == ("pass", why)
    assert queries.board("alpha").free


def test_what_nobody_waits_for_any_more_ends_without_a_worker(
    kim: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    errand = ask(kim, power="")
    leave(kim, errand)
    assert (last().outcome, last().reason) == ("pass", "")
    assert queries.board("alpha").free
    assert Worker(errand).done() == f"the errand {errand} of board alpha is over"

    ask(kim)
    Reconciler().look()
    assert not last().outcome, "all workers may be busy"
    monkeypatch.setattr(sitting_life, "AWAY", -1.0)
    Reconciler().look()
    assert (last().outcome, last().reason) == ("pass", "nobody was there any more")
    Reconciler().look()
    assert not Sitting.objects.exists()


def test_its_time_and_who_was_away_before_it_began(
    kim: User, far: TcpBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    Worker(ask(kim), seconds=0.3).done()
    assert last().reason == "its time was over"
    errand = ask(kim)
    monkeypatch.setattr(sitting_life, "AWAY", -1.0)
    Worker(errand).done()
    assert (last().outcome, last().reason) == ("pass", "nobody was there any more")
    assert last().steps == (), "nobody connected with the board"


def test_somebody_takes_the_board_away(kim: User, far: TcpBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fence, "LOOK_EVERY", 0.0)
    errand = ask(kim)
    worker = Worker(errand)
    until(lambda: far.connected)
    board_commands.release_board("alpha", "I need it", actor="lab")
    worker.done()
    assert (last().outcome, last().reason) == ("lost", "released by lab: I need it")
    assert queries.board("alpha").free


def test_power_is_off_again_though_the_worker_must_stop(
    kim: User, far: TcpBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay(tmp_path)
    switch = relay.board.power
    power = {"method": "command", "on": switch.on, "off": switch.off, "status": switch.status}
    config = {"console": {"url": far.config.url}, "power": {**power, "off_seconds": 0}}
    board_commands.change_board("alpha", config=config, actor="lab")
    errand = ask(kim, power="on")
    worker = Worker(errand, power="on")
    until(relay.powered)
    monkeypatch.setattr("lab.cluster_ties.stopping", lambda: True)
    worker.done()
    assert not relay.powered()
    assert (last().outcome, last().reason) == ("lost", "the worker was shut down")


def test_a_worker_that_falls_silent_keeps_no_board(kim: User, monkeypatch: pytest.MonkeyPatch) -> None:
    errand = ask(kim)
    board_commands.decide_on_board(
        "alpha",
        lambda found: Decision(events=rules.start(found.state, errand, worker="w", within=60)),
        Meta(actor="worker:w", cause="errand"),
    )
    sitting_life.begin_work("alpha", errand)
    Reconciler().look()
    assert not last().outcome
    monkeypatch.setattr(sitting_life, "SILENT", -1.0)
    Reconciler().look()
    assert (last().outcome, last().reason) == ("lost", "its worker fell silent")
    Reconciler().look()
    assert not SittingInput.objects.exists()


def test_a_worker_that_waits_for_the_board_is_not_silent(
    kim: User, far: TcpBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, line = threading.Event(), session.line

    @contextlib.contextmanager
    def late(*given: Any) -> Iterator[Any]:
        assert opened.wait(20)
        with line(*given) as terminal:
            yield terminal

    monkeypatch.setattr(session, "line", late)
    monkeypatch.setattr(sitting_life, "SIGN_EVERY", 0.1)
    monkeypatch.setattr(sitting_life, "SILENT", 2.0)
    errand = ask(kim)
    worker = Worker(errand)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        Reconciler().look()
        assert not last().outcome
        time.sleep(0.2)
    opened.set()
    until(lambda: far.connected)
    leave(kim, errand)
    assert worker.done() == "console of board alpha: left"


def test_a_console_has_a_limit_as_those_of_jobs_have(kim: User, far: TcpBoard, settings: Any) -> None:
    settings.LABBOOK = settings.LABBOOK | {"MAX_CONSOLE_BYTES": 1000}
    errand = ask(kim)
    worker = Worker(errand)
    until(lambda: far.connected)
    far.print(b"x" * 1500)
    worker.done()
    assert last().outcome == "fail"
    assert last().steps[-1].said == "the console printed more than 1000 bytes"
    assert last().steps[-1].transcript.startswith("x")


def test_a_commit_whose_answer_got_lost_is_not_repeated(kim: User) -> None:
    recorder = Recorder("alpha", 1, 10**6)
    recorder.note("o", b"once")
    pieces = recorder._waiting
    assert recorder._stored(pieces)
    recorder._unsure = True
    assert recorder._stored(pieces)
    assert record(1, "o") == b"once"


def test_a_record_is_read_in_pieces_of_the_size_that_is_asked_for(kim: User) -> None:
    SittingChunk.objects.bulk_create(
        SittingChunk(board="alpha", errand=1, kind="o", at=0, data=bytes([number]) * 1000)
        for number in range(10)
    )
    found = sitting_record.chunks("alpha", 1, most=2500)
    assert [one.data[0] for one in found] == [0, 1, 2]
    found = sitting_record.chunks("alpha", 1, after=found[-1].pk, most=1)
    assert [one.data[0] for one in found] == [3]
    assert sitting_record.chunks("alpha", 2) == []
    first = SittingChunk.objects.order_by("pk").values_list("pk", flat=True)[0]
    assert sitting_record.place_before_end("alpha", 1, 2500) == first + 7


def test_who_may_not_cannot(kim: User, database: Database) -> None:
    with pytest.raises(NotPermitted, match="mallory may not type on the console"):
        ask(make_user("mallory"))
    with pytest.raises(Rejected, match="nothing to do with power"):
        ask(kim, power="explode")
    errand = ask(kim)
    with pytest.raises(Rejected, match="given back"):
        type_keys(errand, b"x", by="bob")
    with pytest.raises(Rejected, match="At most 16384 bytes"):
        type_keys(errand, b"x" * 20_000)
    board_commands.release_board("alpha", "enough", actor="lab")
    assert Worker(errand).done() == f"the errand {errand} of board alpha is over"


class Window:
    """A page's socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    def hears(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        while True:
            said: dict[str, Any] = json.loads(self.socket.recv(timeout=20))
            self.heard.append(said)
            if wanted(said):
                return said

    def reads(self, wanted: bytes) -> None:
        self.hears(lambda said: wanted in self.printed)

    @property
    def printed(self) -> bytes:
        pieces = [one for said in self.heard for one in said.get("pieces", ())]
        return b"".join(base64.b64decode(one["data"]) for one in pieces if one["kind"] == "o")

    def closed(self) -> tuple[int, str]:
        try:
            while True:
                self.heard.append(json.loads(self.socket.recv(timeout=20)))
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (0, "it broke off")


def test_a_page_takes_it_comes_back_to_it_and_others_watch(
    kim: User, far: TcpBoard, database: Database, tmp_path: Path
) -> None:
    bob = make_user("bob")
    boss = make_user("boss", is_superuser=True)
    with WebServer(database.url, tmp_path / "web.log") as web, ExitStack() as sockets:

        def window(user: User, query: str) -> Window:
            client = Client()
            client.force_login(user)
            cookies = "; ".join(f"{one.key}={one.value}" for one in client.cookies.values())
            path = f"ws/boards/alpha/console/?{query}"
            return Window(sockets.enter_context(web.connect(path, additional_headers={"Cookie": cookies})))

        assert window(bob, "sit=1").closed()[0] == 4403
        assert window(kim, "").closed() == (4409, "Nobody sits at this console.")
        assert window(kim, "sit=1&power=on").closed()[0] == 4409
        first = window(kim, "sit=1&minutes=5")
        said = first.hears(lambda said: "sitting" in said)
        errand = said["sitting"]
        assert (said["by"], said["mine"], said["idle"]) == ("kim", True, 300)
        worker = Worker(errand)
        first.hears(lambda said: said.get("open"))
        until(lambda: far.connected)
        far.print(b"login: ")
        first.reads(b"login: ")
        first.socket.send(b"root\r")
        assert far.typed(5) == b"root\r"

        watching = window(boss, f"errand={errand}")
        assert watching.hears(lambda said: "sitting" in said)["mine"] is False
        watching.reads(b"login: ")
        watching.socket.send(b"reboot\r")
        watching.socket.send("leave")

        place = max(piece["id"] for said in first.heard for piece in said.get("pieces", ()))
        first.socket.close()
        far.print(b"Password: ")
        until(lambda: b"Password: " in record(errand, "o"))
        again = window(kim, f"errand={errand}&after={place}")
        assert again.hears(lambda said: "sitting" in said)["mine"] is True
        again.reads(b"Password: ")
        assert again.printed == b"Password: "
        again.socket.send(b"secret\r")
        assert far.typed(7) == b"secret\r", "nothing of what who only watches sent"
        again.socket.send("leave")
        worker.done()
        assert again.closed() == (4410, "The console was given back.")
        assert again.heard[-1] == {"over": ""}
        assert watching.closed()[0] == 4410
        assert window(kim, f"errand={errand}").closed()[0] == 4410


def test_a_program_takes_it_types_and_reads_by_the_api(kim: User, far: TcpBoard) -> None:
    client = Client()
    client.force_login(kim)
    console = "/api/v1/boards/alpha/console/"

    def send(path: str, **fields: object) -> Any:
        return client.post(path, fields, content_type="application/json")

    assert client.delete(console).status_code == 409
    taken = send(console, minutes=5)
    assert taken.status_code == 201, taken.content
    errand = taken.json()["errand"]
    assert send(console).status_code == 409
    worker = Worker(errand)
    assert send(f"{console}keys/", errand=errand, text="ls\r").status_code == 202
    assert send(f"{console}keys/", errand=errand, text="").status_code == 202
    assert send(f"{console}keys/", text="ls\r").status_code == 400
    assert far.typed(3) == b"ls\r"
    far.print(b"a  b\r\n")
    until(lambda: record(errand, "o"))
    told = client.get(f"{console}{errand}/?after=0").json()
    assert (told["by"], told["open"], told["over"]) == ("kim", True, False)
    assert "".join(base64.b64decode(one["data"]).decode() for one in told["pieces"] if one["kind"] == "o")
    assert client.delete(console).status_code == 204
    worker.done()
    place = told["pieces"][-1]["id"]
    assert client.get(f"{console}{errand}/?after={place}").json()["over"] is True
    cast = client.get(f"{console}{errand}.cast")
    lines = b"".join(cast).decode().splitlines()
    assert json.loads(lines[0])["title"] == "alpha, kim"
    assert ["i", "ls\r"] in [json.loads(line)[1:] for line in lines[1:]]
    assert client.get(f"{console}{errand + 1}/").status_code == 404
    client.force_login(make_user("bob"))
    assert client.get(f"{console}{errand}.cast").status_code == 403


def test_a_database_that_is_away_loses_nothing_of_the_record(
    kim: User, far: TcpBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    errand = ask(kim)
    worker = Worker(errand)
    until(lambda: far.connected)
    until(lambda: record(errand, "n"))
    stored = Recorder._stored
    away = threading.Event()
    monkeypatch.setattr(Recorder, "_stored", lambda self, rows: not away.is_set() and stored(self, rows))
    monkeypatch.setattr("devices.sitting_record.AGAIN", 0.01)
    away.set()
    far.print(b"one ")
    time.sleep(0.1)
    far.print(b"two")
    assert record(errand, "o") == b""
    away.clear()
    until(lambda: record(errand, "o") == b"one two")
    leave(kim, errand)
    worker.done()
