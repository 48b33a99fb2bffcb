"""What only a real ssh line can show: refusals, host keys, sshd's limits, lost connections."""

from __future__ import annotations

import io
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from devices.domain.config import SshConfig
from devices.drivers import ssh
from lab.demo.sshd import SshServer
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Canceled, DeadlineExceeded, InfrastructureError
from tests.support.sshd import ssh_config


def soon(seconds: float = 30) -> Deadline:
    return Deadline.after(seconds, "the test")


@pytest.fixture
def config(sshd: SshServer) -> SshConfig:
    return ssh_config(sshd)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def new_key(folder: Path) -> Path:
    path = folder / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def test_nobody_listens(config: SshConfig) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    with pytest.raises(InfrastructureError, match=r"the connection was refused; is sshd running there"):
        ssh.connect(replace(config, port=port), soon())


def test_nobody_answers(config: SshConfig, silent: int) -> None:
    with pytest.raises(DeadlineExceeded, match=r"did not finish in time|no ssh answer in time"):
        ssh.connect(replace(config, port=silent), Deadline.after(1, "the connection"))


def test_connecting_can_be_cancelled(config: SshConfig, silent: int) -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    deadline = Deadline.after(30, stop=lambda: Canceled("by bob") if cancel.is_set() else None)
    started = time.monotonic()

    with pytest.raises(Canceled):
        ssh.connect(replace(config, port=silent), deadline)

    assert time.monotonic() - started < 5


def test_something_else_than_ssh_answers(config: SshConfig) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(InfrastructureError, match=r"ssh to .* failed"):
            ssh.connect(replace(config, port=listener.getsockname()[1]), soon())


def test_a_name_that_does_not_exist(config: SshConfig) -> None:
    with pytest.raises(InfrastructureError, match=r"the name 'no-such-host.invalid' cannot be resolved"):
        ssh.connect(replace(config, host="no-such-host.invalid"), soon())


def test_another_host_key_is_refused(config: SshConfig, tmp_path: Path) -> None:
    kind, key = new_key(tmp_path).with_suffix(".pub").read_text().split()[:2]

    with pytest.raises(InfrastructureError, match=r"refused: the host key is not the configured one"):
        ssh.connect(replace(config, host_key=f"{kind} {key}"), soon())


def test_a_host_without_a_known_key_is_refused(config: SshConfig) -> None:
    with pytest.raises(InfrastructureError, match=r"no host key configured .* ssh-ed25519 AAAA"):
        ssh.connect(replace(config, host_key=""), soon())


def test_a_key_that_may_not_log_in(config: SshConfig, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"may not log in with the key ssh-ed25519 SHA256:"):
        ssh.connect(replace(config, key_file=str(new_key(tmp_path))), soon())


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "does not exist on this worker"), ("nonsense", "is not a usable private key")],
)
def test_a_key_file_that_is_no_good(
    config: SshConfig, tmp_path: Path, content: str | None, words: str
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)

    with pytest.raises(InfrastructureError, match=words):
        ssh.connect(replace(config, key_file=str(path)), soon())


@contextmanager
def configured(sshd: SshServer, folder: Path, old: str, new: str) -> Iterator[SshConfig]:
    """Another sshd with the keys of the first and a changed configuration."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = (sshd.key_file.parent / "config").read_text().replace(old, new)
    lines = [line for line in text.splitlines() if not line.startswith(("Port", "PidFile"))]
    path = folder / "config"
    path.write_text("\n".join([*lines, f"Port {port}", f"PidFile {folder}/pid", ""]))
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", str(path)], stderr=subprocess.DEVNULL)
    try:
        limit = soon()
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            limit.check()
        yield replace(ssh_config(sshd), port=port)
    finally:
        server.terminate()
        server.wait()


def test_more_sessions_than_sshd_gives_on_one_connection(sshd: SshServer, tmp_path: Path) -> None:
    with configured(sshd, tmp_path, "MaxSessions 100", "MaxSessions 2") as config:
        host = ssh.connect(config, soon())
        terminals = [host.terminal("exec cat", soon()) for _ in range(7)]

        assert host.run("echo works", soon()).text == "works"

        for terminal in terminals:
            terminal.close()
        host.close()


def test_a_host_without_sftp_says_what_it_needs(sshd: SshServer, tmp_path: Path) -> None:
    with configured(sshd, tmp_path, "Subsystem sftp internal-sftp", "") as config:
        host = ssh.connect(config, soon())

        with pytest.raises(InfrastructureError, match=r'sftp does not work .*"Subsystem sftp internal-sftp"'):
            host.put(io.BytesIO(b"x"), str(tmp_path / "file"), soon())

        host.close()


def serving_processes(port: int) -> list[psutil.Process]:
    """The sshd processes that serve our only connection."""
    peers = [c for c in psutil.net_connections("tcp") if c.status == "ESTABLISHED" and c.laddr[1:] == (port,)]
    return [psutil.Process(c.pid) for c in peers if c.pid]


def test_a_lost_connection_is_told_from_a_killed_command(config: SshConfig) -> None:
    host = ssh.connect(config, soon())
    host.run("true", soon())  # the process that let us in has made way for the one that serves us
    (served,) = serving_processes(config.port)
    threading.Timer(0.5, served.kill).start()

    with pytest.raises(InfrastructureError, match=r"the ssh connection to .* was lost"):
        host.run("sleep 30", soon())

    host.close()


def test_a_frozen_host_is_found_out(config: SshConfig) -> None:
    host = ssh.connect(replace(config, patience=1.0, probe_every=0.2), soon())
    terminal = host.terminal("echo here; exec cat", soon())
    while b"here" not in (terminal.read(1) or b""):
        pass
    host.run("true", soon())
    stopped = serving_processes(config.port)
    for process in stopped:
        process.suspend()
    try:
        with pytest.raises(InfrastructureError, match="was lost: it has not answered"):
            host.run("sleep 60", soon())
        assert terminal.read(1) == b""
    finally:
        for process in stopped:
            process.resume()
        host.close()
