"""Serial consoles for tests, seen from the board's side, behind each way to reach one."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import socket
import sys
import threading
import tty
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from devices.domain.config import ConsoleConfig
from lab.kernel.deadline import Deadline
from tests.support.ser2net import Ser2net

ATTACH = """
import os, select, socket, sys
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    for ready in select.select([0, line], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else line.recv(65536)
        if not data:
            sys.exit(f"attach: {'the terminal' if ready == 0 else 'the server'} is gone")
        line.sendall(data) if ready == 0 else os.write(1, data)
"""
"""A program that attaches its terminal to a TCP port, as conserver's ``console`` and others do."""


class Board(Protocol):
    """The other end of a console."""

    config: ConsoleConfig

    @property
    def connected(self) -> bool:
        """Whether what it prints now goes anywhere."""

    def print(self, data: bytes) -> None:
        """Print, however long it takes until somebody has read it."""

    def typed(self, size: int) -> bytes:
        """Return so many bytes that were typed; fewer if no more come for a while."""

    def cut(self) -> None:
        """Break the line, and keep it from being made anew."""

    def mend(self) -> None:
        """Let it be made anew."""

    def close(self) -> None: ...


class Ends:
    """A descriptor that the test's side of a line reads and writes."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def print(self, data: bytes) -> None:
        limit, view = Deadline.after(60, "what the board prints"), memoryview(data)
        while view:
            limit.check()
            if select.select([], [self.fd], [], 0.2)[1]:
                with contextlib.suppress(BlockingIOError):
                    view = view[os.write(self.fd, view[:4096]) :]

    def typed(self, size: int) -> bytes:
        data = b""
        while len(data) < size and select.select([self.fd], [], [], 5)[0]:
            data += os.read(self.fd, size - len(data))
        return data


class DeviceBoard:
    """Behind a serial device, which may be unplugged: a name that leads to a pseudo terminal."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ttyUSB0"
        self.config = ConsoleConfig(url=str(self.path))
        self._master = -1
        self.mend()

    @property
    def connected(self) -> bool:
        return self._master >= 0

    def print(self, data: bytes) -> None:
        Ends(self._master).print(data)

    def typed(self, size: int) -> bytes:
        return Ends(self._master).typed(size)

    def cut(self) -> None:
        self.path.unlink()
        os.close(self._slave)
        os.close(self._master)
        self._master = -1

    def mend(self) -> None:
        self._master, self._slave = pty.openpty()
        os.set_blocking(self._master, False)
        tty.setraw(self._slave)
        self.path.symlink_to(os.ttyname(self._slave))

    def close(self) -> None:
        if self._master >= 0:
            self.cut()


class TcpBoard:
    """Behind a TCP port that takes one client at a time, as QEMU's serial line does."""

    def __init__(self, folder: Path) -> None:
        self._port = 0
        self._client: socket.socket | None = None
        self._listener: socket.socket | None = None
        self._come = threading.Condition()
        self.mend()
        self.config = ConsoleConfig(url=f"socket://127.0.0.1:{self.port}")

    @property
    def port(self) -> int:
        return self._port

    @property
    def connected(self) -> bool:
        return self._client is not None

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setblocking(False)
            with self._come:
                before, self._client = self._client, client
                self._come.notify_all()
            if before is not None:
                before.close()

    def _ends(self) -> Ends:
        with self._come:
            assert self._come.wait_for(lambda: self._client is not None, 30), "nobody connects"
            assert self._client is not None
            return Ends(self._client.fileno())

    def print(self, data: bytes) -> None:
        self._ends().print(data)

    def typed(self, size: int) -> bytes:
        return self._ends().typed(size)

    def hang_up(self) -> None:
        """Break the line; it may be made anew at once."""
        self._ends()
        assert self._client is not None
        client, self._client = self._client, None
        client.close()

    def cut(self) -> None:
        assert self._listener is not None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._server.join(10)
        self._listener = None
        if self._client is not None:
            self.hang_up()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = int(self._listener.getsockname()[1])
        self._server = threading.Thread(target=self._serve, args=(self._listener,), daemon=True)
        self._server.start()

    def close(self) -> None:
        if self._listener is not None:
            self.cut()


class ProgramBoard(TcpBoard):
    """Behind a program that attaches."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.config = ConsoleConfig(command=(sys.executable, "-S", "-E", "-c", ATTACH, str(self.port)))


class Ser2netBoard(DeviceBoard):
    """Behind ser2net and its RFC 2217."""

    accepter, scheme = "telnet(rfc2217),tcp", "rfc2217"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = Ser2net(folder, self.accepter, str(self.path))
        self.config = ConsoleConfig(url=f"{self.scheme}://127.0.0.1:{self._server.port}")

    def cut(self) -> None:
        self._server.stop()

    def mend(self) -> None:
        if self._master < 0:
            super().mend()
        else:
            assert self._server.start()

    def close(self) -> None:
        self._server.stop()
        super().cut()


class Ser2netTcpBoard(Ser2netBoard):
    """Behind ser2net's plain TCP."""

    accepter, scheme = "tcp", "socket"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)


BOARDS: dict[str, type[DeviceBoard] | type[TcpBoard]] = {
    "device": DeviceBoard,
    "tcp": TcpBoard,
    "program": ProgramBoard,
    "ser2net-rfc2217": Ser2netBoard,
    "ser2net-tcp": Ser2netTcpBoard,
}


def configured(board: Board, **changed: object) -> ConsoleConfig:
    return replace(board.config, **changed)  # type: ignore[arg-type]  # keys of the configuration
