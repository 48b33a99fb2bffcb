"""What a host must be able to do for us, whatever the line: run commands, give terminals, take files."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

Progress = Callable[[int], None]
"""Called now and then with the number of bytes transferred so far."""


class ConnectionLost(InfrastructureError):
    """The line to the host broke, or nobody answers on it any more."""


def quote(*words: str) -> str:
    """Return the words as POSIX shell text: the one place where anything is quoted for a shell."""
    return shlex.join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A command that ended on the host. (One whose end is not known raises instead.)"""

    status: int | None
    """Exit status; None: killed by a signal."""
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def text(self) -> str:
        """Standard output as text, without the last newline; bytes that are not UTF-8 are replaced."""
        return self.stdout.decode(errors="replace").removesuffix("\n")

    @property
    def ending(self) -> str:
        """How it ended, in words, with the last of what it said about it."""
        how = "was killed by a signal" if self.status is None else f"ended with exit status {self.status}"
        said = (self.stderr or self.stdout).decode(errors="replace").strip()
        return f"{how}: {said[-500:]}" if said else how

    def expect_ok(self, what: str) -> Completed:
        """Return itself, or raise `InfrastructureError` that begins with `what`."""
        if not self.ok:
            raise InfrastructureError(f"{what}: the command {self.ending}")
        return self


class Terminal(Protocol):
    """A command that runs on a terminal of its own, which dies (SIGHUP) when it is closed."""

    def read(self, seconds: float) -> bytes | None:
        """Return what has arrived, waiting up to `seconds`: None if nothing did, ``b""`` at the end."""

    def write(self, data: bytes, deadline: Deadline) -> None:
        """Type `data`. Raises `InfrastructureError` if the terminal has ended."""

    def close(self) -> None:
        """Hang up. May be called more than once and from any thread."""

    @property
    def ending(self) -> str:
        """In words, how the command ended; only meaningful after `read` returned ``b""``."""


class HostShell(Protocol):
    """A machine on which one may run POSIX shell text. Thread-safe.

    Everything raises `InfrastructureError` when the line to the machine breaks, `DeadlineExceeded` when
    time runs out, and what the deadline's `stop` says.
    """

    @property
    def name(self) -> str:
        """For messages: ``root@board-3:22``."""

    def run(self, script: str, deadline: Deadline, *, stdin: bytes = b"") -> Completed:
        """Run POSIX shell text to its end, whatever the login shell of the user is."""

    def terminal(self, script: str, deadline: Deadline) -> Terminal:
        """Start POSIX shell text on a pseudo terminal."""

    def put(
        self,
        source: BinaryIO,
        path: str,
        deadline: Deadline,
        *,
        mode: int = 0o600,
        progress: Progress | None = None,
    ) -> str:
        """Stream a file to the host: under a temporary name first, renamed when it is complete.

        Returns the hex SHA-256 of what was sent, which was compared with what arrived.
        """

    def read(self, path: str, deadline: Deadline, limit: int = 64 * 1024) -> bytes | None:
        """Return the first `limit` bytes of a file, None if there is none."""

    def close(self) -> None:
        """End all lines to the machine. Terminals die with them."""
