"""A web process of its own: uvicorn with the product's settings, on a free port and a given database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from django.conf import settings
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parents[2]

_SERVE = """
import socket, sys, uvicorn
sock = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(sock.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config("lab.asgi:application", log_level="warning")).run(sockets=[sock])
"""


class WebServer:
    """Use it as a context manager. It shares the data folder, so also the unix doorbell, with the tests.

    Stopped and entered again it comes back on the same port.
    """

    def __init__(self, database_url: str, log: Path, **environment: str) -> None:
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "lab.settings",
            "DATABASE_URL": database_url,
            "LABBOOK_VAR": str(settings.VAR_DIR),
            "LABBOOK_SECRET_KEY": settings.SECRET_KEY,
            **environment,
        }
        self.log = log
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> WebServer:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, str(self.port)],
                cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                text=True,
            )  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline()
        process.stdout.close()
        self._process = process
        if not line:
            self.stop()
            raise RuntimeError(f"the web server did not start:\n{self.log.read_text()}")
        self.port = int(line)
        return self

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
        options = {"origin": f"http://127.0.0.1:{self.port}", "max_size": 16 * 2**20, **options}
        socket: ClientConnection = connect(f"ws://127.0.0.1:{self.port}/{path}", **options)
        return socket

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
