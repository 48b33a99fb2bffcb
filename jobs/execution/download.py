"""A download that outlives broken connections: it goes on where it broke off, after a growing pause.

Where the server can send the rest (``Range``), it does so only of the very same content (``If-Range``). Where
it can't, the beginning is read again and compared by digest with what was taken before. So whoever takes the
pieces takes one whole content, however many connections it needed.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from jobs.execution.ports import Workplace
from jobs.execution.progress import Progress
from jobs.execution.web import Passing, Reply, request
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError

LONGEST_PAUSE = 30.0
"""Seconds between two attempts at most, unless the server asks for more."""
MOVED = 1024 * 1024
"""Bytes after which earlier failures count no more."""


class ContentChanged(InfrastructureError):
    """The server has other content now than when the download began: it must begin anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server has for us."""

    unchanged: bool
    """It still has what the validators describe; there are no pieces."""
    pieces: Iterator[bytes]
    validators: dict[str, str] = field(default_factory=dict)
    """Headers to send next time, so that nothing is sent twice."""


@contextmanager
def download(
    url: str,
    deadline: Deadline,
    place: Workplace,
    progress: Progress,
    validators: Mapping[str, str] | None = None,
) -> Iterator[Answer]:
    """Open a download. Raises `DefinitionFault` for a URL that cannot work, `InfrastructureError` else."""
    with ExitStack() as stack:
        one = _Download(url, deadline, place, progress, stack)
        reply = one.begin(validators or {})
        if reply.status == 304:
            yield Answer(unchanged=True, pieces=iter(()))
        else:
            yield Answer(unchanged=False, pieces=one.pieces(reply), validators=reply.validators)


class _Download:
    def __init__(
        self, url: str, deadline: Deadline, place: Workplace, progress: Progress, stack: ExitStack
    ) -> None:
        self._url, self._deadline, self._place, self._progress = url, deadline, place, progress
        self._stack = stack
        self._digest = hashlib.sha256()
        self._done = 0
        self._total: int | None = None
        self._version = ""
        self._failures = 0
        self._moved = 0
        """Bytes since the last failure."""

    def begin(self, validators: Mapping[str, str]) -> Reply:
        reply = self._ask(validators)
        self._version, self._total = reply.version, reply.total
        self._check_size(self._total or 0)
        return reply

    def pieces(self, reply: Reply) -> Iterator[bytes]:
        while True:
            try:
                for piece in self._rest(reply):
                    self._check_size(self._done + len(piece))
                    self._digest.update(piece)
                    self._done += len(piece)
                    self._moved += len(piece)
                    if self._moved >= MOVED:
                        self._failures = 0
                    self._progress(self._done, self._total)
                    yield piece
                return
            except Passing as exc:
                self._pause(exc)
            reply = self._go_on()

    def _rest(self, reply: Reply) -> Iterator[bytes]:
        """Yield what comes after what was taken; first compares what is sent a second time."""
        again, skip = hashlib.sha256(), self._done - reply.start
        for piece in reply.pieces:
            if skip > 0:
                known, piece = piece[:skip], piece[skip:]
                again.update(known)
                skip -= len(known)
                if skip == 0 and again.digest() != self._digest.digest():
                    raise self._changed()
            if piece:
                yield piece
        if skip > 0:
            raise self._changed()

    def _go_on(self) -> Reply:
        """Ask for the rest, or for the whole where only that can be had."""
        headers: dict[str, str] = {}
        if self._done and self._version:
            headers = {"Range": f"bytes={self._done}-", "If-Range": self._version}
        reply = self._ask(headers)
        if reply.status == 416 or (self._total is not None and reply.total not in (None, self._total)):
            raise self._changed()
        if reply.start not in (0, self._done):
            raise InfrastructureError(
                f"{self._url} could not be downloaded: asked for what comes after {self._done} bytes, the"
                f" server sent what comes after {reply.start}"
            )
        return reply

    def _ask(self, headers: Mapping[str, str]) -> Reply:
        while True:
            try:
                self._stack.close()  # the connection that broke
                return self._stack.enter_context(request(self._url, self._deadline, self._place, headers))
            except Passing as exc:
                self._pause(exc)

    def _pause(self, why: Passing) -> None:
        """Wait before the next attempt. Raises `why` when there have been enough of them."""
        self._failures, self._moved = self._failures + 1, 0
        retry = self._place.retry
        if self._failures >= retry.attempts:
            tries = f" (tried {self._failures} times)" if self._failures > 1 else ""
            raise InfrastructureError(f"{why}{tries}") from why
        seconds = max(min(retry.pause * 2 ** (self._failures - 1), LONGEST_PAUSE), why.after)
        if seconds >= self._deadline.remaining:
            raise InfrastructureError(f"{why}, and there is no time left to try again") from why
        so_far = f" after {self._done} bytes" if self._done else ""
        self._progress.trouble(f"{why}{so_far}; trying again in {seconds:g} s")
        pause, until = threading.Event(), self._deadline.within(seconds, "the pause")
        while not until.expired:
            self._deadline.check()
            pause.wait(until.tick)

    def _check_size(self, size: int) -> None:
        if size > self._place.max_download:
            raise DefinitionFault(
                f"{self._url} is larger than the {self._place.max_download} bytes that this lab allows"
            )

    def _changed(self) -> ContentChanged:
        return ContentChanged(
            f"{self._url} could not be downloaded: it changed on the server while it was downloaded"
        )
