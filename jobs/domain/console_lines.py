"""Console bytes → lines of text fit for matching, whatever a console prints.

Lines may arrive in pieces of any size, carry escape sequences, carriage returns, binary junk, have no end
for hundreds of kilobytes, and the kernel may print its messages into the middle of them. The work done is
linear in the number of bytes, and the memory bounded, whatever is fed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_LINE = 256 * 1024
"""Bytes of a line that are looked at; the rest of it is skipped."""
MAX_TORN = 40
"""Kernel messages in a row that may interrupt one line."""

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|[\x00-\x08\x0b-\x1f\x7f]"
)
_PRINTK = re.compile(r"\[ {0,6}\d{1,7}\.\d{6}\](?:\[[ 0-9TC]{1,9}\])? ")
_MARK = "<LAVA_"
_EXIT = "<LAVA_TEST_RUNNER>: exiting"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: where it begins in the console, and its text without escape sequences."""

    offset: int
    text: str


class Lines:
    """Cuts console bytes into lines, incrementally.

    >>> lines = Lines()
    >>> list(lines.feed(b"one\\r\\nt")), list(lines.feed(b"wo\\n"))
    ([Line(offset=0, text='one')], [Line(offset=5, text='two')])
    """

    def __init__(self, start: int = 0) -> None:
        self._offset = start
        """Where the unfinished line begins."""
        self._parts: list[bytes] = []
        self._kept = 0
        self._length = 0
        self._torn: Line | None = None
        self._torn_by = 0

    def feed(self, data: bytes, at: int | None = None) -> Iterator[Line]:
        """Yield the lines that `data` completes.

        `at`: its offset, where what was fed need not lie together in the console. A line that is torn apart
        is where it begins.
        """
        start = 0
        if at is not None and not self._length:
            self._offset = at
        while (end := data.find(b"\n", start)) >= 0:
            self._keep(data[start:end])
            line = Line(self._offset, _clean(b"".join(self._parts)))
            self._offset = self._offset + self._length + 1 if at is None else at + end + 1
            self._parts, self._kept, self._length = [], 0, 0
            yield from self._heal(line)
            start = end + 1
        self._keep(data[start:])

    def _keep(self, piece: bytes) -> None:
        self._length += len(piece)
        piece = piece[: MAX_LINE - self._kept]
        if piece:
            self._parts.append(piece)
            self._kept += len(piece)

    def _heal(self, line: Line) -> Iterator[Line]:
        """Put together again a signal that kernel messages have torn."""
        torn, self._torn = self._torn, None
        if torn is not None:
            if _PRINTK.match(line.text) and self._torn_by < MAX_TORN:
                self._torn, self._torn_by = torn, self._torn_by + 1
                return
            if len(torn.text) + len(line.text) > MAX_LINE:
                yield torn
            else:
                line = Line(torn.offset, torn.text + line.text)
        head = _unfinished(line.text)
        if head is not None and self._torn_by < MAX_TORN:
            self._torn, self._torn_by = Line(line.offset, head), self._torn_by + 1
            return
        self._torn_by = 0
        yield line


def _clean(data: bytes) -> str:
    return _ESCAPES.sub("", data.decode("utf-8", "replace"))


def _unfinished(text: str) -> str | None:
    """Return what comes before a kernel message in `text`, if a signal is cut off there."""
    if "<" not in text:
        return None
    for count, found in enumerate(_PRINTK.finditer(text)):
        if count == 16:
            break
        mark = text.rfind("<", 0, found.start())
        if mark < 0:
            continue
        tail = text[mark : found.start()]
        if tail.rstrip(" ") == "<LAVA_MULTI_NODE>":
            cut = True
        elif ">" in tail:
            cut = _EXIT.startswith(tail)
        else:
            cut = tail.startswith(_MARK) or _MARK.startswith(tail)
        if cut:
            return text[: found.start()]
    return None
