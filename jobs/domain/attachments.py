"""Puts files together that a node sends through its console, piece by piece."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

LIMIT = 25 * 1024 * 1024
"""Bytes of one attachment; the helpers refuse more."""
MAX_PIECES = 100_000
"""Numbered pieces of one attachment; the helpers send some 450 bytes in each."""
OPEN = 4
"""Attachments of one node under way at once; an older one is forgotten."""
MAX_RANGES = 60

_DIGESTS = {"sha256": hashlib.sha256, "md5": hashlib.md5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """What a node announced."""

    suite: str
    case: str
    name: str
    mime: str
    size: int


@dataclass(slots=True)
class _Transfer:
    incoming: Incoming
    pieces: dict[int, bytes] = field(default_factory=dict)
    held: int = 0
    content: bytes | None = None
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to "have you got it all?"."""

    ok: bool
    text: str = ""
    """What is missing (``3 7-9``), or why the attachment is refused."""
    content: bytes | None = None
    """The file, the first time that it is complete."""
    incoming: Incoming | None = None


def ranges(numbers: list[int]) -> str:
    """Return ``1 3-5`` for [1, 3, 4, 5]; at most `MAX_RANGES` of them.

    >>> ranges([1, 3, 4, 5])
    '1 3-5'
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        elif len(found) == MAX_RANGES:
            break
        else:
            found.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


class Attachments:
    """The attachments of one node."""

    def __init__(self) -> None:
        self._transfers: dict[str, _Transfer] = {}

    def begin(self, key: str, incoming: Incoming) -> None:
        if key in self._transfers:
            return
        while len(self._transfers) >= OPEN:
            del self._transfers[next(iter(self._transfers))]
        self._transfers[key] = _Transfer(incoming)

    def piece(self, key: str, number: int, length: int, text: str) -> None:
        """Take piece `number` (from 1); one that is damaged is left out and asked for again."""
        transfer = self._transfers.get(key)
        if transfer is None or transfer.done or len(text) != length or number in transfer.pieces:
            return
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return
        if data and transfer.held + len(data) <= LIMIT and 1 <= number <= MAX_PIECES:
            transfer.pieces[number] = data
            transfer.held += len(data)

    def finish(self, key: str, count: int, digest: str) -> Verdict:
        """Say whether all `count` pieces are here and the whole has that digest (``sha256:…``)."""
        transfer = self._transfers.get(key)
        if transfer is None:
            return Verdict(ok=False, text="the lab knows nothing of this attachment: attach the file again")
        if transfer.done:
            return Verdict(ok=True)
        if transfer.incoming.size > LIMIT or count > MAX_PIECES:
            return Verdict(ok=False, text=f"an attachment may have {LIMIT // 1024 // 1024} MiB")
        if absent := [number for number in range(1, count + 1) if number not in transfer.pieces]:
            return Verdict(ok=True, text=ranges(absent))
        content = b"".join(transfer.pieces[number] for number in range(1, count + 1))
        kind, _, expected = digest.partition(":")
        algorithm = _DIGESTS.get(kind)
        right = len(content) == transfer.incoming.size and (
            algorithm is None or algorithm(content, usedforsecurity=False).hexdigest() == expected
        )
        if not right:
            transfer.pieces, transfer.held = {}, 0
            return Verdict(ok=True, text=f"1-{count}" if count else "1")
        transfer.pieces, transfer.done = {}, True
        return Verdict(ok=True, content=content, incoming=transfer.incoming)


def decimal(text: str) -> bool:
    """Say whether `text` is a decimal number such as ``-12.5`` or ``3e-4``."""
    return (
        len(text) <= 40 and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text, re.A) is not None
    )
