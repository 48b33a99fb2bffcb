"""Handing something to a server of somebody else, by POST: submitted results, messages of webhooks.

The rules are those of downloads: http and https, never the lab's own machine unless the lab allows it, and
the address that was checked is the one that is connected to. Redirects are not followed: what is sent is
meant for the server that is named. However slowly a server answers, it all ends after the time it was given.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from django.conf import settings

from jobs.execution.web import is_local
from jobs.mail import NotSent

KEPT = 2000
"""Bytes of an answer that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said."""

    status: int
    reason: str
    text: str
    """How its body begins, in one line."""
    retry_after: float
    """Seconds that it asks to be left alone; 0: it does not say."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        said = f": {self.text[:200]}" if self.text and not self.ok else ""
        return f"the server answered {self.status} {self.reason}".rstrip() + said


def post(url: str, content: bytes, headers: Mapping[str, str], *, seconds: float) -> Answer:
    """Send it; returns the answer, good or bad. Raises `NotSent` if there is none within that time."""
    target = httpx.URL(url)
    if target.scheme not in ("http", "https") or not target.host:
        raise NotSent(f"{url} is no http(s) URL", hopeless=True)
    started = time.monotonic()
    address = allowed_address(target)
    left = max(1.0, seconds - (time.monotonic() - started))
    try:
        return asyncio.run(_post(target, address, content, headers, left))
    except (TimeoutError, httpx.TimeoutException) as exc:
        raise NotSent(f"{target.host} did not answer within {seconds:g} s") from exc
    except httpx.HTTPError as exc:
        raise NotSent(f"{target.host} could not be reached: {str(exc) or type(exc).__name__}") from exc


async def _post(
    target: httpx.URL, address: str, content: bytes, headers: Mapping[str, str], seconds: float
) -> Answer:
    trust = ssl.create_default_context()  # what this machine trusts, a lab's own authority included
    host = target.netloc.decode().rpartition("@")[2]
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(timeout=seconds, trust_env=False, follow_redirects=False, verify=trust) as client,
        client.stream(
            "POST",
            target.copy_with(host=address),
            content=content,
            headers={"User-Agent": "Labbook", **headers, "Host": host, "Accept-Encoding": "identity"},
            extensions={"sni_hostname": target.host},
        ) as answer,
    ):
        said = b""
        async for piece in answer.aiter_raw():
            said += piece
            if len(said) >= KEPT:
                break
    after = answer.headers.get("retry-after", "")
    return Answer(
        status=answer.status_code,
        reason=answer.reason_phrase,
        text=" ".join(said[:KEPT].decode(errors="replace").replace("\0", "\ufffd").split()),
        retry_after=float(after) if after.isascii() and after.isdigit() and len(after) < 9 else 0.0,
    )


def allowed_address(target: httpx.URL) -> str:
    """Return the address of a server that things may be sent to. Raises `NotSent`."""
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(target.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise NotSent(f"{target.host} has no address") from exc
    addresses = [str(info[4][0]) for info in found]
    for address in addresses:
        if why := refusal(address):
            raise NotSent(f"{target.host} is {why}: nothing is sent there", hopeless=True)
    return addresses[0]


def refusal(address: str) -> str:
    """Return what an address is that nothing is sent to; empty: it may be."""
    if not settings.LABBOOK["ALLOW_LOCAL_HTTP"] and is_local(address):
        return "the lab's own machine"
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    for network in settings.LABBOOK["NO_POST_TO"]:
        if ip in ipaddress.ip_network(network, strict=False):
            return f"in {network}, which this lab keeps to itself (LABBOOK_NO_POST_TO)"
    return ""
