"""What a browser gets over a websocket, from a real server process, on both databases.

Every page checks each frame it takes: nothing may come twice, nothing may be left out.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.sessions.models import Session
from django.test import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from jobs import console_log, queries
from jobs.domain.events import JobAssigned, JobStarted
from jobs.live import FRAME, REMEMBERED
from tests.support.bare_jobs import append, result, submitted
from tests.support.databases import Database
from tests.support.threads import run_at_once
from tests.support.web import WebServer

JsonObject = dict[str, Any]
SOON = 20.0
ROWS = ("results", "phases", "messages", "waits", "attachments", "notes", "checks", "deliveries")


class Page:
    """What a page keeps of a job; it applies frames as the browser does."""

    def __init__(self, job: int, *nodes: int) -> None:
        self.job = job
        self.position = 0
        self.consoles = {node: bytearray() for node in nodes or (0, 1)}
        self._lines = dict.fromkeys(self.consoles, 0)
        self.events: list[int] = []
        self.rows: dict[str, dict[str, JsonObject]] = {name: {} for name in ROWS}
        self.job_row: JsonObject = {}
        self.frames = 0

    def have(self, node: int, data: bytes) -> None:
        """The page was drawn with this much of one console, and shows no other."""
        self.consoles = {node: bytearray(data)}
        self._lines = {node: data.count(b"\n")}

    def path(self) -> str:
        consoles = ",".join(f"{node}:{len(data)}" for node, data in self.consoles.items())
        return f"ws/jobs/{self.job}/?after={self.position}&console={consoles}"

    def take(self, frame: JsonObject) -> None:
        self.frames += 1
        for node, chunks in frame["consoles"].items():
            for chunk in chunks:
                data = base64.b64decode(chunk["data"])
                assert chunk["offset"] == len(self.consoles[int(node)])
                assert chunk["line"] == self._lines[int(node)]
                self.consoles[int(node)] += data
                self._lines[int(node)] += data.count(b"\n")
        for event in frame["events"]:
            assert event["position"] > max(self.events, default=0)
            self.events.append(event["position"])
        if "delta" in frame:
            self.job_row = {k: v for k, v in frame["delta"].items() if k not in {*ROWS, "position"}}
            for name in ROWS:
                self.rows[name] |= {row["key"]: row for row in frame["delta"][name]}
        assert frame["position"] >= self.position
        self.position = frame["position"]

    def receive(self, socket: ClientConnection, until: Callable[[Page], bool]) -> None:
        end = time.monotonic() + SOON
        while not until(self):
            self.take(json.loads(socket.recv(timeout=max(0.0, end - time.monotonic()))))

    def assert_shows_everything(self) -> None:
        """Everything that came, piece by piece, is what a fresh page would show."""
        fresh = queries.job_snapshot(AnonymousUser(), self.job)
        assert self.rows == {name: {row["key"]: row for row in fresh[name]} for name in ROWS}
        assert self.job_row == {k: v for k, v in fresh.items() if k not in {*ROWS, "position"}}
        assert self.events == [one["position"] for one in queries.job_events(self.job)]
        for node, data in self.consoles.items():
            assert console_log.read(self.job, node, 0, len(data) + 1) == (0, bytes(data))


def shows(steps: int) -> Callable[[Page], bool]:
    """Whether a page has seen so many steps of a story, whole."""

    def test(page: Page) -> bool:
        lines = [data.count(b"\n") for data in page.consoles.values()]
        results = page.rows["results"]
        # A row may come before the event that made it: the frame was put together while that was appended.
        whole = all(int(version) <= page.position for version in results)
        return len(results) == steps and whole and lines == [steps] * len(lines)

    return test


class JobStory:
    """A job to which something happens."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.stream = f"job/{number}"
        append(self.stream, submitted())

    def start(self) -> None:
        append(
            self.stream,
            JobAssigned(board="alpha", site="default"),
            JobStarted(worker="w", fence=1, at=1.0),
        )

    def step(self, number: int) -> None:
        """One result, and a line on each console."""
        lines = [(node, f"line {number} of node {node}\n".encode(), float(number)) for node in (0, 1)]
        console_log.append(self.number, lines)
        append(self.stream, result(f"case-{number}"))

    def steps(self, count: int) -> None:
        for number in range(count):
            self.step(number)


@pytest.fixture
def web(database: Database, tmp_path: Path) -> Iterator[WebServer]:
    with WebServer(database.url, tmp_path / "web.log") as server:
        yield server


@pytest.fixture
def sqlite_web(sqlite_database: Database, tmp_path: Path) -> Iterator[WebServer]:
    with WebServer(sqlite_database.url, tmp_path / "web.log") as server:
        yield server


def closed(web: WebServer, path: str, **options: Any) -> tuple[int, str]:
    """Connect, and return the code and the reason with which the server closes."""
    with web.connect(path, **options) as socket:
        return drain(socket)


def drain(
    socket: ClientConnection, take: Callable[[JsonObject], None] = lambda frame: None
) -> tuple[int, str]:
    """Take frames until the server closes; returns the code and the reason."""
    try:
        while True:
            take(json.loads(socket.recv(timeout=SOON)))
    except ConnectionClosed as exc:
        return (exc.rcvd.code, exc.rcvd.reason) if exc.rcvd else (0, "")


# -- nothing lost, nothing twice -----------------------------------------------------------------


def test_a_page_sees_what_happens_as_it_happens(web: WebServer) -> None:
    story, page = JobStory(1), Page(1)
    with web.connect(page.path()) as socket:
        page.receive(socket, lambda p: p.job_row.get("state") == "queued")
        story.start()
        page.receive(socket, lambda p: p.job_row["state"] == "running")
        for number in range(5):
            story.step(number)
            page.receive(socket, shows(number + 1))
    page.assert_shows_everything()


def test_a_page_that_reconnects_in_the_middle_misses_and_repeats_nothing(web: WebServer) -> None:
    story, page = JobStory(1), Page(1)
    story.start()
    done = threading.Event()

    def run_job() -> None:
        for number in range(60):
            story.step(number)
        done.set()

    complete = shows(60)

    def watch() -> None:
        while not (done.is_set() and complete(page)):
            with web.connect(page.path()) as socket:
                for _ in range(2):  # a few frames, then the network is gone
                    if not complete(page):
                        page.take(json.loads(socket.recv(timeout=SOON)))

    run_at_once(run_job, watch)
    page.assert_shows_everything()


@pytest.mark.parametrize("bell", ["unix", "none"])
def test_the_bell_only_makes_it_faster(database: Database, tmp_path: Path, bell: str) -> None:
    story, page = JobStory(1), Page(1)
    with (
        WebServer(database.url, tmp_path / "log", LABBOOK_DOORBELL=bell) as web,
        web.connect(page.path()) as socket,
    ):
        page.receive(socket, lambda p: p.events == [1])
        story.start()
        for number in range(3):
            story.step(number)
        page.receive(socket, shows(3))
        page.assert_shows_everything()


def test_pages_of_two_web_processes_see_the_same(database: Database, tmp_path: Path) -> None:
    story, one, two = JobStory(1), Page(1), Page(1)
    with (
        WebServer(database.url, tmp_path / "log1") as first,
        WebServer(database.url, tmp_path / "log2") as second,
        first.connect(one.path()) as a,
        second.connect(two.path()) as b,
    ):
        story.step(0)
        for page, socket in ((one, a), (two, b)):
            page.receive(socket, shows(1))
            page.assert_shows_everything()


def test_a_server_that_is_restarted_costs_its_pages_nothing(web: WebServer) -> None:
    story, page = JobStory(1), Page(1)
    with web.connect(page.path()) as socket:
        story.step(0)
        page.receive(socket, lambda p: len(p.rows["results"]) == 1)
        web.stop()
        assert drain(socket, page.take)[0] == 1012  # "service restart"
    story.step(1)
    with web, web.connect(page.path()) as socket:
        page.receive(socket, shows(2))
    page.assert_shows_everything()


def test_sockets_outlive_an_outage_of_the_database(postgres_database: Database, tmp_path: Path) -> None:
    postgres = postgres_database.server
    assert postgres is not None
    story, page = JobStory(1), Page(1)
    with WebServer(postgres_database.url, tmp_path / "log") as web, web.connect(page.path()) as socket:
        page.receive(socket, lambda p: p.events == [1])
        postgres.stop("fast")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=1.5)
        postgres.start()
        with new_connection():
            story.step(0)
            page.receive(socket, shows(1))
            page.assert_shows_everything()


@contextmanager
def new_connection() -> Iterator[None]:
    from django.db import connection

    connection.close()
    yield


def test_a_console_is_streamed_whole_from_any_offset(sqlite_web: WebServer) -> None:
    JobStory(1)
    text = b"".join(b"%06d %s\n" % (number, b"x" * (number % 200)) for number in range(20_000))
    for start in range(0, len(text), 100_000):
        console_log.append(1, [(1, text[start : start + 100_000], 1.0)])
    assert len(text) > 2 * REMEMBERED
    for offset in (0, 1, 65_536, len(text) - 3, len(text)):
        page = Page(1)
        page.have(1, text[:offset])
        with sqlite_web.connect(page.path()) as socket:
            page.receive(socket, lambda p: p.consoles[1] == text)
        assert page.frames <= (len(text) - offset) / FRAME + 3


def test_a_flood_on_one_console_does_not_hold_up_the_others(sqlite_web: WebServer) -> None:
    JobStory(1)
    flood = b"x" * (20 * FRAME)
    console_log.append(1, [(0, flood, 1.0), (1, b"login: ", 1.0)])
    page = Page(1)
    with sqlite_web.connect(page.path()) as socket:
        page.receive(socket, lambda p: p.consoles[1] == b"login: ")
        assert len(page.consoles[0]) < len(flood)


def test_consoles_nobody_asked_for_are_not_sent(sqlite_web: WebServer) -> None:
    story, page = JobStory(1), Page(1, 1)
    story.step(0)
    with sqlite_web.connect(page.path()) as socket:
        page.receive(socket, lambda p: p.consoles[1] != b"")
    assert set(page.consoles) == {1}


# -- slow and many readers -----------------------------------------------------------------------


def test_a_reader_that_stops_reading_costs_no_memory_and_gets_it_all_later(sqlite_web: WebServer) -> None:
    JobStory(1)
    process = psutil.Process(sqlite_web.pid)
    idle, brisk = Page(1, 0), Page(1, 0)
    piece = bytes(range(256)) * 4096
    pieces = 20
    with sqlite_web.connect(idle.path(), max_queue=1) as socket, sqlite_web.connect(brisk.path()) as other:
        for number in range(pieces):
            console_log.append(1, [(0, piece, float(number))])
            brisk.receive(other, lambda p: len(p.consoles[0]) % len(piece) == 0 and p.consoles[0] != b"")
            if number == 3:
                before = process.memory_info().rss  # by now it has what it needs for frames of this size
        brisk.receive(other, lambda p: len(p.consoles[0]) == pieces * len(piece))
        assert process.memory_info().rss - before < pieces * len(piece) / 2
        idle.receive(socket, lambda p: len(p.consoles[0]) == pieces * len(piece))
    assert idle.consoles == brisk.consoles == {0: piece * pieces}


def test_frames_of_a_busy_job_are_few(sqlite_web: WebServer) -> None:
    story, page = JobStory(1), Page(1)
    with sqlite_web.connect(page.path()) as socket:
        page.receive(socket, lambda p: p.events == [1])
        started, frames = time.monotonic(), page.frames
        run_at_once(
            partial(story.steps, 200),
            lambda: page.receive(socket, shows(200)),
        )
        assert page.frames - frames <= (time.monotonic() - started) / 0.03 + 2


def test_many_pages_of_one_job_get_the_same(sqlite_web: WebServer) -> None:
    story = JobStory(1)
    pages = [Page(1) for _ in range(25)]
    with ExitStack() as stack:
        sockets = [stack.enter_context(sqlite_web.connect(page.path())) for page in pages]
        story.steps(10)
        for page, socket in zip(pages, sockets, strict=True):
            page.receive(socket, shows(10))
            page.assert_shows_everything()


# -- who may watch -------------------------------------------------------------------------------


def cookies(client: Client) -> dict[str, str]:
    return {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}


def test_a_private_job_is_shown_to_those_who_may_see_it(sqlite_web: WebServer) -> None:
    ann, bob, carl = (User.objects.create_user(name, password="x") for name in ("ann", "bob", "carl"))
    bob.groups.add(Group.objects.create(name="kernel"))
    append("job/1", submitted(submitter="ann", visibility="private"))
    append("job/2", submitted(submitter="ann", visibility="kernel"))
    for user, visible in ((ann, {1, 2}), (bob, {2}), (carl, set[int]()), (None, set[int]())):
        client = Client()
        if user:
            client.force_login(user)
        headers = cookies(client) if user else {}
        for job in (1, 2):
            page = Page(job)
            if job in visible:
                with sqlite_web.connect(page.path(), additional_headers=headers) as socket:
                    page.receive(socket, lambda p: p.events != [])
            else:
                code, reason = closed(sqlite_web, page.path(), additional_headers=headers)
                assert (code, reason) == (4404, f"There is no job {job}, or you may not see it.")


def test_logging_out_ends_what_a_private_stream_shows(sqlite_database: Database, tmp_path: Path) -> None:
    client = Client()
    client.force_login(User.objects.create_user("ann", password="x"))
    append("job/1", submitted(submitter="ann", visibility="private"))
    page = Page(1)
    with (
        WebServer(sqlite_database.url, tmp_path / "log", LABBOOK_RECHECK_SECONDS="0") as web,
        web.connect(page.path(), additional_headers=cookies(client)) as socket,
    ):
        page.receive(socket, lambda p: p.events == [1])
        Session.objects.all().delete()
        assert drain(socket)[0] == 4404


def test_a_lab_without_anonymous_reading_asks_visitors_to_log_in(
    sqlite_database: Database, tmp_path: Path
) -> None:
    client = Client()
    client.force_login(User.objects.create_user("bob", password="x"))
    JobStory(1)
    page = Page(1)
    with WebServer(sqlite_database.url, tmp_path / "log", LABBOOK_ANONYMOUS_READ="no") as web:
        assert closed(web, page.path()) == (4401, "Log in to watch.")
        assert closed(web, "ws/events/") == (4401, "Log in to watch.")
        with web.connect(page.path(), additional_headers=cookies(client)) as socket:
            page.receive(socket, lambda p: p.events == [1])


def test_pages_of_other_sites_are_turned_away(sqlite_web: WebServer) -> None:
    JobStory(1)
    with pytest.raises(InvalidStatus):
        sqlite_web.connect(Page(1).path(), origin="http://evil.test")


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("ws/jobs/7/", 4404, "There is no job 7, or you may not see it."),
        (f"ws/jobs/{10**30}/", 4404, "There is no job"),
        ("ws/jobs/1/?after=-1", 4400, "after: '-1' is not a number"),
        ("ws/jobs/1/?after=" + "9" * 40, 4400, "after: '99999999999999999999' is not a number"),
        ("ws/jobs/1/?after=%D9%A1", 4400, "after: '١' is not a number"),
        ("ws/jobs/1/?console=x:1", 4400, "console: 'x' is not a number"),
        ("ws/jobs/1/?console=" + "1:1," * 101, 4400, "console: more than 100 of them"),
        ("ws/events/?topic=jobs,cats", 4400, "topic: 'cats' is neither jobs nor boards"),
    ],
)
def test_an_address_that_makes_no_sense_is_answered_with_the_reason(
    sqlite_web: WebServer, path: str, code: int, reason: str
) -> None:
    JobStory(1)
    found_code, found_reason = closed(sqlite_web, path)
    assert (found_code, found_reason[: len(reason)]) == (code, reason)


def test_a_position_from_the_future_begins_anew(sqlite_web: WebServer) -> None:
    JobStory(1)
    page = Page(1)
    with sqlite_web.connect("ws/jobs/1/?after=999999&console=0:0") as socket:
        page.receive(socket, lambda p: p.events == [1])


def test_what_a_page_says_is_ignored(sqlite_web: WebServer) -> None:
    story, page = JobStory(1), Page(1)
    with sqlite_web.connect(page.path()) as socket:
        socket.send("hello")
        socket.send(b"\x00\xff")
        story.step(0)
        page.receive(socket, lambda p: len(p.rows["results"]) == 1)


# -- lists ---------------------------------------------------------------------------------------


def next_frame(socket: ClientConnection, until: Callable[[JsonObject], bool]) -> JsonObject:
    end = time.monotonic() + SOON
    while True:
        frame: JsonObject = json.loads(socket.recv(timeout=max(0.0, end - time.monotonic())))
        if until(frame):
            return frame


def test_lists_hear_the_names_of_what_changed(web: WebServer) -> None:
    JobStory(1)
    append("job/2", submitted(submitter="ann", visibility="private"))
    with web.connect("ws/events/?topic=jobs") as jobs, web.connect("ws/events/?after=0") as everything:
        assert json.loads(jobs.recv(timeout=SOON)) == {"position": 2, "jobs": [], "boards": []}
        assert json.loads(everything.recv(timeout=SOON)) == {"position": 2, "jobs": [1], "boards": []}
        append("job/1", result("ping"))
        append("job/2", result("secret"))
        assert next_frame(jobs, lambda frame: bool(frame["jobs"]))["jobs"] == [1]
        assert next_frame(everything, lambda frame: bool(frame["jobs"]))["jobs"] == [1]
    with web.connect("ws/events/?after=2") as again:
        frame = json.loads(again.recv(timeout=SOON))
        assert (frame["position"], frame["jobs"]) == (4, [1])


def test_a_server_that_stops_leaves_no_socket_behind(sqlite_web: WebServer) -> None:
    from django.conf import settings

    run = settings.VAR_DIR / "run"
    JobStory(1)
    page = Page(1)
    with sqlite_web.connect(page.path()) as socket:
        page.receive(socket, lambda p: p.events == [1])
        assert list(run.glob(f"{sqlite_web.pid}-*.sock"))
        sqlite_web.stop()
        assert drain(socket)[0] == 1012
    assert not list(run.glob(f"{sqlite_web.pid}-*.sock"))
