"""Web servers without the second that each would need to import everything.

A process, `tests.support.forking`, has imported it, with the settings of a lab, and forks for each server.
"""

from __future__ import annotations

import atexit
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping

from tests.support.forking import LONGEST, ROOT


class Forks:
    """The process that forks, in an environment. It ends with the process that has made it, if not before."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ended: dict[int, int] = {}
        """Exit statuses by process."""
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forking", str(theirs.fileno())],
                cwd=ROOT,
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        atexit.register(self.close)

    def serve(self, database_url: str, listening: socket.socket, log: int) -> Fork:
        """Start a web server on a socket that listens already; what it says goes to `log`."""
        socket.send_fds(self._control, [database_url.encode()], [listening.fileno(), log])
        while (found := self._answer(120))[0] != "started":
            pass
        return Fork(self, found[1])

    def wait(self, pid: int, timeout: float | None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while pid not in self.ended:
            try:
                self._answer(None if deadline is None else max(0.001, deadline - time.monotonic()))
            except TimeoutError:
                raise subprocess.TimeoutExpired(f"web server {pid}", timeout or 0) from None
        return self.ended[pid]

    def send(self, pid: int, number: signal.Signals) -> None:
        """Signal a server, if it has not ended: the process that forks knows, and nobody else can in time."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it takes its servers along
            self._control.send(f"signal {pid} {int(number)}".encode())

    def close(self) -> None:
        self._control.close()
        self._process.wait(30)

    def _answer(self, timeout: float | None) -> tuple[str, int]:
        self._control.settimeout(timeout)
        said = self._control.recv(LONGEST).decode()
        if not said:
            raise RuntimeError("the process that forks web servers has ended: why, it said on stderr")
        word, pid, status = said.split()
        if word == "ended":
            self.ended[int(pid)] = int(status)
        else:
            self.ended.pop(int(pid), None)  # the number is used again
        return word, int(pid)


class Fork:
    """A server that was forked; to be used as a process of `subprocess`."""

    def __init__(self, forks: Forks, pid: int) -> None:
        self._forks, self.pid = forks, pid

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status. Raises `subprocess.TimeoutExpired`."""
        return self._forks.wait(self.pid, timeout)

    def _send(self, number: signal.Signals) -> None:
        self._forks.send(self.pid, number)
