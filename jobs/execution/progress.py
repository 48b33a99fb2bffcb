"""How far transfers are, as facts: about one a second, however often the bytes are counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from jobs.domain.events import ImageUsed, TransferProgressed
from jobs.execution.cache import Fetched
from jobs.execution.journal import Journal

EVERY = 1.0
"""Seconds between two facts about one transfer."""
FIRST = 0.3
"""Seconds before the first: what is through by then is told of only once."""


class Progress(Protocol):
    """Is told how far a transfer is. Called often; returns quickly."""

    def __call__(self, done: int, total: int | None) -> None:
        """`done` of `total` bytes are through; None: the size is not known."""

    def trouble(self, words: str) -> None:
        """Something went wrong, and it is tried again."""


class Unwatched:
    """A transfer that nobody looks at."""

    def __call__(self, done: int, total: int | None) -> None:
        pass

    def trouble(self, words: str) -> None:
        pass


class Transfer:
    """One transfer to one node. Thread-safe. With its `end` comes the last fact, if anything moved."""

    def __init__(
        self, journal: Journal, node: int, what: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._journal, self._node, self._what, self._clock = journal, node, what, clock
        self._lock = threading.Lock()
        self._start = self._told = clock()
        self._first: int | None = None
        """What was done when it began: not zero for a download that goes on where another broke off."""
        self._before = self._done = 0
        self._total: int | None = None
        self._rate = 0.0
        self._due = self._start + FIRST

    def __call__(self, done: int, total: int | None) -> None:
        with self._lock:
            now = self._clock()
            if self._first is None:
                self._first = self._before = done
                self._start = self._told = now
                self._due = now + FIRST
            self._done, self._total = done, total
            if now < self._due:
                return
            late = (done - self._before) / (now - self._told)
            self._rate = late if not self._rate else (self._rate + late) / 2
            self._before, self._told, self._due = done, now, now + EVERY
            rate = self._rate
        self._tell(done, total, rate, ended=False)

    def trouble(self, words: str) -> None:
        self._journal.note(self._node, "warning", words)

    def end(self) -> None:
        """Tell the last of it."""
        with self._lock:
            if self._first is None or not self._done:
                return
            moved, seconds = self._done - self._first, self._clock() - self._start
            self._first = None
        self._tell(self._done, self._total, moved / seconds if seconds > 0 else 0.0, ended=True)

    def _tell(self, done: int, total: int | None, rate: float, *, ended: bool) -> None:
        self._journal.facts(
            TransferProgressed(
                node=self._node,
                what=self._what,
                done=done,
                total=total,
                rate=round(max(0.0, rate), 1),
                ended=ended,
                at=self._journal.now(),
            )
        )


class Teller:
    """Tells what is being brought to one node. Thread-safe: who moves the same thing tells of it together."""

    def __init__(self, journal: Journal, node: int) -> None:
        self._journal, self._node = journal, node
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Transfer, int]] = {}

    def phase(self, what: str) -> None:
        self._journal.phase(self._node, "deploy", what)

    @contextmanager
    def transfer(self, what: str) -> Iterator[Transfer]:
        """Give the progress of one transfer; its last fact comes when the last of its users leaves."""
        with self._lock:
            one, users = self._open.get(what) or (Transfer(self._journal, self._node, what), 0)
            self._open[what] = one, users + 1
        try:
            yield one
        finally:
            with self._lock:
                one, users = self._open.pop(what)
                if users > 1:
                    self._open[what] = one, users - 1
            if users == 1:
                one.end()

    def used(self, key: str, file: Fetched) -> None:
        """Record that the node boots this file."""
        self._journal.facts(
            ImageUsed(
                node=self._node,
                key=key,
                url=file.url,
                sha256=file.source_sha256,
                size=file.size,
                at=self._journal.now(),
            )
        )


class Deploying:
    """The transfers of a deploy, one after the other: the `TransferProgress` that deploy methods want.

    A context manager: the last one ends with it.
    """

    def __init__(self, journal: Journal, node: int) -> None:
        self._journal, self._node = journal, node
        self._what = ""
        self._now: Transfer | None = None

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if self._now is None or what != self._what:
            self.end()
            self._what, self._now = what, Transfer(self._journal, self._node, f"deploy {what}")
        self._now(done, total)

    def end(self) -> None:
        if self._now is not None:
            self._now.end()
            self._now = None

    def __enter__(self) -> Deploying:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
