"""A board's serial console as a terminal: it is typed at as configured, and comes back when it drops."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from devices.domain.config import ConsoleConfig
from devices.drivers.serial_links import Link, LinkDown, open_link
from devices.drivers.shell import Terminal
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

Note = Callable[[str], None]
"""Is told, from the reader's thread, what happened to the line."""

STEADY = 2.0
"""Seconds that a line must stand to count as back. A server that is taken accepts, and hangs up at once."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between attempts to connect: doubled each time."""
TICK = 0.1
"""Seconds after which a closed line is noticed at the latest."""
LINE_ENDS = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n"}


def open_console(config: ConsoleConfig, deadline: Deadline, note: Note | None = None) -> Terminal:
    """Open a board's console. It is read from this moment on, so hand it to a `Console` at once.

    `note` is told when the line drops and when it is back. Raises `InfrastructureError` with the reason when
    it cannot be opened, and what the deadline raises.
    """
    name = config.url or config.command[0]
    limit = time.monotonic() + min(config.taken_timeout, config.reconnect)
    pause = FIRST_PAUSE
    while True:
        try:
            return SerialLine(config, name, _open(config, deadline), note or (lambda text: None))
        except LinkDown as exc:
            if exc.lasting or time.monotonic() + pause > limit:
                raise InfrastructureError(f"the console cannot be opened: {exc}") from exc
        _sleep(pause, deadline)
        pause = min(2 * pause, LONGEST_PAUSE)


def _open(config: ConsoleConfig, deadline: Deadline) -> Link:
    """Connect, unless the deadline says something in between; then what comes too late is closed."""
    lock = threading.Lock()
    done = threading.Event()
    outcome: list[Link | Exception] = []
    given_up = False

    def work() -> None:
        try:
            result: Link | Exception = open_link(config)
        except Exception as exc:  # noqa: BLE001 -- raised where it is waited for
            result = exc
        with lock:
            if given_up and not isinstance(result, Exception):
                result.close()
            outcome.append(result)
        done.set()

    threading.Thread(target=work, name="open console", daemon=True).start()
    try:
        while not done.wait(deadline.tick):
            deadline.check()
    except BaseException:
        with lock:
            given_up = True
            for late in outcome:
                if not isinstance(late, Exception):
                    late.close()
        raise
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _sleep(seconds: float, deadline: Deadline) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        deadline.check()
        time.sleep(min(left, max(deadline.tick, 0.001)))


class SerialLine:
    """See `devices.drivers.shell.Terminal`.

    A newline that is typed is the Enter key: it is sent as the configuration says. When the connection
    breaks, whoever reads makes it anew, with growing pauses; when it has not stood for
    `ConsoleConfig.reconnect` seconds, reading and typing raise `InfrastructureError`.
    """

    def __init__(self, config: ConsoleConfig, name: str, link: Link, note: Note) -> None:
        self._config, self._name, self._note = config, name, note
        self._end = LINE_ENDS[config.line_end]
        self._typing = threading.Lock()
        self._changed = threading.Condition()
        self._link: Link | None = link
        self._closed = False
        self._failure: InfrastructureError | None = None
        self._reason = ""
        self._up_since = time.monotonic()
        self._outage: float | None = None
        """When the line dropped; None while it stands."""
        self._pause = FIRST_PAUSE
        self._retry_at = 0.0

    # -- reading -------------------------------------------------------------------------------------

    def read(self, seconds: float) -> bytes | None:
        limit = time.monotonic() + seconds
        while not self._closed:
            if self._failure is not None:
                raise self._failure
            link, left = self._link, max(0.0, limit - time.monotonic())
            if link is None:
                self._come_back(min(TICK, left))
            else:
                try:
                    data = link.read(min(TICK, left))
                except LinkDown as exc:
                    self._drop(link, str(exc))
                    continue
                if self._outage is not None:
                    self._settle()
                if data is not None:
                    return data
            if time.monotonic() >= limit:
                return None
        return b""

    def _drop(self, link: Link, reason: str) -> None:
        """Note that a link is gone, whoever found out."""
        with self._changed:
            if self._closed or self._link is not link:
                return
            self._link, self._reason = None, reason
            first = self._outage is None
            if self._outage is None:
                self._outage, self._pause = time.monotonic(), FIRST_PAUSE
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        with contextlib.suppress(OSError):
            link.close()
        if first:
            within = (
                f"; trying for {self._config.reconnect:g} s to get it back" if self._config.reconnect else ""
            )
            self._note(f"the console dropped ({reason}){within}")

    def _come_back(self, seconds: float) -> None:
        """Wait a moment, or connect if it is time for that."""
        outage = self._outage or 0.0
        now = time.monotonic()
        if now - outage >= self._config.reconnect:
            away = f"dropped and stayed away for {now - outage:.0f} s"
            self._failure = InfrastructureError(f"the console at {self._name} {away}: {self._reason}")
            return
        if now < self._retry_at:
            with self._changed:
                self._changed.wait(min(seconds, self._retry_at - now))
            return
        try:
            link = open_link(self._config)
        except LinkDown as exc:
            self._reason = str(exc)
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            return
        with self._changed:
            if not self._closed:
                self._link, self._up_since = link, time.monotonic()
                self._changed.notify_all()
                return
        link.close()

    def _settle(self) -> None:
        """Say that the line is back once it has stood for a while."""
        if self._outage is None or time.monotonic() - self._up_since < STEADY:
            return
        away = self._up_since - self._outage
        self._outage = None
        self._note(f"the console is back after {away:.1f} s; what was printed meanwhile is not recorded")

    # -- typing --------------------------------------------------------------------------------------

    def write(self, data: bytes, deadline: Deadline) -> None:
        with self._typing:
            for piece, pause in self._pieces(data):
                self._send(piece, deadline)
                _sleep(pause, deadline)

    def _pieces(self, data: bytes) -> Iterator[tuple[bytes, float]]:
        """Return what is typed in one go, each with the pause after it."""
        lines = data.replace(b"\r\n", b"\n").splitlines(keepends=True) if self._config.line_delay else [data]
        for line in lines:
            typed = line.replace(b"\r\n", b"\n").replace(b"\n", self._end)
            after = self._config.line_delay if line.endswith((b"\n", b"\r")) else 0.0
            if not self._config.char_delay:
                yield typed, after
                continue
            for index in range(len(typed)):
                last = index == len(typed) - 1
                yield typed[index : index + 1], self._config.char_delay + (after if last else 0.0)

    def _send(self, data: bytes, deadline: Deadline) -> None:
        while data:
            deadline.check()
            if self._closed:
                raise InfrastructureError(f"the console at {self._name} is closed")
            if self._failure is not None:
                raise self._failure
            link = self._link
            if link is None:  # whoever reads is getting it back
                with self._changed:
                    self._changed.wait_for(lambda: self._link is not None or self._closed, deadline.tick)
                continue
            try:
                data = data[link.write(data, deadline.tick) :]
            except LinkDown as exc:
                self._drop(link, str(exc))

    # -- the end -------------------------------------------------------------------------------------

    def close(self) -> None:
        with self._changed:
            self._closed, link, self._link = True, self._link, None
            self._changed.notify_all()
        if link is not None:
            link.close()

    @property
    def ending(self) -> str:
        return self._reason or "it was closed"
