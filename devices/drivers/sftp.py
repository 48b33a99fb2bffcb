"""Files to and from a host by sftp: streamed, pipelined, under a temporary name, compared, renamed."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import paramiko
from paramiko.ssh_exception import SSHException

from devices.drivers.shell import Progress, quote
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

if TYPE_CHECKING:
    from devices.drivers.ssh import SshHost

CHUNK = 32 * 1024
"""What every sftp server takes in one packet."""
CHECK_ABOVE = 64 * 1024
"""Bytes from which the host is asked for the checksum of what it stored; below, its size must do."""


class Sftp:
    """The sftp sessions of one host: opened when all others are in use, and kept for the next user."""

    def __init__(self, host: SshHost) -> None:
        self._host = host
        self._idle: list[paramiko.SFTPClient] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def _session(self, path: str, deadline: Deadline) -> Iterator[paramiko.SFTPClient]:
        with self._lock:
            client = self._idle.pop() if self._idle else None
        if client is None:
            client = self._open(deadline)
        try:
            yield client
        except BaseException as exc:
            channel = client.get_channel()
            alive = channel is not None and channel.get_transport().is_active()
            with contextlib.suppress(OSError, SSHException, EOFError):
                client.close()
            if not isinstance(exc, OSError | SSHException | EOFError):
                raise
            deadline.check()
            if not alive:
                raise self._host.lost() from exc
            reason = _reason(self._host, path, exc)
            raise InfrastructureError(f"{path} on {self._host.name} could not be used: {reason}") from exc
        with self._lock:
            self._idle.append(client)

    def _open(self, deadline: Deadline) -> paramiko.SFTPClient:
        channel = self._host.session(deadline)
        try:
            channel.invoke_subsystem("sftp")
            return paramiko.SFTPClient(channel)
        except (SSHException, EOFError, OSError) as exc:
            alive = channel.get_transport().is_active()
            channel.close()
            if not alive:
                raise self._host.lost() from exc
            raise InfrastructureError(
                f"sftp does not work on {self._host.name} ({str(exc) or type(exc).__name__}); its sshd_config"
                ' needs a line like "Subsystem sftp internal-sftp"'
            ) from exc

    def put(
        self, source: BinaryIO, path: str, deadline: Deadline, *, mode: int, progress: Progress | None
    ) -> str:
        """See `devices.drivers.shell.HostShell.put`."""
        temporary = f"{path}.{secrets.token_hex(6)}.part"
        with self._session(path, deadline) as client:
            try:
                digest, size = _stream(client, source, temporary, deadline, progress)
                stored = client.stat(temporary).st_size
                if stored != size:
                    raise InfrastructureError(f"{self._host.name} stored {stored} of {size} bytes of {path}")
                if size > CHECK_ABOVE:
                    _compare(self._host, temporary, digest, deadline)
                client.chmod(temporary, mode)
                client.posix_rename(temporary, path)
            except BaseException:
                with contextlib.suppress(OSError, SSHException, EOFError):
                    client.remove(temporary)
                raise
        return digest

    def read(self, path: str, deadline: Deadline, limit: int) -> bytes | None:
        """See `devices.drivers.shell.HostShell.read`."""
        with self._session(path, deadline) as client:
            try:
                with client.open(path, "rb") as remote:
                    return remote.read(limit)
            except FileNotFoundError:
                return None

    def close(self) -> None:
        with self._lock:
            for client in self._idle:
                with contextlib.suppress(OSError, SSHException, EOFError):
                    client.close()
            self._idle.clear()


def _stream(
    client: paramiko.SFTPClient,
    source: BinaryIO,
    temporary: str,
    deadline: Deadline,
    progress: Progress | None,
) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with client.open(temporary, "wb") as remote:
        remote.set_pipelined(True)  # without: one round trip per packet, 0.7 MB/s
        while data := source.read(CHUNK):
            deadline.check()
            remote.write(data)
            digest.update(data)
            size += len(data)
            if progress is not None and size % (32 * CHUNK) < len(data):
                progress(size)
    if progress is not None:
        progress(size)
    return digest.hexdigest(), size


def _compare(host: SshHost, temporary: str, digest: str, deadline: Deadline) -> None:
    done = host.run(f"sha256sum < {quote(temporary)}", deadline)
    if done.ok and not done.text.startswith(digest):
        raise InfrastructureError(
            f"what {host.name} stored in {temporary} is not what was sent (SHA-256 {done.text[:16]}…,"
            f" expected {digest[:16]}…): is its disk sound?"
        )


def _reason(host: SshHost, path: str, exc: Exception) -> str:
    """Return why storing failed; sftp has no word for a full disk."""
    folder = path.rsplit("/", 1)[0] or "/"
    with contextlib.suppress(InfrastructureError):
        done = host.run(f"df -Pk {quote(folder)} | tail -n 1", Deadline.after(10, "df"))
        words = done.text.split()
        if done.ok and len(words) >= 4 and words[3].isdigit() and int(words[3]) < 1024:
            return f"its disk is full ({words[3]} KiB free in {folder})"
    return str(exc) or type(exc).__name__
