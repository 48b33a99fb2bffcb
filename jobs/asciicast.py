"""A console as an asciicast, which terminals and web pages play with `asciinema`.

Format: asciicast v2, https://docs.asciinema.org/manual/asciicast/v2/: a header line, then one line for each
piece of output with the seconds since the start.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator

from jobs.console_log import Chunk

WIDTH, HEIGHT = 132, 43
"""What consoles are shown in; a serial line has no size of its own."""


def header(title: str, start: float) -> str:
    """Return the first line. `start`: seconds since the epoch."""
    head = {"version": 2, "width": WIDTH, "height": HEIGHT, "timestamp": int(start), "title": title}
    return json.dumps(head) + "\n"


class Cast:
    """Turns chunks, in order, into lines. Characters that lie in two chunks are put together."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._at = 0.0

    def lines(self, chunks: Iterable[Chunk]) -> Iterator[str]:
        """Yield a line for each chunk that completes a character."""
        for chunk in chunks:
            self._at = max(self._at, chunk.at - self._start)  # clocks may be set back; a cast may not
            if text := self._decoder.decode(chunk.data):
                yield json.dumps([round(self._at, 6), "o", text], ensure_ascii=False) + "\n"

    def end(self) -> str:
        """Return what is left when nothing more comes: half a character, if anything."""
        text = self._decoder.decode(b"", final=True)
        return json.dumps([round(self._at, 6), "o", text]) + "\n" if text else ""
