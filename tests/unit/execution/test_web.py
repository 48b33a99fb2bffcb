"""Downloads, from a real server on loopback."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jobs.execution.fetch import Fetcher
from jobs.execution.ports import Retry, Workplace
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError

CONTENT = b"content" * 10000


class Server(ThreadingHTTPServer):
    hits: list[str]
    daemon_threads = True


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.hits.append(self.path)
        getattr(self, "answer_" + self.path.strip("/").replace("/", "_"))()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _send(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def answer_disk(self) -> None:
        if self.headers["If-None-Match"] == '"one"':
            self._send(304)
        else:
            self._send(200, CONTENT, ETag='"one"')

    def answer_moved(self) -> None:
        self._send(302, Location="/disk")

    def answer_round(self) -> None:
        self._send(302, Location="/round")

    def answer_elsewhere(self) -> None:
        self._send(302, Location="file:///etc/passwd")

    def answer_inside(self) -> None:
        self._send(302, Location="http://127.0.0.1:1/")

    def answer_missing(self) -> None:
        self._send(404)

    def answer_broken(self) -> None:
        self._send(503)

    def answer_short(self) -> None:
        self._send(200, CONTENT, Content_Length=str(len(CONTENT) + 100))
        self.close_connection = True

    def answer_host(self) -> None:
        self._send(200, (self.headers["Host"] or "").encode())


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.hits = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(
        cache=tmp_path / "cache",
        scratch=tmp_path,
        file_roots=(),
        allow_local_http=True,
        retry=Retry(attempts=3, pause=0.01),
    )


def soon() -> Deadline:
    return Deadline.after(30, "the download")


def url(server: Server, path: str) -> str:
    return f"http://localhost:{server.server_address[1]}/{path}"


def test_a_download_goes_to_the_cache(server: Server, place: Workplace) -> None:
    fetched = Fetcher(place).get(url(server, "disk"), soon())

    assert fetched.path.read_bytes() == CONTENT
    assert fetched.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_what_has_not_changed_is_not_sent_again(server: Server, place: Workplace) -> None:
    first = Fetcher(place).get(url(server, "disk"), soon())
    again = Fetcher(place).get(url(server, "disk"), soon())

    assert again == first
    assert server.hits == ["/disk", "/disk"]


def test_one_run_asks_once(server: Server, place: Workplace) -> None:
    fetcher = Fetcher(place)
    fetcher.get(url(server, "disk"), soon())
    fetcher.get(url(server, "disk"), soon())

    assert server.hits == ["/disk"]


def test_a_redirect_is_followed(server: Server, place: Workplace) -> None:
    assert Fetcher(place).get(url(server, "moved"), soon()).size == len(CONTENT)


def test_the_server_is_asked_by_its_name(server: Server, place: Workplace) -> None:
    fetched = Fetcher(place).get(url(server, "host"), soon())

    assert fetched.path.read_text() == f"localhost:{server.server_address[1]}"


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("round", DefinitionFault, "redirects more than 5 times"),
        ("elsewhere", DefinitionFault, "only http:// and https://"),
        ("missing", DefinitionFault, "the server answered 404"),
        ("broken", InfrastructureError, "the server answered 503"),
        ("short", InfrastructureError, "could not be downloaded"),
    ],
)
def test_what_goes_wrong_is_said(
    server: Server, place: Workplace, path: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Fetcher(place).get(url(server, path), soon())


def test_nobody_answers(place: Workplace) -> None:
    with pytest.raises(InfrastructureError, match="could not be downloaded"):
        Fetcher(place).get("http://127.0.0.1:1/disk", soon())


def test_a_name_without_an_address(place: Workplace) -> None:
    with pytest.raises(InfrastructureError, match="has no address"):
        Fetcher(place).get("http://no-such-host.invalid/disk", soon())


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "169.254.169.254", "[::ffff:127.0.0.1]", "127.1"]
)
def test_the_labs_own_machine_is_refused(tmp_path: Path, host: str) -> None:
    place = Workplace(cache=tmp_path / "cache", scratch=tmp_path, file_roots=())

    with pytest.raises(DefinitionFault, match=r"may not be used: .* is the lab's own machine"):
        Fetcher(place).get(f"http://{host}:1/disk", soon())


def test_a_redirect_into_the_labs_own_machine_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Workplace(cache=tmp_path / "cache", scratch=tmp_path, file_roots=())
    answers = iter([False, True])
    monkeypatch.setattr("jobs.execution.web.is_local", lambda address: next(answers))

    with pytest.raises(DefinitionFault, match="may not be used"):
        Fetcher(place).get(f"http://127.0.0.1:{server.server_address[1]}/inside", soon())


def test_too_large_a_download_is_stopped(server: Server, tmp_path: Path) -> None:
    place = Workplace(
        cache=tmp_path / "cache", scratch=tmp_path, file_roots=(), allow_local_http=True, max_download=100
    )

    with pytest.raises(DefinitionFault, match="larger than the 100 bytes"):
        Fetcher(place).get(url(server, "disk"), soon())
