"""The web servers that tests fork: what is sent to one arrives at that one, or nowhere."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.support import web
from tests.support.labs import until


def test_who_stops_a_server_that_has_ended_signals_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, (tmp_path / "log").open("wb") as log:
        first, second = (
            web.forks().serve("sqlite:///no-such.sqlite3", listening, log.fileno()) for _ in "ab"
        )
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{first.pid}").exists(), "the end of the server")
    with monkeypatch.context() as patched:
        sent: list[int] = []
        patched.setattr(os, "kill", lambda pid, _: sent.append(pid))
        first.terminate()
    assert sent == [], "its number may be somebody else's by now"
    assert first.wait(20) == -signal.SIGKILL
    second.kill()
    assert second.wait(20) == -signal.SIGKILL
