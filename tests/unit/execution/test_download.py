"""Downloads from servers that break off, stall, forget and change their minds: real ones, on loopback."""

from __future__ import annotations

import hashlib
import lzma
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jobs.execution.fetch import Fetched, Fetcher
from jobs.execution.ports import Retry, Workplace
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Canceled, DefinitionFault, InfrastructureError

CONTENT = os.urandom(700_000)
BREAK = 300_000


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append({name: value for name, value in self.headers.items() if "ange" in name})
        step = self.server.script.pop(0) if len(self.server.script) > 1 else self.server.script[0]
        step(self)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def begin(self, code: int, length: int, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


Step = Callable[[Handler], None]


class Server(ThreadingHTTPServer):
    script: list[Step]
    asked: list[dict[str, str]]
    daemon_threads = True


def breaks(content: bytes = CONTENT, after: int = BREAK, **headers: str) -> Step:
    """Promise all, send a part, hang up."""

    def step(handler: Handler) -> None:
        handler.begin(200, len(content), **headers)
        handler.wfile.write(content[:after])
        handler.close_connection = True

    return step


def stalls(handler: Handler) -> None:
    """Send a part, then nothing for as long as anybody waits."""
    handler.begin(200, len(CONTENT), ETag='"one"')
    handler.wfile.write(CONTENT[:BREAK])
    handler.wfile.flush()
    handler.connection.recv(1)
    handler.close_connection = True


def whole(content: bytes = CONTENT, **headers: str) -> Step:
    """Know nothing of ranges."""

    def step(handler: Handler) -> None:
        handler.begin(200, len(content), **headers)
        handler.wfile.write(content)

    return step


def ranges(content: bytes = CONTENT, tag: str = '"one"', upto: int | None = None) -> Step:
    """Send the rest of the very same content, or the whole of another; hang up at `upto`."""

    def step(handler: Handler) -> None:
        start = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start and handler.headers["If-Range"] == tag:
            rest = f"bytes {start}-{len(content) - 1}/{len(content)}"
            handler.begin(206, len(content) - start, ETag=tag, Content_Range=rest)
        else:
            start = 0
            handler.begin(200, len(content), ETag=tag)
        handler.wfile.write(content[start:upto])
        handler.close_connection = True

    return step


def refuses(code: int, **headers: str) -> Step:
    return lambda handler: handler.begin(code, 0, **headers)


class Seen:
    """Progress as it was told."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int | None]] = []
        self.troubles: list[str] = []

    def __call__(self, done: int, total: int | None) -> None:
        self.steps.append((done, total))

    def trouble(self, words: str) -> None:
        self.troubles.append(words)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.script, server.asked = [], []
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
        retry=Retry(attempts=4, pause=0.01, silence=0.5),
    )


def soon() -> Deadline:
    return Deadline.after(30, "the download")


def fetch(
    server: Server, place: Workplace, *script: Step, name: str = "disk", seen: Seen | None = None
) -> Fetched:
    server.script = list(script)
    url = f"http://127.0.0.1:{server.server_address[1]}/{name}"
    return Fetcher(place).get(url, soon(), progress=seen)


def test_a_download_goes_on_where_it_broke_off(server: Server, place: Workplace) -> None:
    seen = Seen()

    fetched = fetch(server, place, breaks(ETag='"one"'), ranges(), seen=seen)

    assert fetched.path.read_bytes() == CONTENT
    assert server.asked == [{}, {"Range": f"bytes={BREAK}-", "If-Range": '"one"'}]
    assert seen.steps == sorted(seen.steps)
    assert seen.steps[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen.troubles) == 1
    assert f"after {BREAK} bytes; trying again in" in seen.troubles[0]


def test_it_may_break_off_more_often_than_it_may_fail_in_a_row(server: Server, place: Workplace) -> None:
    content = os.urandom(8 * 1024 * 1024)
    script = [ranges(content, upto=(part + 1) * 1024 * 1024 + part) for part in range(8)]

    fetched = fetch(server, place, *script, ranges(content))

    assert fetched.sha256 == hashlib.sha256(content).hexdigest()
    assert len(server.asked) > place.retry.attempts


def test_a_server_without_ranges_sends_the_beginning_again(server: Server, place: Workplace) -> None:
    seen = Seen()

    fetched = fetch(server, place, breaks(), breaks(after=BREAK + 5000), whole(), seen=seen)

    assert fetched.path.read_bytes() == CONTENT
    assert server.asked == [{}, {}, {}]
    assert seen.steps == sorted(seen.steps)


def test_a_server_may_ignore_what_it_was_asked_for(server: Server, place: Workplace) -> None:
    fetched = fetch(server, place, breaks(ETag='"one"'), whole(ETag='"one"'))

    assert fetched.path.read_bytes() == CONTENT


def test_the_date_of_the_content_will_do_for_the_rest_of_it(server: Server, place: Workplace) -> None:
    date = "Mon, 02 Nov 2026 10:00:00 GMT"

    fetched = fetch(server, place, breaks(Last_Modified=date, ETag='W/"weak"'), ranges(tag=date))

    assert fetched.path.read_bytes() == CONTENT
    assert server.asked[1] == {"Range": f"bytes={BREAK}-", "If-Range": date}


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) + 10, BREAK // 2])
@pytest.mark.parametrize("tag", ["", '"two"'])
def test_content_that_changed_meanwhile_is_downloaded_as_a_whole(
    server: Server, place: Workplace, size: int, tag: str
) -> None:
    other = os.urandom(size)
    seen = Seen()

    fetched = fetch(server, place, breaks(ETag='"one"') if tag else breaks(), ranges(other, tag), seen=seen)

    assert fetched.path.read_bytes() == other
    assert "changed on the server while it was downloaded; it begins anew" in seen.troubles[-1]


def test_content_that_became_shorter_is_downloaded_as_a_whole(server: Server, place: Workplace) -> None:
    fetched = fetch(server, place, breaks(ETag='"one"'), refuses(416), whole(b"short"))

    assert fetched.path.read_bytes() == b"short"


def test_content_that_changes_for_ever_is_given_up(server: Server, place: Workplace) -> None:
    def changing(handler: Handler) -> None:
        breaks(os.urandom(1000), after=500)(handler)

    with pytest.raises(InfrastructureError, match="changed on the server"):
        fetch(server, place, changing)


def test_a_packed_image_survives_a_broken_connection(server: Server, place: Workplace) -> None:
    packed = lzma.compress(CONTENT)

    fetched = fetch(server, place, breaks(packed, ETag='"one"'), ranges(packed), name="disk.xz")

    assert fetched.path.read_bytes() == CONTENT
    assert fetched.source_sha256 == hashlib.sha256(packed).hexdigest()


def test_a_server_that_falls_silent_is_asked_again(server: Server, place: Workplace) -> None:
    seen = Seen()

    fetched = fetch(server, place, stalls, ranges(), seen=seen)

    assert fetched.path.read_bytes() == CONTENT
    assert "the server stopped sending" in seen.troubles[0]


def test_a_refusal_that_may_pass_is_no_end(server: Server, place: Workplace) -> None:
    seen = Seen()

    fetched = fetch(server, place, refuses(503, Retry_After="0"), refuses(429), whole(), seen=seen)

    assert fetched.path.read_bytes() == CONTENT
    assert ["answered 503" in seen.troubles[0], "answered 429" in seen.troubles[1]] == [True, True]


def test_the_servers_own_pause_is_kept(server: Server, place: Workplace) -> None:
    server.script = [refuses(503, Retry_After="3600")]
    url = f"http://127.0.0.1:{server.server_address[1]}/disk"

    with pytest.raises(InfrastructureError, match="no time left to try again"):
        Fetcher(place).get(url, soon())


def test_it_is_given_up_after_some_attempts(server: Server, place: Workplace) -> None:
    with pytest.raises(InfrastructureError, match=r"the server answered 500 .*\(tried 4 times\)"):
        fetch(server, place, refuses(500))
    assert len(server.asked) == 4
    assert list((place.cache / "objects").glob("*")) == [] if (place.cache / "objects").exists() else True


def test_what_is_not_there_is_not_asked_for_again(server: Server, place: Workplace) -> None:
    with pytest.raises(DefinitionFault, match="the server answered 404"):
        fetch(server, place, refuses(404))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("code", "error"), [(204, InfrastructureError), (206, InfrastructureError), (416, DefinitionFault)]
)
def test_answers_to_what_nobody_asked(
    server: Server, place: Workplace, code: int, error: type[Exception]
) -> None:
    with pytest.raises(error, match=f"the server answered {code}"):
        fetch(server, place, refuses(code))


@pytest.mark.parametrize("part", ["bytes 7-9/700000", "nonsense", "bytes 300000-/700000"])
def test_a_part_that_nobody_asked_for_is_not_taken(server: Server, place: Workplace, part: str) -> None:
    def wrong(handler: Handler) -> None:
        handler.begin(206, 3, ETag='"one"', Content_Range=part)
        handler.wfile.write(b"abc")

    with pytest.raises(InfrastructureError, match="could not be downloaded"):
        fetch(server, place, breaks(ETag='"one"'), wrong)


def test_waiting_for_the_next_attempt_ends_with_a_cancellation(server: Server, tmp_path: Path) -> None:
    place = Workplace(
        cache=tmp_path, scratch=tmp_path, file_roots=(), allow_local_http=True, retry=Retry(pause=25)
    )
    server.script = [refuses(500)]
    ended: list[Exception] = []

    class Cancels(Seen):
        def trouble(self, words: str) -> None:
            ended.append(Canceled("by bob"))

    deadline = Deadline.after(30, "the download", stop=lambda: ended[0] if ended else None)
    with pytest.raises(Canceled):
        Fetcher(place).get(f"http://127.0.0.1:{server.server_address[1]}/disk", deadline, progress=Cancels())


def test_those_who_wait_for_the_same_download_see_its_progress(server: Server, place: Workplace) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(handler: Handler) -> None:
        handler.begin(200, len(CONTENT))
        handler.wfile.write(CONTENT[:BREAK])
        begun.set()
        go_on.wait(20)
        handler.wfile.write(CONTENT[BREAK:])

    class Second(Seen):
        def __call__(self, done: int, total: int | None) -> None:
            super().__call__(done, total)
            go_on.set()

    patient = Workplace(cache=place.cache, scratch=place.scratch, file_roots=(), allow_local_http=True)
    server.script = [slow]
    fetcher, url = Fetcher(patient), f"http://127.0.0.1:{server.server_address[1]}/disk"
    first = threading.Thread(target=fetcher.get, args=(url, soon()))
    first.start()
    assert begun.wait(20)
    seen = Second()

    fetched = fetcher.get(url, soon(), progress=seen)
    first.join()

    assert fetched.path.read_bytes() == CONTENT
    assert seen.steps
    assert len(server.asked) == 1


# -- https ---------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def secure(server: Server, certificate: Path) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


def test_https_is_resumed_too(
    secure: Server, place: Workplace, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    secure.script = [breaks(ETag='"one"'), ranges()]

    fetched = Fetcher(place).get(f"https://localhost:{secure.server_address[1]}/disk", soon())

    assert fetched.path.read_bytes() == CONTENT
    assert secure.asked[1]["If-Range"] == '"one"'


def test_a_certificate_that_nobody_here_trusts_is_named_at_once(secure: Server, place: Workplace) -> None:
    secure.script = [whole()]

    with pytest.raises(InfrastructureError, match="the worker does not trust the certificate of localhost"):
        Fetcher(place).get(f"https://localhost:{secure.server_address[1]}/disk", soon())
    assert secure.asked == []
