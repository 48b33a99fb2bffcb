"""What runs on one channel of an ssh connection: a terminal, or a command with its streams."""

from __future__ import annotations

import contextlib
import threading
import time

import paramiko
from paramiko.ssh_exception import SSHException

from devices.drivers.shell import Completed
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

OUTPUT_LIMIT = 16 * 1024 * 1024
"""Bytes of output that one command may produce."""


class SshTerminal:
    """A pty channel."""

    def __init__(self, channel: paramiko.Channel, name: str) -> None:
        self._channel, self._name = channel, name
        channel.settimeout(0.2)

    def read(self, seconds: float) -> bytes | None:
        limit = time.monotonic() + seconds
        while True:
            try:
                return self._channel.recv(256 * 1024)
            except TimeoutError:
                if time.monotonic() >= limit:
                    return None
            except (OSError, SSHException):
                return b""

    def write(self, data: bytes, deadline: Deadline) -> None:
        view = memoryview(data)
        while view:
            try:
                sent = self._channel.send(bytes(view[: 32 * 1024]))
            except TimeoutError:
                deadline.check()  # the other side does not read
                continue
            except (OSError, SSHException) as exc:
                raise InfrastructureError(f"a terminal on {self._name} is closed: {self.ending}") from exc
            if sent == 0:
                raise InfrastructureError(f"a terminal on {self._name} is closed: {self.ending}")
            view = view[sent:]

    def close(self) -> None:
        with contextlib.suppress(OSError, SSHException, EOFError):
            self._channel.close()

    @property
    def ending(self) -> str:
        self._channel.status_event.wait(1)
        if (status := self._channel.exit_status) >= 0:
            return f"exit status {status}"
        if not self._channel.get_transport().is_active():
            return f"the ssh connection to {self._name} was lost"
        return "killed by a signal"


def collect(channel: paramiko.Channel, stdin: bytes, name: str, deadline: Deadline) -> Completed | None:
    """Return what a command on a channel said and how it ended; None if the connection was lost meanwhile."""
    errors = bytearray()
    drain = threading.Thread(target=_drain, args=(channel, errors), daemon=True, name="stderr")
    drain.start()
    feed: threading.Thread | None = None
    if stdin:
        feed = threading.Thread(target=_feed, args=(channel, stdin), daemon=True, name="stdin")
        feed.start()
    else:
        with contextlib.suppress(OSError, SSHException, EOFError):
            channel.shutdown_write()
    try:
        output = bytearray()
        while True:
            try:
                data = channel.recv(256 * 1024)
            except TimeoutError:
                deadline.check()
                continue
            if not data:
                break
            output += data
            if len(output) > OUTPUT_LIMIT:
                raise InfrastructureError(f"a command on {name} printed more than {OUTPUT_LIMIT} bytes")
        while not channel.status_event.wait(max(0.01, deadline.tick)):
            deadline.check()
    finally:
        if not channel.status_event.is_set():
            channel.close()
        drain.join(2)
        if feed is not None:
            feed.join(2)
    if channel.exit_status < 0 and not channel.get_transport().is_active():
        return None
    status = channel.exit_status if channel.exit_status >= 0 else None
    return Completed(status=status, stdout=bytes(output), stderr=bytes(errors))


def _drain(channel: paramiko.Channel, into: bytearray) -> None:
    """Read the error stream to its end, keeping its last part: a full window would stop the command."""
    while True:
        try:
            data = channel.recv_stderr(256 * 1024)
        except TimeoutError:
            if channel.closed:
                return
            continue
        except (OSError, SSHException):
            return
        if not data:
            return
        into += data
        if len(into) > OUTPUT_LIMIT:
            del into[: len(into) - OUTPUT_LIMIT // 2]


def _feed(channel: paramiko.Channel, data: bytes) -> None:
    view = memoryview(data)
    while view and not channel.closed:
        try:
            sent = channel.send(bytes(view[: 32 * 1024]))
        except TimeoutError:
            continue
        except (OSError, SSHException):
            return
        if sent == 0:
            return
        view = view[sent:]
    with contextlib.suppress(OSError, SSHException, EOFError):
        channel.shutdown_write()
