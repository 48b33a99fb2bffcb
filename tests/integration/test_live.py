"""What a browser gets over a websocket, from a real server process, on both databases."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from jobs import console_log
from tests.support.bare_jobs import append, result, submitted
from tests.support.databases import Database
from tests.support.web import WebServer

JsonObject = dict[str, Any]


class Page:
    """What a page keeps of a job: it applies frames as the browser does, and checks that nothing repeats."""

    def __init__(self, job: int, nodes: tuple[int, ...] = (0, 1)) -> None:
        self.job = job
        self.position = 0
        self.consoles = dict.fromkeys(nodes, b"")
        self.events: list[int] = []
        self.results: dict[str, JsonObject] = {}
        self.delta: JsonObject = {}
        self.frames = 0

    def path(self) -> str:
        consoles = ",".join(f"{node}:{len(data)}" for node, data in self.consoles.items())
        return f"ws/jobs/{self.job}/?after={self.position}&console={consoles}"

    def take(self, frame: JsonObject) -> None:
        self.frames += 1
        for node, chunks in frame["consoles"].items():
            for chunk in chunks:
                have = self.consoles[int(node)]
                assert chunk["offset"] == len(have)
                assert chunk["line"] == have.count(b"\n")
                self.consoles[int(node)] = have + base64.b64decode(chunk["data"])
        for event in frame["events"]:
            assert event["position"] > max(self.events, default=0)
            self.events.append(event["position"])
        if "delta" in frame:
            self.delta = frame["delta"]
            self.results |= {row["key"]: row for row in frame["delta"]["results"]}
        assert frame["position"] >= self.position
        self.position = frame["position"]

    def receive(self, socket: ClientConnection, until: Callable[[Page], bool], seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not until(self):
            self.take(json.loads(socket.recv(timeout=max(0.0, end - time.monotonic()))))


@pytest.fixture
def web(database: Database, tmp_path: Path) -> Iterator[WebServer]:
    with WebServer(database.url, tmp_path / "web.log") as server:
        yield server


def test_a_page_sees_what_happens_as_it_happens(web: WebServer) -> None:
    append("job/1", submitted())
    page = Page(1)
    with web.connect(page.path()) as socket:
        page.receive(socket, lambda p: p.events == [1])
        assert page.delta["state"] == "queued"
        console_log.append(1, [(0, b"hello\n", 1.0), (1, b"vm\n", 1.0)])
        page.receive(socket, lambda p: p.consoles == {0: b"hello\n", 1: b"vm\n"})
        append("job/1", result("ping"))
        page.receive(socket, lambda p: len(p.results) == 1)
    assert page.events == [1, 2]
