"""A request to a power switch on the web, as a configuration says it: ``POST http://pdu/3 {"on": true}``."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class BadRequest(ValueError):
    """A text is no request. The message is a sentence about it, `hint` says what is expected."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRequest:
    """What is sent."""

    verb: str
    url: str
    body: str = ""

    @property
    def json(self) -> bool:
        """Whether the body is JSON; otherwise it is a form."""
        return self.body.startswith(("{", "["))


def parse_request(text: str) -> PowerRequest:
    """Take a text apart: a verb (or GET), a URL, and after a blank what is sent. Raises `BadRequest`."""
    verb, _, rest = text.strip().partition(" ")
    if "://" in verb:
        verb, rest = "GET", text.strip()
    if verb not in VERBS:
        raise BadRequest(f"{verb!r} is no verb", f"one of {', '.join(VERBS)}, or nothing, before the URL")
    url, _, body = rest.strip().partition(" ")
    check_url(url)
    if body and verb == "GET":
        raise BadRequest("GET sends nothing after the URL", f"write POST or PUT before {url}")
    return PowerRequest(verb=verb, url=url, body=body.strip())


def check_url(url: str) -> None:
    """Raise `BadRequest` for what is no URL of a switch."""
    expected = "such as http://pdu.lab/outlet/3/on"
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError as exc:
        raise BadRequest(f"this is no URL: {exc}", expected) from exc
    if parts.scheme not in ("http", "https") or not named:
        raise BadRequest(f"{url!r} is no URL of a switch", expected)
    if parts.username or parts.password:
        raise BadRequest(
            "the URL holds a user or a password",
            "write user:password into a file on the worker and give its path as power.credentials",
        )
