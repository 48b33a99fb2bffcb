"""A web process of its own, as a lab runs it, on a free port and a given database."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from django.conf import settings
from websockets.sync.client import ClientConnection, connect

from tests.support.forking import ROOT
from tests.support.forks import Fork, Forks


@functools.cache
def forks() -> Forks:
    """Where servers in the usual environment come from."""
    return Forks(_environment(f"sqlite:///{settings.VAR_DIR}/no-such.sqlite3"))


def _environment(database_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "lab.settings",
        "DATABASE_URL": database_url,
        "LABBOOK_VAR": str(settings.VAR_DIR),
        "LABBOOK_SECRET_KEY": settings.SECRET_KEY,
    }


class WebServer:
    """Use it as a context manager. It shares the data folder, so also the unix doorbell, with the tests.

    Stopped and entered again it comes back on the same port. With variables of its own it is started as a lab
    does it, by ``manage.py``; else it is forked, which takes no time.
    """

    def __init__(self, database_url: str, log: Path, **environment: str) -> None:
        self._url, self._variables = database_url, environment
        self.log = log
        self.port = 0
        self._process: subprocess.Popen[bytes] | Fork | None = None

    def __enter__(self) -> WebServer:
        with socket.create_server(("127.0.0.1", self.port)) as listening, self.log.open("ab") as log:
            self.port = listening.getsockname()[1]
            self._process = self._start(listening, log.fileno())
        return self

    def _start(self, listening: socket.socket, log: int) -> subprocess.Popen[bytes] | Fork:
        if not self._variables:
            return forks().serve(self._url, listening, log)
        return subprocess.Popen(
            [sys.executable, "manage.py", "web_server", "--fd", str(listening.fileno())],
            cwd=ROOT,
            env=_environment(self._url) | self._variables,
            pass_fds=[listening.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None and self.log.stat().st_size:
            print(f"the web server said:\n{self.log.read_text()}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def connect(self, path: str, **options: Any) -> ClientConnection:
        """Open a websocket, as a page of this server would."""
        defaults: dict[str, Any] = {
            "origin": f"http://127.0.0.1:{self.port}",
            "max_size": 16 * 2**20,
            "open_timeout": 60,
        }
        opened: ClientConnection = connect(f"ws://127.0.0.1:{self.port}/{path}", **defaults | options)
        return opened

    def stop(self) -> int:
        """Stop it orderly; returns its exit status."""
        process = self._process
        assert process is not None
        process.terminate()
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
