"""One request by http(s): streamed, redirects checked one by one, never to the lab's own machine.

The address that was checked is the address that is connected to, so a name that changes its mind between the
two leads nowhere.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import psutil

from jobs.execution.ports import Workplace
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError

REDIRECTS = 5
PASSING = (408, 425, 429)
"""Refusals that may be granted later; all of 5xx may, too."""


class Passing(InfrastructureError):
    """What went wrong may go right the next time."""

    def __init__(self, message: str, *, after: float = 0) -> None:
        super().__init__(message)
        self.after = after
        """Seconds that the server asks for before the next attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server sent."""

    status: int
    pieces: Iterator[bytes]
    """Raises `Passing` when the connection breaks."""
    start: int = 0
    """Where in the whole the pieces begin."""
    total: int | None = None
    """Bytes of the whole; None: the server does not say."""
    validators: dict[str, str] = field(default_factory=dict)
    """Headers to send next time, so that nothing is sent twice."""
    version: str = ""
    """What names this very content for ``If-Range``; empty: nothing does."""


@contextmanager
def request(
    url: str, deadline: Deadline, place: Workplace, headers: Mapping[str, str] | None = None
) -> Iterator[Reply]:
    """Ask for a URL. Raises `DefinitionFault` for one that cannot work, `Passing` for what may work later,
    `InfrastructureError` else."""
    target = httpx.URL(url)
    timeout = httpx.Timeout(min(place.retry.silence, max(0.1, deadline.remaining)))
    trust = ssl.create_default_context()  # what this machine trusts, a lab's own authority included
    with httpx.Client(timeout=timeout, trust_env=False, follow_redirects=False, verify=trust) as client:
        for _ in range(REDIRECTS + 1):
            deadline.check()
            response = _open(client, url, target, place, dict(headers or {}))
            if not response.has_redirect_location:
                break
            response.close()
            target = target.join(response.headers["location"])
        else:
            raise DefinitionFault(f"{url} redirects more than {REDIRECTS} times")
        with contextlib.closing(response):
            _check_status(url, response, part="Range" in (headers or {}))
            yield _reply(url, response, deadline)


def _open(
    client: httpx.Client, url: str, target: httpx.URL, place: Workplace, headers: dict[str, str]
) -> httpx.Response:
    if target.scheme not in ("http", "https") or not target.host:
        raise DefinitionFault(f"{url} leads to {target}: only http:// and https:// URLs may be downloaded")
    address = _address(url, target, place)
    port = f":{target.port}" if target.port else ""
    asked = client.build_request(
        "GET",
        target.copy_with(host=address),
        headers={
            "Host": target.netloc.decode().rpartition("@")[2] or f"{target.host}{port}",
            "Accept-Encoding": "identity",
            **headers,
        },
        extensions={"sni_hostname": target.host},
    )
    try:
        return client.send(asked, stream=True)
    except httpx.TimeoutException as exc:
        raise Passing(f"{url} could not be downloaded: {target.host} did not answer in time") from exc
    except httpx.HTTPError as exc:
        if "CERTIFICATE_VERIFY_FAILED" in str(exc):
            raise InfrastructureError(
                f"{url} could not be downloaded: the worker does not trust the certificate of {target.host}"
                f" ({str(exc).partition('CERTIFICATE_VERIFY_FAILED] ')[2] or exc})"
            ) from exc
        raise Passing(f"{url} could not be downloaded: {str(exc) or type(exc).__name__}") from exc


def refuse_local(url: str, place: Workplace) -> None:
    """Raise `DefinitionFault` if a URL leads to the lab's own machine and may not."""
    target = httpx.URL(url)
    _address(url, target.copy_with(scheme="https") if target.scheme != "http" else target, place)


def _address(url: str, target: httpx.URL, place: Workplace) -> str:
    """Return an address of the host that may be connected to."""
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(target.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        words = f"{url} could not be downloaded: {target.host} has no address"
        later = isinstance(exc, socket.gaierror) and exc.errno == socket.EAI_AGAIN
        raise (Passing(words) if later else InfrastructureError(words)) from exc
    addresses = [str(info[4][0]) for info in found]
    if not place.allow_local_http:
        for address in addresses:
            if is_local(address):
                raise DefinitionFault(
                    f"{url} may not be used: {target.host} is the lab's own machine ({address})"
                )
    return addresses[0]


def is_local(address: str) -> bool:
    """Whether an address leads to this machine."""
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback or ip.is_unspecified or ip.is_link_local or ip.is_multicast:
        return True
    own = {a.address.partition("%")[0] for addresses in psutil.net_if_addrs().values() for a in addresses}
    return str(ip) in own


def _check_status(url: str, response: httpx.Response, *, part: bool) -> None:
    code = response.status_code
    if code in (httpx.codes.OK, httpx.codes.NOT_MODIFIED):
        return
    # 416: the content has become shorter; whoever asked for the part sees to it
    if part and code in (httpx.codes.PARTIAL_CONTENT, httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE):
        return
    words = f"{url} could not be downloaded: the server answered {code} {response.reason_phrase}".rstrip()
    if code in PASSING or code >= 500:
        after = response.headers.get("retry-after", "")
        raise Passing(words, after=float(after) if after.isdigit() else 0)
    raise DefinitionFault(words) if code >= 400 else InfrastructureError(words)


def _reply(url: str, response: httpx.Response, deadline: Deadline) -> Reply:
    headers = response.headers
    length = headers.get("content-length", "")
    start, total = 0, int(length) if length.isdigit() else None
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("content-range", "").strip())
        if found is None:
            raise InfrastructureError(
                f"{url} could not be downloaded: the server sent a part without saying which"
            )
        start = int(found[1])
        total = int(found[2]) if found[2] != "*" else start + total if total is not None else None
    etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
    validators = {"If-None-Match": etag} if etag else {"If-Modified-Since": modified} if modified else {}
    return Reply(
        status=response.status_code,
        pieces=_pieces(url, response, deadline, int(length) if length.isdigit() else None),
        start=start,
        total=total,
        validators=validators,
        version=modified if not etag or etag.startswith("W/") else etag,
    )


def _pieces(url: str, response: httpx.Response, deadline: Deadline, expected: int | None) -> Iterator[bytes]:
    size = 0
    try:
        for piece in response.iter_raw():  # as it comes: what a break would leave in a larger piece is lost
            deadline.check()
            size += len(piece)
            yield piece
    except httpx.TimeoutException as exc:
        raise Passing(f"{url} could not be downloaded: the server stopped sending") from exc
    except httpx.HTTPError as exc:
        raise Passing(f"{url} could not be downloaded: {str(exc) or type(exc).__name__}") from exc
    if expected is not None and size != expected:
        raise Passing(f"{url} could not be downloaded: it ended after {size} of {expected} bytes")
