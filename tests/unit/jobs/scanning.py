"""Lines as helpers print them, and what the scanner finds in them."""

from __future__ import annotations

import base64
import hashlib

from jobs.domain import wire
from jobs.domain.scanner import Scanner
from jobs.domain.signals import (
    Signal,
    TestCase,
)


def scan(*data: bytes | str, output: bool = False) -> list[Signal]:
    scanner = Scanner(output=output)
    return [
        one for piece in data for one in scanner.feed(piece.encode() if isinstance(piece, str) else piece)
    ]


def numbered(body: str, number: int = 1, session: str = "s1") -> str:
    """A line as our helpers print it."""
    text = f"{body} #{session}.{number}"
    return f"<{text}.{wire.checksum(text)}>\r\n"


def request(body: str, number: int = 1, session: str = "s1") -> str:
    return "<LAVA_MULTI_NODE> " + numbered(body, number, session)


def case(offset: int = 0, **fields: object) -> TestCase:
    defaults: dict[str, object] = {"suite": "", "set": "", "result": "pass"}
    return TestCase(offset=offset, **{**defaults, **fields})  # type: ignore[arg-type]


def pieces(content: bytes, key: str = "s1.1", size: int = 400) -> list[str]:
    text = base64.b64encode(content).decode()
    cut = [text[start : start + size] for start in range(0, len(text), size)]
    return [f"<LAVA_ATTACHMENT {key} {n} {len(one)} {one}>\r\n" for n, one in enumerate(cut, 1)]


def attach(content: bytes, *, name: str = "log.txt", case: str = "", number: int = 1) -> str:
    words = f"s1.1 {name} text/plain {len(content)}" + (f" {case}" if case else "")
    return numbered(f"LAVA_SIGNAL_ATTACH {words}", number)


def attached(content: bytes, count: int, number: int = 1, digest: str | None = None) -> str:
    digest = digest or "sha256:" + hashlib.sha256(content).hexdigest()
    return request(f"LAVA_ATTACHED s1.1 {count} {digest}", number)
