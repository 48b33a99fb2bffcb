"""Reading a console: everything is recorded, then searched once, whatever bytes it is made of.

A reader thread takes bytes from the terminal, records them and hands them over; whoever works with the
console waits on the other side with a deadline. Searching is line by line and never goes back: a line is
looked at when it is complete, and the last, unfinished one by its tail only.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from devices.domain.config import Waits
from devices.drivers.shell import Terminal
from devices.drivers.signs import KERNEL, Sign, first_of
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded, InfrastructureError

Record = Callable[[bytes], int]
"""Stores bytes; returns the offset of the first of them in the node's console."""

PATIENT = Waits()
TAIL = 1024
"""Bytes at the end of an unfinished line that a pattern may see."""
LINE = 4096
"""Bytes of a finished line that a pattern may see: its last ones."""
BACKLOG = 4 * 1024 * 1024
"""Bytes that may wait for whoever works with the console before the reader pauses, or lets the oldest go."""
LAST_WORDS_QUIET = 0.3
"""Seconds of silence after which a machine that gave up is taken to have said all about it."""
LAST_WORDS_WITHIN = 1.5
"""Seconds that it is listened to at most."""

ESCAPES = re.compile(
    rb"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[()][A-Za-z0-9]|[@-Z\\^_=>])|\x00"
)
"""Terminal control sequences and NULs: never part of what is searched."""


class ConsoleEnded(InfrastructureError):
    """The console's other side is gone. The message holds the last lines it printed."""


class GaveUp(InfrastructureError):
    """What runs on the machine, a boot loader or a kernel, said that it cannot go on."""

    def __init__(self, summary: str, lines: str) -> None:
        self.summary, self.lines = summary, f"; the lines around it:\n{lines}"
        super().__init__(summary + self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Bytes of a console and where they lie in its record."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A pattern was seen."""

    index: int
    """Which of the patterns."""
    groups: tuple[str, ...]
    line: str
    """The line in which it was, cleaned of control sequences."""
    offset: int
    """Where this line begins in the record."""


class Console:
    """One console, read by a thread of its own. Use as a context manager: leaving hangs up.

    `pausing`: whether the other side can wait while nobody takes what was read. A serial line cannot: there
    reading and recording go on, and what has waited longest will not be searched. `waits`: how patient who
    talks to it must be.
    """

    def __init__(
        self,
        terminal: Terminal,
        record: Record,
        name: str,
        *,
        pausing: bool = True,
        waits: Waits = PATIENT,
    ) -> None:
        self.name, self.waits = name, waits
        self._pausing = pausing
        self._terminal, self._record = terminal, record
        self._chunks: deque[Chunk] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._ended = False
        self._failure: Exception | None = None
        self._closing = False
        self._searched = True
        self._typing = threading.Lock()
        self._last = bytearray()
        self.heard_at = time.monotonic()
        """When the last byte came, on the monotonic clock."""
        self._thread = threading.Thread(target=self._read, name=f"console {name}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- the reader's side ---------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            while not self._closing:
                data = self._terminal.read(1)
                if data is None:
                    continue
                if not data:
                    break
                self._take(data)
        except Exception as exc:  # noqa: BLE001 -- handed to whoever waits for this console
            self._failure = exc
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, data: bytes) -> None:
        offset = self._record(data)
        with self._changed:
            while self._pausing and self._waiting > BACKLOG and not self._closing:
                self._changed.wait(0.2)
            if self._searched:
                self._chunks.append(Chunk(offset=offset, data=data))
                self._waiting += len(data)
            while not self._pausing and self._waiting > BACKLOG and len(self._chunks) > 1:
                self._waiting -= len(self._chunks.popleft().data)
            self._last += data[-4 * LINE :]
            del self._last[: -4 * LINE]
            self.heard_at = time.monotonic()
            self._changed.notify_all()

    # -- the other side ------------------------------------------------------------------------------

    def read(self, deadline: Deadline, seconds: float | None = None) -> list[Chunk]:
        """Return what has come since the last call, waiting for something up to `seconds` (or the deadline).

        An empty list means that `seconds` passed. Raises `ConsoleEnded` when everything has been read and
        nothing more can come, and what the deadline raises.
        """
        limit = None if seconds is None else time.monotonic() + seconds
        while True:
            with self._changed:
                if not self._chunks and not self._ended:
                    pause = deadline.tick if limit is None else min(deadline.tick, limit - time.monotonic())
                    self._changed.wait(max(0.0, pause))
                if self._chunks:
                    chunks = list(self._chunks)
                    self._chunks.clear()
                    self._waiting = 0
                    self._changed.notify_all()
                    return chunks
                if self._ended:
                    raise self._end()
            deadline.check()
            if limit is not None and time.monotonic() >= limit:
                return []

    def unread(self, chunks: Sequence[Chunk]) -> None:
        """Give back what was read too far: the next `read` returns it first."""
        with self._changed:
            self._chunks.extendleft(reversed(chunks))
            self._waiting += sum(len(chunk.data) for chunk in chunks)

    def _end(self) -> Exception:
        if self._failure is not None:
            return self._failure
        return ConsoleEnded(f"the console of {self.name} ended ({self._terminal.ending}){self.last_words()}")

    def last_words(self, lines: int = 12) -> str:
        """Return the last lines printed, as the end of an error message; empty if there are none."""
        last = self._last_lines()[-lines:]
        return "; the last it printed was:\n" + _shown(last) if last else "; it printed nothing"

    def _last_lines(self) -> list[str]:
        with self._changed:
            text = clean(bytes(self._last)).decode(errors="replace")
        return [line.rstrip() for line in text.replace("\r", "\n").split("\n") if line.strip()]

    def around(self, line: str, before: int = 4, after: int = 8) -> str:
        """Return what was printed around a line of late, as the end of an error message."""
        return self.whole(line, before, after)[1]

    def whole(self, line: str, before: int = 4, after: int = 8) -> tuple[str, str]:
        """Return a line of late, of which only the beginning may have been there, and what is around it.

        Waits a moment for what a dying machine has to add.
        """
        limit = time.monotonic() + LAST_WORDS_WITHIN
        with self._changed:
            while not self._ended and (now := time.monotonic()) < limit:
                if now - self.heard_at > LAST_WORDS_QUIET:
                    break
                self._changed.wait(LAST_WORDS_QUIET)
        lines, wanted = self._last_lines(), line.strip()
        places = [index for index, one in enumerate(lines) if one.strip().startswith(wanted)]
        places = places or [index for index, one in enumerate(lines) if wanted[-300:] in one]
        at = places[-1] if places else len(lines)
        return lines[at].strip() if places else wanted, _shown(lines[max(0, at - before) : at + 1 + after])

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Type `data`, whole: what others type at the same time comes before or after it."""
        if not self._typing.acquire(timeout=max(0.01, deadline.remaining)):
            raise DeadlineExceeded(f"{deadline.what}: the console of {self.name} does not take what is typed")
        try:
            self._terminal.write(data, deadline)
        finally:
            self._typing.release()

    def let_go(self) -> None:
        """From now on nobody works with it: it is recorded, and nothing waits to be looked at."""
        with self._changed:
            self._pausing = self._searched = False
            self._chunks.clear()
            self._waiting = 0
            self._changed.notify_all()

    def line(self, text: str, deadline: Deadline) -> None:
        """Type a line."""
        self.send(text.encode() + b"\n", deadline)

    @property
    def gave_up(self) -> bool:
        """Whether the last lines hold a sign that the kernel gave up."""
        return any(first_of(KERNEL, line.encode()) for line in self._last_lines())

    @property
    def ended(self) -> bool:
        """Whether the other side is gone (there may still be bytes to read)."""
        return self._ended

    def close(self) -> None:
        """Hang up and wait for the reader."""
        self._closing = True
        self._terminal.close()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(5)


def _shown(lines: list[str]) -> str:
    return "\n".join(line[-300:] for line in lines)


def clean(data: bytes) -> bytes:
    """Return `data` without control sequences and NULs."""
    return ESCAPES.sub(b"", data) if b"\x1b" in data or b"\x00" in data else data


class Search:
    """Looks for patterns in a stream of chunks, line by line, in linear time.

    A pattern sees one line at a time, at most its last `LINE` bytes, without its end and without control
    sequences; in the unfinished last line the last `TAIL` bytes. Of several patterns in one line the first of
    the list wins.
    """

    def __init__(self, patterns: Sequence[re.Pattern[bytes]]) -> None:
        self.patterns = patterns
        self._partial = b""
        self._offset = 0
        self._next: int | None = None

    def feed(self, chunk: Chunk) -> tuple[Match | None, Chunk | None]:
        """Take the next bytes; returns the first match in them, and what comes after its line, if any."""
        if chunk.offset != self._next:  # something in between was let go
            self._partial = b""
        self._next = chunk.offset + len(chunk.data)
        if not self._partial:
            self._offset = chunk.offset
        data, start = chunk.data, 0
        while (end := data.find(b"\n", start)) >= 0:
            match = self._look((self._partial + data[start:end])[-LINE:])
            start = end + 1
            self._partial, self._offset = b"", chunk.offset + start
            if match is not None:
                rest = data[start:]
                return match, Chunk(offset=chunk.offset + start, data=rest) if rest else None
        if start < len(data):
            self._partial = (self._partial + data[start:])[-LINE:]
            match = self._look(self._partial[-TAIL:])
            if match is not None:
                self._partial = b""
            return match, None
        return None, None

    def _look(self, raw: bytes) -> Match | None:
        line = clean(raw).strip(b"\r")
        line = line[line.rfind(b"\r") + 1 :] if b"\r" in line else line
        if not line:
            return None
        for index, pattern in enumerate(self.patterns):
            if (found := pattern.search(line)) is not None:
                groups = tuple((group or b"").decode(errors="replace") for group in found.groups())
                text = line.decode(errors="replace")
                return Match(index=index, groups=groups, line=text, offset=self._offset)
        return None


def expect(
    console: Console,
    patterns: Sequence[re.Pattern[bytes]],
    deadline: Deadline,
    *,
    signs: Sequence[Sign] = (),
    nudge_after: float | None = None,
) -> Match:
    """Return the first match of a pattern in what has not been read yet; the rest of its line is dropped.

    `signs`: raise `GaveUp` when the machine says one of them. `nudge_after`: type a newline when the console
    has been silent for so many seconds (a kernel message may have overwritten the prompt), and each further
    one after twice the time as long as nothing comes: a machine that does not read yet must not find dozens
    of them when it starts to. (Linux empties a PL011's buffer then, and never hears of what is left in
    QEMU's.)
    """
    search = Search([*patterns, *(sign.pattern for sign in signs)])
    nudged, patience = time.monotonic(), nudge_after
    while True:
        chunks = console.read(deadline, 0.5)
        for number, chunk in enumerate(chunks):
            match, rest = search.feed(chunk)
            if match is None:
                continue
            console.unread([*([rest] if rest else []), *chunks[number + 1 :]])
            if match.index >= len(patterns):
                raise gave_up(console, signs[match.index - len(patterns)], match.line)
            return match
        now = time.monotonic()
        if nudge_after is None or patience is None:
            continue
        if console.heard_at > nudged:
            patience = nudge_after
        if now - max(nudged, console.heard_at) >= patience:
            console.send(b"\n", deadline)
            nudged, patience = now, 2 * patience


def gave_up(console: Console, sign: Sign, line: str) -> GaveUp:
    """Return the error for a sign that was seen in a line of a console, with what was printed around it."""
    what = f"the kernel of {console.name}" if sign in KERNEL else f"the boot loader of {console.name}"
    whole, around = console.whole(line)
    return GaveUp(f"{what} {sign.means}: {whole[:LINE]}", around)
