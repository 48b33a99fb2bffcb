"""What only one way to switch power can do: logins, bodies and certificates; shell text; QEMU's states."""

from __future__ import annotations

import base64
import contextlib
import datetime
import http.server
import ipaddress
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from devices.domain.config import BoardConfig
from devices.drivers.power import switch
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError
from tests.support.ser2net import free_port
from tests.support.switches import Emulated, board
from tests.unit.drivers.scripted import wait_for

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def soon(seconds: float = 60) -> Deadline:
    return Deadline.after(seconds, "the test")


class Site:
    """A web server of the test; it notes what was asked."""

    def __init__(self, trust: ssl.SSLContext | None = None) -> None:
        self.asked: list[tuple[str, str, dict[str, str], str]] = []
        self.answer: Answer = lambda request: reply(request, 200)
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                headers = {key.lower(): value for key, value in self.headers.items()}
                site.asked.append((self.command, self.path, headers, body))
                with contextlib.suppress(OSError):
                    site.answer(self)

            do_GET = do_POST = do_PUT = _any

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if trust is not None:
            self.server.socket = trust.wrap_socket(self.server.socket, server_side=True)
        self.server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
        self.url = f"{'https' if trust else 'http'}://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def reply(request: http.server.BaseHTTPRequestHandler, status: int, text: str = "", **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(text.encode())


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    yield found
    found.close()


def web(site: Site, on: str = "{url}/on", **power: Any) -> BoardConfig:
    on = on.replace("{url}", site.url)
    return board(method="http", **{"on": on, "off": f"{site.url}/off", "attempts": 1} | power)


def failing(config: BoardConfig) -> str:
    with pytest.raises(InfrastructureError) as caught:
        switch(config).on(soon())
    return str(caught.value)


# -- requests ------------------------------------------------------------------------------------------


def test_what_is_sent_is_json_where_it_looks_like_it(site: Site) -> None:
    on = 'PUT {url}/relay/{outlet} {"on": true, "by": "{who}"}'
    config = replace(web(site, on, headers={"X-Lab": "7"}), extra={"outlet": "a/3", "who": 'say "hi"'})

    switch(config).on(soon())

    verb, path, headers, body = site.asked[0]
    assert (verb, path, headers["x-lab"]) == ("PUT", "/relay/a%2F3", "7")
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {"on": True, "by": 'say "hi"'}


def test_what_is_sent_is_a_form_otherwise(site: Site) -> None:
    config = replace(web(site, "POST {url}/relay outlet={outlet}&power=on"), extra={"outlet": "a&b"})

    switch(config).on(soon())

    verb, _, headers, body = site.asked[0]
    assert (verb, body) == ("POST", "outlet=a%26b&power=on")
    assert headers["content-type"] == "application/x-www-form-urlencoded"


def test_a_login_is_given_when_it_is_asked_for(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "credentials"
    secret.write_text("lab:se:cret\n")
    wanted = "Basic " + base64.b64encode(b"lab:se:cret").decode()

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        ok = request.headers.get("Authorization") == wanted
        reply(request, 200 if ok else 401, WWW_Authenticate='Basic realm="pdu"')

    site.answer = answer
    switch(web(site, "POST {url}/on a=b", credentials=str(secret))).on(soon())

    assert [body for _, _, _, body in site.asked] == ["a=b", "a=b"]
    assert "authorization" not in site.asked[0][2]


def test_a_login_by_digest_is_given_when_it_is_asked_for(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "credentials"
    secret.write_text("lab:secret")
    challenge = 'Digest realm="pdu", nonce="abc", qop="auth", algorithm=MD5'

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        given = request.headers.get("Authorization", "")
        reply(request, 200 if given.startswith("Digest ") else 401, WWW_Authenticate=challenge)

    site.answer = answer
    switch(web(site, credentials=str(secret))).on(soon())

    given = site.asked[1][2]["authorization"]
    assert 'username="lab"' in given
    assert "secret" not in given


def test_a_header_may_be_the_secret(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "credentials"
    secret.write_text("Authorization: Bearer s3cret\n")

    switch(web(site, credentials=str(secret))).on(soon())

    assert site.asked[0][2]["authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff\xfe", "cannot be read: it is no text"),
        (b"secret", "cannot be used: expected one line, user:password or a header"),
        (b"a:b\nc:d", "cannot be used: expected one line, user:password or a header"),
    ],
)
def test_credentials_that_cannot_be_used_are_said_without_them(
    site: Site, tmp_path: Path, content: bytes | None, said: str
) -> None:
    secret = tmp_path / "credentials"
    if content is not None:
        secret.write_bytes(content)

    message = failing(web(site, credentials=str(secret)))

    assert f"power.credentials {secret} {said}" in message
    assert "secret" not in message.replace(str(secret), "")
    assert site.asked == []


def test_a_refused_login_says_so_and_no_secret(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "login"
    secret.write_text("lab:pa55word")
    site.answer = lambda request: reply(request, 401, "who are you?")

    message = failing(web(site, "{url}/on?key=k3y", credentials=str(secret)))

    assert message == (
        f"the power switch (http) did not switch the board on: {site.url}/on answered 401 Unauthorized:"
        " who are you?"
    )


def test_a_redirect_is_not_followed(site: Site) -> None:
    site.answer = lambda request: reply(request, 302, Location="/elsewhere")

    assert "/on answered 302 Found" in failing(web(site))
    assert len(site.asked) == 1


def test_a_huge_answer_is_cut(site: Site) -> None:
    site.answer = lambda request: reply(request, 500, "x" * 10_000_000 + "end")

    assert len(failing(web(site))) < 1000


def test_an_answer_that_drips_is_given_up(site: Site) -> None:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        reply(request, 200)
        while True:
            request.wfile.write(b".")
            request.wfile.flush()
            time.sleep(0.02)

    site.answer = answer

    assert "the power switch (power.timeout is 0.5 s) did not finish in time" in failing(
        web(site, timeout=0.5)
    )


def test_what_is_no_web_server_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def talk() -> None:
            line, _ = server.accept()
            with line:
                line.recv(1000)
                line.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        talking = threading.Thread(target=talk)
        talking.start()
        message = failing(board(method="http", on=f"http://127.0.0.1:{port}/", off="x", attempts=1))
        talking.join()

    assert f"http://127.0.0.1:{port}/ cannot be asked: " in message


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate that a switch made for itself."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pdu")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "pdu.pem", folder / "pdu.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, private)
    return pem, server


def test_a_switch_with_a_certificate_of_its_own_is_believed_where_it_is_configured(
    certificate: tuple[Path, ssl.SSLContext], tmp_path: Path
) -> None:
    pem, server = certificate
    site = Site(server)
    try:
        switch(web(site, certificate=str(pem))).on(soon())
        unknown = failing(web(site))
        missing = failing(web(site, certificate=str(tmp_path / "none.pem")))
    finally:
        site.close()

    assert "certificate verify failed" in unknown.lower().replace("_", " ")
    assert f"power.certificate {tmp_path}/none.pem cannot be used" in missing


# -- commands ------------------------------------------------------------------------------------------


def commands(on: str, extra: dict[str, str] | None = None, **power: Any) -> BoardConfig:
    config = board(method="command", **{"on": on, "off": "true", "attempts": 1} | power)
    return replace(config, extra=extra or {})


def test_a_command_gets_values_as_single_words(tmp_path: Path) -> None:
    said = tmp_path / "said"
    evil = "a; touch pwned $(id) 'x'"

    switch(
        commands(f"printf '%s|' {{outlet}} {{host}} ${{HOME:+home}} >{said}", {"outlet": evil, "host": "pdu"})
    ).on(soon())

    assert said.read_text() == f"{evil}|pdu|home|"


def test_a_command_sees_none_of_the_lab_s_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hush")
    said = tmp_path / "said"

    switch(commands(f"env >{said}")).on(soon())

    assert "PATH=" in said.read_text()
    assert "hush" not in said.read_text()


def test_a_failing_command_is_named_by_its_key_and_not_shown() -> None:
    message = failing(commands("echo nope; exit 7 # -p pa55word"))

    assert message == (
        "the power switch (command) did not switch the board on: the command power.on ended with exit"
        " status 7: nope"
    )


def test_a_command_that_is_not_there_says_so() -> None:
    assert "exit status 127: sh: 1: no-such-pdu: not found" in failing(commands("no-such-pdu on"))


def test_a_command_killed_by_a_signal_says_so() -> None:
    assert "the command power.on was killed by a signal" in failing(commands("kill -9 $$"))


def test_a_command_may_leave_something_running(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    started = time.monotonic()

    switch(commands(f"sleep 30 & echo $! >{pid}")).on(soon())

    number = int(pid.read_text())
    assert time.monotonic() - started < 20
    os.kill(number, 9)


def test_a_command_that_hangs_dies_with_all_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    message = failing(commands(f"sleep 100 & echo $! >{pid}; wait", timeout=1))

    assert "power.timeout is 1 s" in message
    number = int(pid.read_text())
    wait_for(lambda: not Path(f"/proc/{number}").exists() or "Z" in Path(f"/proc/{number}/stat").read_text())


def test_a_command_that_prints_without_end_fills_nothing() -> None:
    message = failing(commands("yes | head -c 30000000; echo the-end; exit 1"))

    assert message.endswith("the-end")
    assert len(message) < 1000


def test_a_command_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    done = tmp_path / "done"

    switch(commands(f"exec >&- 2>&-; sleep 0.3; touch {done}")).on(soon())

    assert done.exists()


# -- QEMU ----------------------------------------------------------------------------------------------

POWER_OFF = bytes.fromhex("b90f00 ba4042 b486cd15 ba0406 b80020 ef ebfe")
"""16-bit code: wait 1 s by the BIOS, then switch the machine off by ACPI."""


def test_a_machine_that_switched_itself_off_is_off_and_starts_again(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(POWER_OFF.ljust(510, b"\0") + b"\x55\xaa")
    machine = Emulated(tmp_path, "-drive", f"file={disk},format=raw,if=ide")
    try:
        power = switch(machine.board)
        assert power.on(soon()) == "on"
        wait_for(lambda: machine.status() == "shutdown", 60)
        assert power.state(soon()) == "off"
        assert power.on(soon()) == "on"
        wait_for(lambda: machine.status() == "shutdown", 60)
        assert power.off(soon()) == "off"
        assert power.cycle(soon()) == "on"
    finally:
        machine.close()


def test_the_monitor_may_listen_on_tcp(tmp_path: Path) -> None:
    port = free_port()
    machine = Emulated(tmp_path, "-qmp", f"tcp:127.0.0.1:{port},server=on,wait=off")
    try:
        assert switch(board(method="qmp", socket=f"127.0.0.1:{port}")).on(soon()) == "on"
        assert switch(board(method="qmp", socket=f"tcp:127.0.0.1:{port}")).off(soon()) == "off"
    finally:
        machine.close()


def test_a_monitor_that_somebody_else_holds_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    machine = Emulated(tmp_path)
    try:
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(f"{tmp_path}/q")
            other.recv(1000)
            config = replace(machine.board, power=replace(machine.board.power, timeout=0.5, attempts=1))
            assert "power.timeout is 0.5 s" in failing(config)
        assert switch(machine.board).on(soon()) == "on"
    finally:
        machine.close()


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (b"SSH-2.0-OpenSSH\n", "is not QEMU's monitor (QMP)"),
        (b'{"hello": 1}\n', "is not QEMU's monitor (QMP)"),
        (b"[]\n", "is not QEMU's monitor (QMP)"),
        (b"", "closed its monitor"),
        (
            b'{"QMP": {}}\n{"error": {"class": "X", "desc": "not now"}}\n',
            "QEMU refused qmp_capabilities: not now",
        ),
    ],
)
def test_what_is_no_monitor_is_said(says: bytes, message: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            line, _ = server.accept()
            with line:
                line.sendall(says)
                line.shutdown(socket.SHUT_WR)
                while line.recv(1000):
                    pass

        talking = threading.Thread(target=talk)
        talking.start()
        said = failing(board(method="qmp", socket=f"127.0.0.1:{server.getsockname()[1]}", attempts=1))
        talking.join()

    assert message in said
