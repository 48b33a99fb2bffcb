"""Downloading by http(s): streamed, redirects checked one by one, never from the lab's own machine.

The address that was checked is the address that is connected to, so a name that changes its mind between the
two leads nowhere.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import psutil

from jobs.execution.ports import Workplace
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError

REDIRECTS = 5
PIECE = 256 * 1024
SILENCE = 30.0
"""Seconds that a server may be silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server sent."""

    unchanged: bool
    """It still has what the validators describe; there are no pieces."""
    pieces: Iterator[bytes]
    validators: dict[str, str] = field(default_factory=dict)
    """Headers to send next time, so that nothing is sent twice."""


@contextmanager
def download(
    url: str, deadline: Deadline, place: Workplace, validators: Mapping[str, str] | None = None
) -> Iterator[Answer]:
    """Open a download. Raises `DefinitionFault` for a URL that cannot work, `InfrastructureError` else."""
    target = httpx.URL(url)
    timeout = httpx.Timeout(min(SILENCE, max(0.1, deadline.remaining)))
    with httpx.Client(timeout=timeout, trust_env=False, follow_redirects=False) as client:
        for _ in range(REDIRECTS + 1):
            deadline.check()
            response = _open(client, url, target, place, dict(validators or {}))
            if not response.has_redirect_location:
                break
            response.close()
            target = target.join(response.headers["location"])
        else:
            raise DefinitionFault(f"{url} redirects more than {REDIRECTS} times")
        try:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                yield Answer(unchanged=True, pieces=iter(()))
                return
            _check_status(url, response)
            yield Answer(
                unchanged=False,
                pieces=_pieces(url, response, deadline, place.max_download),
                validators=_validators(response),
            )
        finally:
            response.close()


def _open(
    client: httpx.Client, url: str, target: httpx.URL, place: Workplace, validators: dict[str, str]
) -> httpx.Response:
    if target.scheme not in ("http", "https") or not target.host:
        raise DefinitionFault(f"{url} leads to {target}: only http:// and https:// URLs may be downloaded")
    address = _address(url, target, place)
    port = f":{target.port}" if target.port else ""
    request = client.build_request(
        "GET",
        target.copy_with(host=address),
        headers={
            "Host": target.netloc.decode().rpartition("@")[2] or f"{target.host}{port}",
            "Accept-Encoding": "identity",
            **validators,
        },
        extensions={"sni_hostname": target.host},
    )
    try:
        return client.send(request, stream=True)
    except httpx.TimeoutException as exc:
        raise InfrastructureError(
            f"{url} could not be downloaded: {target.host} did not answer in time"
        ) from exc
    except httpx.HTTPError as exc:
        raise InfrastructureError(f"{url} could not be downloaded: {exc}") from exc


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
        raise InfrastructureError(f"{url} could not be downloaded: {target.host} has no address") from exc
    addresses = [str(info[4][0]) for info in found]
    if not place.allow_local_http:
        for address in addresses:
            if _local(address):
                raise DefinitionFault(
                    f"{url} may not be used: {target.host} is the lab's own machine ({address})"
                )
    return addresses[0]


def _local(address: str) -> bool:
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback or ip.is_unspecified or ip.is_link_local or ip.is_multicast:
        return True
    own = {a.address.partition("%")[0] for addresses in psutil.net_if_addrs().values() for a in addresses}
    return str(ip) in own


def _check_status(url: str, response: httpx.Response) -> None:
    code = response.status_code
    if code == httpx.codes.OK:
        return
    words = f"{url} could not be downloaded: the server answered {code} {response.reason_phrase}"
    if 400 <= code < 500 and code not in (408, 425, 429):
        raise DefinitionFault(words)
    raise InfrastructureError(words)


def _validators(response: httpx.Response) -> dict[str, str]:
    if etag := response.headers.get("etag"):
        return {"If-None-Match": etag}
    if modified := response.headers.get("last-modified"):
        return {"If-Modified-Since": modified}
    return {}


def _pieces(url: str, response: httpx.Response, deadline: Deadline, limit: int) -> Iterator[bytes]:
    expected = response.headers.get("content-length", "")
    if expected.isdigit() and int(expected) > limit:
        raise DefinitionFault(f"{url} is larger than the {limit} bytes that this lab allows")
    size = 0
    try:
        for piece in response.iter_raw(PIECE):
            deadline.check()
            size += len(piece)
            if size > limit:
                raise DefinitionFault(f"{url} is larger than the {limit} bytes that this lab allows")
            yield piece
    except httpx.TimeoutException as exc:
        raise InfrastructureError(f"{url} could not be downloaded: the server stopped sending") from exc
    except httpx.HTTPError as exc:
        raise InfrastructureError(f"{url} could not be downloaded: {exc}") from exc
    if expected.isdigit() and size != int(expected):
        raise InfrastructureError(f"{url} could not be downloaded: it ended after {size} of {expected} bytes")
