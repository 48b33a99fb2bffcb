"""Debian's ser2net, serving a terminal on a free port: the console server that many labs have."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

SER2NET = "/usr/sbin/ser2net"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Ser2net:
    """A server for one device; may be stopped and started again on the same port."""

    def __init__(self, folder: Path, accepter: str, device: str) -> None:
        self._folder, self._accepter, self._device = folder, accepter, device
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        for _ in range(5):  # somebody else may take the port first
            self.port = free_port()
            if self.start():
                return
        raise RuntimeError("ser2net does not start")

    def start(self) -> bool:
        """Return whether it listens."""
        config = self._folder / "ser2net.yaml"
        config.write_text(
            "%YAML 1.1\n---\nconnection: &board\n"
            f"  accepter: {self._accepter},127.0.0.1,{self.port}\n"
            f"  connector: serialdev,{self._device},115200n81,local\n"
        )
        self._process = subprocess.Popen(
            [SER2NET, "-n", "-u", "-c", str(config), "-P", str(self._folder / "ser2net.pid")],
            stdin=subprocess.PIPE,  # it aborts where this is /dev/null
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        limit = time.monotonic() + 20
        while self._process.poll() is None and time.monotonic() < limit:
            if self._listens():
                return True
            time.sleep(0.02)
        self.stop()
        return False

    def _listens(self) -> bool:
        """Look into the kernel's table: a connection to try would be one that opens the device."""
        wanted = f"0100007F:{self.port:04X} 00000000:0000 0A"
        return wanted in Path("/proc/net/tcp").read_text()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None
