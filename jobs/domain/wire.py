"""How the helpers on a node and the lab talk over the node's console.

The console is all that every image has, and it is a poor wire: kernel messages tear lines, characters get
lost, input buffers are small. Both directions are therefore single lines of printable ASCII with a
checksum; whoever misses an answer asks again (docs/multinode.md has the whole protocol).

* Node to lab: the lines that LAVA's test writers know, values percent-encoded, with one token more::

      <LAVA_SIGNAL_TESTCASE TEST_CASE_ID=boot%20time RESULT=pass #k3f9.17.5203311>
      <LAVA_MULTI_NODE> <LAVA_WAIT_ALL ready client #k3f9.18.1187203>

  ``#session.number.checksum``: the session is the run of ``lava-test-runner``, numbers count up within it,
  and the checksum is that of the text from ``LAVA_`` to the number.

* Lab to node, typed into the console: ``<LAVA_ANSWER session.number part/parts status payload checksum>``.
  The payload is text in which everything but a few safe characters is a backslash and four octal digits: a
  shell turns it back with one ``printf %b``.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote

Status = Literal["ok", "no", "wait"]
"""``wait``: the request was heard, the answer comes later."""

PIECE = 640
"""Payload characters in one answer line; the line stays well below what any console's input line takes."""
WINDOW = 3
"""Answer lines typed before the node has to ask for more: together less than a tty's input buffer."""
NOTHING = "-"
"""Stands for an empty payload: a token must not be empty."""

_ALPHABET = "".join(map(chr, range(0x20, 0x7F)))
_CODES = {character: index for index, character in enumerate(_ALPHABET, 1)}
_MODULUS = 16777213
_UNSAFE = re.compile(rb"[^A-Za-z0-9._:/=+,@^~-]")


def checksum(text: str) -> int:
    """Return the checksum of a line. Chosen so that a POSIX shell can compute it with builtins alone."""
    total = 0
    for character in text:
        total = (total * 33 + _CODES.get(character, 96)) % _MODULUS
    return total


def escape(text: str) -> str:
    """Return `text` as a token for ``printf %b``; characters that have no UTF-8 form become ``?``."""
    data = text.encode("utf-8", "replace").replace(b"\0", b"?")
    token = _UNSAFE.sub(lambda found: b"\\0%03o" % found[0][0], data).decode("ascii")
    if token == NOTHING:
        return "\\0055"
    return token or NOTHING


def unescape(token: str) -> str:
    """Percent-decode a token that a helper encoded; bytes that are no UTF-8 become U+FFFD."""
    return unquote(token, errors="replace")


def answer(session: str, number: int, status: Status, text: str = "") -> tuple[str, ...]:
    """Return the lines that answer request `number` of `session`, without line ends."""
    payload = escape(text)
    pieces = [payload[start : start + PIECE] for start in range(0, len(payload), PIECE)]
    lines = []
    for index, piece in enumerate(pieces, 1):
        body = f"{session}.{number} {index}/{len(pieces)} {status} {piece}"
        lines.append(f"<LAVA_ANSWER {body} {checksum(body)}>")
    return tuple(lines)


def again(session: str, missing: str) -> tuple[str, ...]:
    """Return the line that asks a node, unasked, for lost signals; `missing` such as ``3 7-9``.

    What there is no room for is found out when the node asks.
    """
    piece = missing[:PIECE].rpartition(" ")[0] if len(missing) > PIECE else missing
    body = f"{session}.0 1/1 again {piece.replace(' ', ',')}"
    return (f"<LAVA_ANSWER {body} {checksum(body)}>",)
