"""Bringing the test overlay to a node: the means are described in docs/decisions.

A VM that we start gets it as a read-only drive that holds a tar: one command unpacks it, in a tenth of a
second. Where that does not work (another hypervisor, no virtio driver, no device files) the same tar is typed
into the console as text, which needs nothing but a shell, ``gzip``, ``tar`` and ``base64``.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import secrets
import tarfile
from collections.abc import Sequence
from typing import Protocol

from devices.drivers.expect import Console
from devices.drivers.shell import HostShell, quote
from jobs.execution.boot import run_command
from jobs.execution.vms import OVERLAY_SERIAL
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault

LINE = 900
"""Characters of a typed line: busybox cuts at 1023, a tty's line discipline at 4095."""
MARK = ".labbook"


class FileLike(Protocol):
    """A file of an overlay."""

    @property
    def path(self) -> str: ...
    @property
    def mode(self) -> int: ...
    @property
    def content(self) -> bytes: ...


def pack(files: Sequence[FileLike], stamp: str) -> bytes:
    """Return a tar of `files`, whose paths are relative, with a file `MARK` that says `stamp` at its end."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as tar:
        folders: set[str] = set()
        for file in files:
            parts = file.path.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                folder = "/".join(parts[:depth])
                if folder not in folders:
                    folders.add(folder)
                    info = tarfile.TarInfo(folder)
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(info)
            _add(tar, file.path, file.mode, file.content)
        _add(tar, MARK, 0o644, f"{stamp}\n".encode())
    return target.getvalue()


def _add(tar: tarfile.TarFile, path: str, mode: int, content: bytes) -> None:
    info = tarfile.TarInfo(path)
    info.mode, info.size = mode, len(content)
    tar.addfile(info, io.BytesIO(content))


def new_stamp() -> str:
    return secrets.token_hex(8)


def to_host(shell: HostShell, tar: bytes, archive: str, folder: str, deadline: Deadline) -> None:
    """Unpack the tar on the host."""
    shell.put(io.BytesIO(tar), archive, deadline)
    shell.run(
        f"set -e; umask 022; mkdir -p {quote(folder)}; cd {quote(folder)}; tar xf {quote(archive)};"
        f" rm -f {quote(archive)}",
        deadline,
    ).expect_ok(f"the test overlay could not be unpacked on {shell.name}")


def to_console(
    console: Console, tar: bytes, folder: str, stamp: str, deadline: Deadline, *, drive: bool
) -> str:
    """Unpack the tar into `folder` on the node at this console; returns in words which way it went.

    Raises `DefinitionFault` when the node can take it in no way.
    """
    if drive and _from_drive(console, folder, stamp, deadline):
        return "read from a drive"
    _paste(console, tar, folder, stamp, deadline)
    return "typed into the console"


def _from_drive(console: Console, folder: str, stamp: str, deadline: Deadline) -> bool:
    where = quote(folder)
    command = (
        f'for d in /sys/block/*; do if [ "$(cat $d/serial 2>/dev/null)" = {OVERLAY_SERIAL} ]; then'
        f" mkdir -p {where} && tar xf /dev/${{d##*/}} -C {where}; fi; done;"
        f' [ "$(cat {where}/{MARK} 2>/dev/null)" = {stamp} ]'
    )
    status, _ = run_command(console, command, deadline)
    return status == 0


def _paste(console: Console, tar: bytes, folder: str, stamp: str, deadline: Deadline) -> None:
    """Type the tar, packed and as base64, and have it unpacked; gzip's own checksum and SHA-256 prove it."""
    where = quote(folder)
    missing = 'm=; for t in tar gzip base64; do command -v $t >/dev/null 2>&1 || m="$m $t"; done; [ -z "$m" ]'
    status, _ = run_command(console, missing, deadline)
    if status:
        raise DefinitionFault(
            f"the tests cannot be brought to {console.name}: it cannot read the drive with them, and typing"
            " them into its console needs tar, gzip and base64, which are not all there"
        )
    packed = gzip.compress(tar, 9, mtime=0)
    text = base64.b64encode(packed)
    lines = [text[at : at + LINE] for at in range(0, len(text), LINE)]
    for _ in range(2):
        status, _ = run_command(
            console, f"mkdir -p {where} && cd {where} && stty -echo 2>/dev/null; :", deadline
        )
        console.line("cat >.labbook.b64", deadline)
        console.send(b"\n".join(lines) + b"\n\x04", deadline)
        digest = hashlib.sha256(packed).hexdigest()
        check = (
            "stty echo 2>/dev/null; base64 -d .labbook.b64 >.labbook.gz; "
            f'{{ s=$(sha256sum .labbook.gz 2>/dev/null); [ -z "$s" ] || [ "${{s%% *}}" = {digest} ]; }}'
            " && gzip -dc .labbook.gz >.labbook.tar && tar xf .labbook.tar &&"
            f' rm -f .labbook.b64 .labbook.gz .labbook.tar && [ "$(cat {MARK})" = {stamp} ]'
        )
        status, _ = run_command(console, check, deadline)
        if status == 0:
            return
    raise DefinitionFault(
        f"the tests could not be brought to {console.name}: what was typed into its console did not arrive"
        f" unharmed in {folder}, twice (is there room to write?){console.last_words(4)}"
    )
