"""One request to a power switch on the web, given up as soon as the deadline says so."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import NamedTuple

import httpx

from devices.domain.config import PowerConfig
from devices.domain.power_request import PowerRequest
from devices.drivers.power.answers import told
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

ANSWER = 64 * 1024
"""Bytes of an answer that are looked at."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    reason: str
    text: str


def ask(request: PowerRequest, config: PowerConfig, deadline: Deadline) -> str:
    """Send a request and return the text of the answer. Raises `InfrastructureError` unless it is a 2xx."""
    deadline.check()
    where = shown(request.url)
    try:
        answer = asyncio.run(_unless(deadline, _send(request, config)))
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as exc:
        raise InfrastructureError(f"{where} cannot be asked: {told(str(exc)) or type(exc).__name__}") from exc
    if not 200 <= answer.status < 300:
        said = f": {told(answer.text)}" if answer.text.strip() else ""
        raise InfrastructureError(f"{where} answered {answer.status} {answer.reason}{said}")
    return answer.text


def shown(url: str) -> str:
    """Return what may be shown of a URL: a query may hold a key."""
    return url.partition("?")[0].partition("#")[0]


async def _unless(deadline: Deadline, sending: Coroutine[None, None, Answer]) -> Answer:
    """Return what `sending` returns, unless the deadline raises before."""
    task = asyncio.ensure_future(sending)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=max(0.01, deadline.tick))
            if not task.done():
                deadline.check()
        return task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, httpx.HTTPError):
            await task


async def _send(request: PowerRequest, config: PowerConfig) -> Answer:
    headers = dict(config.headers)
    if request.body:
        kind = "application/json" if request.json else "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, **headers}
    secret, auth = _secret(config.credentials)
    headers |= secret
    trust = _trust(config.certificate) if request.url.startswith("https:") else False
    async with (
        # Nothing of the worker's environment: a proxy for the outer world does not lead to a power switch.
        httpx.AsyncClient(verify=trust, auth=auth, timeout=config.timeout, trust_env=False) as client,
        client.stream(
            request.verb, request.url, content=request.body.encode() or None, headers=headers
        ) as answer,
    ):
        text = bytearray()
        async for piece in answer.aiter_bytes():
            text += piece
            if len(text) > ANSWER:
                break
        return Answer(answer.status_code, answer.reason_phrase, text[:ANSWER].decode(errors="replace"))


def _trust(certificate: str) -> ssl.SSLContext:
    """Return whom to believe: the site's authorities, or the one certificate."""
    try:
        return ssl.create_default_context(cafile=certificate or None)
    except OSError as exc:  # of which SSLError is one
        raise InfrastructureError(f"power.certificate {certificate} cannot be used: {exc}") from exc


def _secret(file: str) -> tuple[dict[str, str], httpx.Auth | None]:
    """Return the header, or the way to log in, that a credentials file holds."""
    if not file:
        return {}, None
    try:
        line = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise InfrastructureError(f"power.credentials {file} cannot be read: {reason}") from exc
    name, colon, value = line.partition(":")
    if not colon or "\n" in line:
        expected = "expected one line, user:password or a header such as Authorization: Bearer …"
        raise InfrastructureError(f"power.credentials {file} cannot be used: {expected}")
    if value.startswith(" "):
        return {name: value.strip()}, None
    return {}, _LogIn(name, value)


class _LogIn(httpx.Auth):
    """Logs in as the switch wants it, basic or digest, once it has asked."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        answer = yield request
        if answer.status_code != 401:
            return
        if answer.headers.get("www-authenticate", "").lower().startswith("digest"):
            digest = httpx.DigestAuth(self._user, self._password).auth_flow(request)
            next(digest)  # the request without a login, which has been sent
            yield digest.send(answer)
        else:
            yield from httpx.BasicAuth(self._user, self._password).auth_flow(request)
