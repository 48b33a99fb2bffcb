"""Sending a job's results to a server that its definition names.

The rules are those of downloads: http and https, never the lab's own machine unless the lab allows it, and
the address that was checked is the one that is connected to. Redirects are not followed: what is sent is
meant for the server that is named.
"""

from __future__ import annotations

import socket

import httpx
import msgspec
from django.conf import settings

from jobs.execution.web import is_local
from jobs.mail import NotSent

SECONDS = 60.0
"""How long a server may be silent."""
AGAIN = (408, 425, 429)
"""Answers below 500 that ask for another attempt."""


def post(url: str, document: object, *, key: str) -> str:
    """Send a document; returns the server's answer in words. `key` is the same at each attempt.

    Raises `NotSent`.
    """
    target = httpx.URL(url)
    if target.scheme not in ("http", "https") or not target.host:
        raise NotSent(f"{url} is no http(s) URL", hopeless=True)
    address = _address(target)
    headers = {
        "Host": target.netloc.decode().rpartition("@")[2],
        "Content-Type": "application/json",
        "User-Agent": "Labbook",
        "Idempotency-Key": key,
    }
    try:
        with httpx.Client(timeout=SECONDS, trust_env=False, follow_redirects=False) as client:
            answer = client.post(
                target.copy_with(host=address),
                content=msgspec.json.encode(document),
                headers=headers,
                extensions={"sni_hostname": target.host},
            )
    except httpx.TimeoutException as exc:
        raise NotSent(f"{target.host} did not answer within {SECONDS:g} s") from exc
    except httpx.HTTPError as exc:
        raise NotSent(f"{target.host} could not be reached: {exc}") from exc
    words = f"the server answered {answer.status_code} {answer.reason_phrase}".rstrip()
    if answer.is_success:
        return words
    if answer.is_redirect:
        raise NotSent(f"{words}: results are not sent on to where it points", hopeless=True)
    said = " ".join(answer.text[:2000].split())[:200]
    hopeless = answer.status_code < 500 and answer.status_code not in AGAIN
    raise NotSent(f"{words}{': ' + said if said else ''}", hopeless=hopeless)


def _address(target: httpx.URL) -> str:
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(target.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise NotSent(f"{target.host} has no address") from exc
    addresses = [str(info[4][0]) for info in found]
    if not settings.LABBOOK["ALLOW_LOCAL_HTTP"] and any(is_local(one) for one in addresses):
        raise NotSent(f"{target.host} is the lab's own machine: results are not sent there", hopeless=True)
    return addresses[0]
