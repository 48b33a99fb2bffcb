"""Copying a file to a host by sftp: streamed, pipelined, under a temporary name, compared, renamed."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
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


def upload(
    host: SshHost,
    channel: paramiko.Channel,
    source: BinaryIO,
    path: str,
    deadline: Deadline,
    *,
    mode: int,
    progress: Progress | None,
) -> str:
    """See `devices.drivers.shell.HostShell.put`; `channel` is a fresh session, closed at the end."""
    temporary = f"{path}.{secrets.token_hex(6)}.part"
    client = _client(host, channel)
    try:
        try:
            digest, size = _stream(client, source, temporary, deadline, progress)
            stored = client.stat(temporary).st_size
            if stored != size:
                raise InfrastructureError(f"{host.name} stored {stored} of {size} bytes of {path}")
            if size > CHECK_ABOVE:
                _compare(host, temporary, digest, deadline)
            client.chmod(temporary, mode)
            client.posix_rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError, SSHException, EOFError):
                client.remove(temporary)
            raise
    except (OSError, SSHException, EOFError) as exc:
        if not channel.get_transport().is_active():
            raise host.lost() from exc
        raise InfrastructureError(f"{host.name} could not store {path}: {_reason(host, path, exc)}") from exc
    finally:
        with contextlib.suppress(OSError, SSHException, EOFError):
            client.close()
    return digest


def _client(host: SshHost, channel: paramiko.Channel) -> paramiko.SFTPClient:
    try:
        channel.invoke_subsystem("sftp")
        return paramiko.SFTPClient(channel)
    except (SSHException, EOFError, OSError) as exc:
        channel.close()
        if not channel.get_transport().is_active():
            raise host.lost() from exc
        raise InfrastructureError(
            f"sftp does not work on {host.name} ({str(exc) or type(exc).__name__}); its sshd_config needs"
            ' a line like "Subsystem sftp internal-sftp"'
        ) from exc


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
