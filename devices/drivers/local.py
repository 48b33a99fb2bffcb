"""The worker's own machine as a host: the double of `devices.drivers.ssh` for tests, and as real as it.

Commands run, terminals are pseudo terminals, files are copied; only the line in between is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pty
import select
import signal
import subprocess
import termios
import threading
from pathlib import Path
from typing import BinaryIO

from devices.drivers.shell import Completed, ConnectionLost, Progress
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError


class LocalHost:
    """See `devices.drivers.shell.HostShell`."""

    def __init__(self) -> None:
        self._terminals: list[LocalTerminal] = []
        self._closed = False

    @property
    def name(self) -> str:
        return "this machine"

    def _check(self) -> None:
        if self._closed:
            raise ConnectionLost(f"the connection to {self.name} was lost")

    def run(self, script: str, deadline: Deadline, *, stdin: bytes = b"") -> Completed:
        self._check()
        deadline.check()
        with subprocess.Popen(
            ["sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                pending: bytes | None = stdin
                while True:
                    try:
                        output, errors = process.communicate(pending, timeout=max(0.01, deadline.tick))
                        break
                    except subprocess.TimeoutExpired:
                        pending = None
                        deadline.check()
            finally:
                if process.poll() is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.communicate()
        status = process.returncode if process.returncode >= 0 else None
        return Completed(status=status, stdout=output, stderr=errors)

    def terminal(self, script: str, deadline: Deadline) -> LocalTerminal:
        self._check()
        deadline.check()
        terminal = LocalTerminal(script)
        self._terminals.append(terminal)
        return terminal

    def put(
        self,
        source: BinaryIO,
        path: str,
        deadline: Deadline,
        *,
        mode: int = 0o600,
        progress: Progress | None = None,
    ) -> str:
        self._check()
        temporary = Path(f"{path}.part")
        digest, size = hashlib.sha256(), 0
        try:
            with temporary.open("wb") as target:
                while data := source.read(32 * 1024):
                    deadline.check()
                    target.write(data)
                    digest.update(data)
                    size += len(data)
                    if progress is not None:
                        progress(size)
            if progress is not None:
                progress(size)
            temporary.chmod(mode)
            temporary.replace(path)
        except OSError as exc:
            raise InfrastructureError(f"{path} on {self.name} could not be used: {exc.strerror}") from exc
        finally:
            temporary.unlink(missing_ok=True)
        return digest.hexdigest()

    def read(self, path: str, deadline: Deadline, limit: int = 64 * 1024) -> bytes | None:
        self._check()
        try:
            with Path(path).open("rb") as source:
                return source.read(limit)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        self._closed = True
        for terminal in self._terminals:
            terminal.close()


class LocalTerminal:
    """See `devices.drivers.shell.Terminal`."""

    def __init__(self, script: str) -> None:
        self._master, slave = pty.openpty()
        os.set_blocking(self._master, False)
        self._process = subprocess.Popen(
            ["sh", "-c", script],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self._lock = threading.Lock()
        self._open = True

    def read(self, seconds: float) -> bytes | None:
        with contextlib.suppress(OSError, ValueError):
            if not select.select([self._master], [], [], seconds)[0]:
                return None if self._open else b""
            with self._lock:
                return os.read(self._master, 256 * 1024) if self._open else b""
        return b""

    def write(self, data: bytes, deadline: Deadline) -> None:
        view = memoryview(data)
        while view:
            try:
                with self._lock:
                    if not self._open:
                        raise InfrastructureError("the terminal is closed")
                    view = view[os.write(self._master, view[:4096]) :]
            except BlockingIOError:
                deadline.check()
                select.select([], [self._master], [], max(0.01, deadline.tick))
            except OSError as exc:
                raise InfrastructureError(f"the terminal is closed: {self.ending}") from exc

    def close(self) -> None:
        with self._lock:
            if not self._open:
                return
            self._open = False
            os.close(self._master)
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @property
    def ending(self) -> str:
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "it is still running"
        return f"exit status {status}" if status >= 0 else "killed by a signal"
