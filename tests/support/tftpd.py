"""A TFTP server for tests: Debian's atftpd, as an ordinary user on a free port."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ATFTPD = "/usr/sbin/atftpd"


@contextmanager
def tftpd(root: Path) -> Iterator[int]:
    """Serve a folder on loopback; gives the port."""
    user = pwd.getpwuid(os.getuid()).pw_name
    for _ in range(5):  # somebody else may take the port first
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        process = subprocess.Popen(
            [
                *(ATFTPD, "--daemon", "--no-fork", "--user", user, "--port", str(port)),
                *("--bind-address", "127.0.0.1", "--logfile", "-", str(root)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if _listens(process, port):
                yield port
                return
        finally:
            process.terminate()
            process.wait(10)
    raise RuntimeError("atftpd does not start")


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Ask for a file that is not there until the server says so."""
    limit = time.monotonic() + 20
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        while process.poll() is None and time.monotonic() < limit:
            client.sendto(b"\0\1no such file\0octet\0", ("127.0.0.1", port))
            try:
                client.recv(600)
                return True
            except (TimeoutError, ConnectionRefusedError):
                continue
    return False


def fetch(port: int, path: str) -> bytes:
    """Fetch a file as a boot loader does. Raises `CalledProcessError` if there is none."""
    url = f"tftp://127.0.0.1:{port}/{path}"
    command = ["curl", "--silent", "--show-error", "--max-time", "30", "--tftp-blksize", "1468", url]
    return subprocess.run(command, check=True, capture_output=True).stdout
