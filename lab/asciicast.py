"""A console as an asciicast, which terminals and web pages play with `asciinema`.

Format: asciicast v2, https://docs.asciinema.org/manual/asciicast/v2/: a header line, then one line for each
piece of output (``o``) or input (``i``) with the seconds since the start.
"""

from __future__ import annotations

import codecs
import json

WIDTH, HEIGHT = 132, 43
"""What consoles are shown in; a serial line has no size of its own."""


def header(title: str, start: float) -> str:
    """Return the first line. `start`: seconds since the epoch."""
    head = {"version": 2, "width": WIDTH, "height": HEIGHT, "timestamp": int(start), "title": title}
    return json.dumps(head) + "\n"


class Cast:
    """Turns pieces, in order, into lines. Characters that lie in two pieces are put together."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._decoders = {kind: codecs.getincrementaldecoder("utf-8")("replace") for kind in "oi"}
        self._at = 0.0

    def line(self, at: float, data: bytes, kind: str = "o") -> str:
        """Return the line of a piece of time `at`, empty while no character is complete."""
        self._at = max(self._at, at - self._start)  # clocks may be set back; a cast may not
        text = self._decoders[kind].decode(data)
        return self._line(kind, text) if text else ""

    def end(self) -> str:
        """Return what is left when nothing more comes: half a character, if anything."""
        left = {kind: decoder.decode(b"", final=True) for kind, decoder in self._decoders.items()}
        return "".join(self._line(kind, text) for kind, text in left.items() if text)

    def _line(self, kind: str, text: str) -> str:
        return json.dumps([round(self._at, 6), kind, text], ensure_ascii=False) + "\n"
