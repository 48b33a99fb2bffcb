"""A server that webhooks are sent to. It checks signatures as docs/webhooks.md tells its readers to."""

from __future__ import annotations

import http.server
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"
Verify = Callable[[str, Mapping[str, str], bytes], None]


def documented_verify() -> Verify:
    """Return the function that the documentation shows."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    verify: Verify = found["verify"]
    return verify


class Receiver:
    """Takes what is posted, and answers what it is told to. Use as a context manager."""

    def __init__(self) -> None:
        self.secret = ""
        self.came: list[tuple[Mapping[str, str], dict[str, Any]]] = []
        """(headers, JSON) of what was verified, also of those that were refused afterwards."""
        self.forged: list[str] = []
        """Why something was not taken for a message of the lab."""
        self.answers: list[int] = []
        """Statuses of the next answers; then `always`."""
        self.always = 204
        self.headers: dict[str, str] = {}
        self.slow = 0.0
        """Seconds between the bytes of an answer that never ends."""
        self._arrived = threading.Condition()
        verify, receiver = documented_verify(), self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    verify(receiver.secret, dict(self.headers), body)
                except ValueError as error:
                    receiver.forged.append(str(error))
                    self.send_response(401)
                    self.end_headers()
                    return
                status = receiver.answers.pop(0) if receiver.answers else receiver.always
                if receiver.slow:
                    self._drip(receiver.slow)
                    return
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                said = b"" if status == 204 else f"said with {status}".encode()
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
                with receiver._arrived:
                    receiver.came.append((dict(self.headers), json.loads(body)))
                    receiver._arrived.notify_all()

            def _drip(self, pause: float) -> None:
                try:
                    for _ in range(1000):
                        self.wfile.write(b"H")
                        self.wfile.flush()
                        time.sleep(pause)
                except OSError:
                    pass  # nobody listens any more

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def types(self) -> list[str]:
        return [body["type"] for _, body in self.came]

    @property
    def positions(self) -> list[int]:
        return [body["data"]["event"]["position"] for _, body in self.came]

    def wait(self, holds: Callable[[], object], seconds: float = 60) -> None:
        """Wait until it holds, asked whenever something has come."""
        with self._arrived:
            assert self._arrived.wait_for(holds, seconds), self.types

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
