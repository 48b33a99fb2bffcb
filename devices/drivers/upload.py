"""Large files to a host by ssh: through the standard input of a command, which then says what was stored.

Measured against sftp: with paramiko, which builds and encrypts each of sftp's small packets in Python, this
is several times as fast. The host's own digest of the stored file is the proof of what arrived, and that of
openssl, which uses the processor's instructions for it, takes a quarter of the time that sha256sum takes.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, BinaryIO

import paramiko
from paramiko.ssh_exception import SSHException

from devices.drivers.shell import Progress, quote
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

if TYPE_CHECKING:
    from devices.drivers.ssh import SshHost

PACKETS = 8
"""Packets that are read at once."""
TOLD_EVERY = 1024 * 1024
"""Bytes after which progress is told."""
STORE = """umask 077; cat > {path} || exit
openssl dgst -sha256 -r < {path} 2>/dev/null || sha256sum < {path} 2>/dev/null || echo unknown
wc -c < {path}
"""


class Refused(OSError):
    """The host does not store it."""


def stream(
    host: SshHost,
    head: bytes,
    source: BinaryIO,
    temporary: str,
    deadline: Deadline,
    progress: Progress | None,
) -> str:
    """Store `head` and the rest of `source`; returns the hex SHA-256 of it, which is that of what was stored.

    Raises `Refused` with what the host says about it, and `InfrastructureError` else.
    """
    channel = host.session(deadline)
    try:
        channel.settimeout(0.2)
        host.execute(channel, STORE.format(path=quote(temporary)))
        digest, size = _feed(channel, head, source, deadline, progress)
        said = _answer(host, channel, deadline).split()
    except (SSHException, EOFError, OSError) as exc:
        deadline.check()
        if isinstance(exc, Refused):
            raise
        raise host.lost() from exc
    finally:
        with contextlib.suppress(OSError, SSHException, EOFError):
            channel.close()
    stored, length = said[0], said[-1]
    if length != str(size):
        raise InfrastructureError(f"{host.name} stored {length} of {size} bytes in {temporary}")
    if stored not in (digest, "unknown"):
        raise InfrastructureError(
            f"what {host.name} stored in {temporary} is not what was sent (SHA-256 {stored[:16]}…,"
            f" expected {digest[:16]}…): is its disk sound?"
        )
    return digest


def _feed(
    channel: paramiko.Channel, head: bytes, source: BinaryIO, deadline: Deadline, progress: Progress | None
) -> tuple[str, int]:
    """Send everything, then the end of it; returns digest and size. Stops early when nobody reads on."""
    digest, size, told = hashlib.sha256(), 0, 0
    packet = max(1024, channel.out_max_packet_size - 64)  # what paramiko puts into one
    piece = head
    while piece:
        deadline.check()
        digest.update(piece)
        at = 0
        while at < len(piece):
            try:
                sent = channel.send(piece[at : at + packet])
            except TimeoutError:
                deadline.check()  # the other side does not read
                continue
            except OSError:
                sent = 0
            if sent == 0:
                return "", -1  # what it says about that comes with its answer
            at += sent
        size += len(piece)
        if progress is not None and size - told >= TOLD_EVERY:
            progress(size)
            told = size
        piece = source.read(PACKETS * packet)
    channel.shutdown_write()
    if progress is not None:
        progress(size)
    return digest.hexdigest(), size


def _answer(host: SshHost, channel: paramiko.Channel, deadline: Deadline) -> str:
    """Return what the command on the host printed; its few words fit into any window."""
    output = bytearray()
    while True:
        try:
            data = channel.recv(4096)
        except TimeoutError:
            deadline.check()
            continue
        if not data:
            break
        output += data
    while not channel.status_event.wait(max(0.01, deadline.tick)):
        deadline.check()
    if channel.exit_status != 0:
        if channel.exit_status < 0 and not channel.get_transport().is_active():
            raise host.lost()
        errors = channel.recv_stderr(4096) if channel.recv_stderr_ready() else b""
        # "cat: write error: No space left on device", "sh: 1: cannot create …: Permission denied"
        raise Refused(errors.decode(errors="replace").strip().rsplit(": ", 1)[-1] or "it gave no reason")
    return output.decode(errors="replace")
