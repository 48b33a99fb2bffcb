"""Servers that tests have things delivered to: a mail server, and one that takes what is posted."""

from __future__ import annotations

import asyncio
import http.server
import json
import socket
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class _Server(Controller):
    @property
    def own_port(self) -> int:
        assert isinstance(self.server, asyncio.Server)
        return int(self.server.sockets[0].getsockname()[1])

    def _trigger_server(self) -> None:
        """See that it is up: the library's own way connects to the port it was given, which is 0."""
        with socket.create_connection(("127.0.0.1", self.own_port), 10) as line:
            line.recv(1024)


class Mailbox:
    """A real SMTP server on a port of its own. Use as a context manager."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, EmailMessage]] = []
        """(recipient, mail), as they came."""
        self.answers: list[str] = []
        """What to answer to the next recipients in place of taking them, such as ``451 later``."""
        self._came = threading.Condition()
        self._controller = _Server(self, hostname="127.0.0.1", port=0)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        mail = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(mail, EmailMessage)
        with self._came:
            self.mails += [(address, mail) for address in envelope.rcpt_tos]
            self._came.notify_all()
        return "250 taken"

    @property
    def port(self) -> int:
        return self._controller.own_port

    def wait(self, recipient: str, seconds: float = 30) -> list[EmailMessage]:
        """Return the mails to one recipient, once there are any."""

        def theirs() -> list[EmailMessage]:
            return [mail for to, mail in self.mails if to == recipient]

        with self._came:
            assert self._came.wait_for(theirs, seconds), self.mails
            return theirs()

    def __enter__(self) -> Mailbox:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


class Inbox:
    """An HTTP server that takes what is posted. Use as a context manager."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], Any]] = []
        """(path, headers, JSON), also of those that were refused."""
        self.answers: list[tuple[int, str]] = []
        """(status, body) for the next posts; then 200."""
        inbox = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.posts.append((self.path, dict(self.headers), json.loads(body)))
                status, said = inbox.answers.pop(0) if inbox.answers else (200, "")
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(said.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Inbox:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
