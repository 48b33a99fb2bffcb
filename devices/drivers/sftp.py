"""Files to and from a host: under a temporary name, compared, renamed. Small ones and their names by sftp."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import paramiko
from paramiko.ssh_exception import SSHException

from devices.drivers import upload
from devices.drivers.shell import Progress, quote
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

if TYPE_CHECKING:
    from devices.drivers.ssh import SshHost

SMALL = 64 * 1024
"""Bytes up to which a file goes by sftp, and its size must do as a proof of what was stored. What is larger
goes by a command's standard input, and the host is asked for its checksum."""


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
        head = _head(source)
        with self._session(path, deadline) as client:
            try:
                if len(head) > SMALL:
                    digest = upload.stream(self._host, head, source, temporary, deadline, progress)
                else:
                    digest = self._store(client, head, temporary, deadline)
                    if progress is not None:
                        progress(len(head))
                client.chmod(temporary, mode)
                client.posix_rename(temporary, path)
            except BaseException:
                with contextlib.suppress(OSError, SSHException, EOFError):
                    client.remove(temporary)
                raise
        return digest

    def _store(self, client: paramiko.SFTPClient, content: bytes, temporary: str, deadline: Deadline) -> str:
        deadline.check()
        with client.open(temporary, "wb") as remote:
            remote.set_pipelined(True)  # without: one round trip per packet
            remote.write(content)
        stored = client.stat(temporary).st_size
        if stored != len(content):
            raise InfrastructureError(
                f"{self._host.name} stored {stored} of {len(content)} bytes of {temporary}"
            )
        return hashlib.sha256(content).hexdigest()

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


def _head(source: BinaryIO) -> bytes:
    """Return the beginning of a file, or all of it if it is small."""
    head = b""
    while len(head) <= SMALL and (data := source.read(SMALL + 1 - len(head))):
        head += data
    return head


def _reason(host: SshHost, path: str, exc: Exception) -> str:
    """Return why storing failed; sftp has no word for a full disk."""
    folder = path.rsplit("/", 1)[0] or "/"
    with contextlib.suppress(InfrastructureError):
        done = host.run(f"df -Pk {quote(folder)} | tail -n 1", Deadline.after(host.config.patience, "df"))
        words = done.text.split()
        if done.ok and len(words) >= 4 and words[3].isdigit() and int(words[3]) < 1024:
            return f"its disk is full ({words[3]} KiB free in {folder})"
    return str(exc) or type(exc).__name__
