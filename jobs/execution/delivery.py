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
from collections.abc import Mapping, Sequence

from devices.drivers.expect import Console
from devices.drivers.shell import HostShell, quote
from jobs.domain.overlay import OverlayFile
from jobs.execution.boot import run_command
from jobs.execution.vms import OVERLAY_SERIAL
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault

LINE = 900
"""Characters of a typed line: busybox cuts at 1023, a tty's line discipline at 4095."""
MARK = ".labbook"
SHARED = 64 * 1024
"""Bytes from which equal files of several trees become one file with several names."""


def pack(folders: Mapping[str, Sequence[OverlayFile]], stamp: str) -> bytes:
    """Return a tar of the trees, each below its folder; the first gets a file `MARK` that says `stamp`.

    Each test definition has its repository's files for itself. The large ones (programs, archives) are there
    once, by hard links: thirty definitions of one repository do not need thirty times its room.
    """
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as tar:
        made: set[str] = set()
        first: dict[tuple[bytes, int], str] = {}
        for top, files in folders.items():
            for file in files:
                path = f"{top}/{file.path}"
                for folder in _parents(path):
                    if folder not in made:
                        made.add(folder)
                        info = tarfile.TarInfo(folder)
                        info.type, info.mode = tarfile.DIRTYPE, 0o755
                        tar.addfile(info)
                known = first.setdefault((file.content, file.mode), path) if _large(file) else path
                if known != path:
                    _link(tar, path, file.mode, known)
                else:
                    _add(tar, path, file.mode, file.content)
        _add(tar, f"{next(iter(folders))}/{MARK}", 0o644, f"{stamp}\n".encode())
    return target.getvalue()


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _add(tar: tarfile.TarFile, path: str, mode: int, content: bytes) -> None:
    info = tarfile.TarInfo(path)
    info.mode, info.size = mode, len(content)
    tar.addfile(info, io.BytesIO(content))


def _large(file: OverlayFile) -> bool:
    return len(file.content) >= SHARED


def _link(tar: tarfile.TarFile, path: str, mode: int, target: str) -> None:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.linkname = tarfile.LNKTYPE, mode, target
    tar.addfile(info)


def new_stamp() -> str:
    return secrets.token_hex(8)


def to_host(shell: HostShell, tar: bytes, folder: str, deadline: Deadline) -> None:
    """Unpack the tar into `folder` on the host."""
    script = f"umask 022; mkdir -p {quote(folder)} && cd {quote(folder)} && exec tar xf -"
    shell.run(script, deadline, stdin=tar).expect_ok(
        f"the test overlay could not be unpacked on {shell.name}"
    )


class ToConsole:
    """Unpacks a tar on the node at a console, and runs the script `after` of its first tree.

    `drive`: the name under which Linux should have the drive with the tar; empty if there is none.
    """

    def __init__(
        self,
        console: Console,
        tar: bytes,
        first: str,
        stamp: str,
        roots: Sequence[str],
        after: str,
        *,
        drive: str = "",
    ) -> None:
        self._console, self._tar, self._stamp, self._drive = console, tar, stamp, drive
        self._first, self._roots = f"${{labbook_root}}{first}", [root.rstrip("/") + "/" for root in roots]
        # The shell's own `read`, not `cat`: under emulation each process costs some ten milliseconds.
        self._arrived = f'{{ read -r m <"{self._first}/{MARK}"; }} 2>/dev/null && [ "$m" = {stamp} ]'
        self._after = f'(. "{self._first}/{after}")'
        self._simple = f"{quote(self._roots[0] + first)}/{after}"
        self.root = '"${labbook_root}"'
        """The folder, with a slash at its end, in which the trees lie then: as one types it at this shell."""

    def run(self, deadline: Deadline) -> str:
        """Do it; returns in words which way it went.

        Raises `DefinitionFault` when the node can take it in no way.
        """
        if self._drive and self._read_at_once(deadline):
            return "read from a drive"
        return self._search(deadline)

    def _read_at_once(self, deadline: Deadline) -> bool:
        """Unpack the drive to the first of the roots, if it is there under that name; returns whether.

        A line as short as it can be: on a VM that is emulated twice over each character takes milliseconds.
        """
        root, drive = quote(self._roots[0]), self._drive
        line = (
            f"read s </sys/block/{drive}/serial;[ $s = {OVERLAY_SERIAL} ]"
            f"&&tar xf /dev/{drive} -C {root} 2>/dev/null&&(. {self._simple})"
        )
        if run_command(self._console, line, deadline)[0]:
            return False
        self.root = root
        return True

    def _search(self, deadline: Deadline) -> str:
        """Look for a root that can be written to, and for the drive wherever it is; else type the tar.

        Afterwards the shell has the variable ``labbook_root``.
        """
        tries = " ".join(quote(root) for root in self._roots)
        choose = (
            f'for labbook_root in {tries}; do mkdir -p "{self._first}" 2>/dev/null;'
            f' [ -w "{self._first}" ] && break; done; if [ ! -w "{self._first}" ]; then (exit 3);'
        )
        read = (
            " elif for d in /sys/block/*; do s=; { read -r s <$d/serial; } 2>/dev/null;"
            f' [ "$s" != {OVERLAY_SERIAL} ] || tar xf /dev/${{d##*/}} -C "$labbook_root"; done;'
            f" {self._arrived}; then {self._after};"
        )
        drive = bool(self._drive)
        # All in one line: a round trip through an emulated console costs more than the work.
        status, _ = run_command(self._console, f"{choose}{read if drive else ''} else (exit 4); fi", deadline)
        if status == 3:
            raise DefinitionFault(
                f"the tests cannot be brought to {self._console.name}: none of {', '.join(self._roots)} can"
                " be written to; give a folder that can in lava_test_dir"
            )
        if drive and status == 0:
            return "read from a drive"
        self._paste(deadline)
        return "typed into the console"

    def _paste(self, deadline: Deadline) -> None:
        """Type the tar, packed, as base64, and have it unpacked; gzip's own checksum and SHA-256 prove it."""
        console = self._console
        missing = 'm=; for t in tar gzip base64; do command -v $t >/dev/null 2>&1 || m=1; done; [ -z "$m" ]'
        if run_command(console, missing, deadline)[0]:
            raise DefinitionFault(
                f"the tests cannot be brought to {console.name}: it cannot read the drive with them, and"
                " typing them into its console needs tar, gzip and base64, which are not all there"
            )
        packed = gzip.compress(self._tar, 9, mtime=0)
        text = base64.b64encode(packed)
        lines = b"\n".join(text[at : at + LINE] for at in range(0, len(text), LINE))
        file = f'"{self._first}/{MARK}'
        check = (
            f'stty echo 2>/dev/null; base64 -d <{file}.b64" >{file}.gz";'
            f' s=$(sha256sum <{file}.gz" 2>/dev/null);'
            f' {{ [ -z "$s" ] || [ "${{s%% *}}" = {hashlib.sha256(packed).hexdigest()} ]; }}'
            f' && gzip -dc <{file}.gz" >{file}.tar" && tar xf {file}.tar" -C "$labbook_root"'
            f' && rm -f {file}.b64" {file}.gz" {file}.tar" && {self._arrived} && {self._after}'
        )
        for _ in range(2):
            run_command(console, "stty -echo 2>/dev/null", deadline)
            console.line(f'cat >{file}.b64"', deadline)
            console.send(lines + b"\n\x04", deadline)
            if run_command(console, check, deadline)[0] == 0:
                return
        raise DefinitionFault(
            f"the tests could not be brought to {console.name}: what was typed into its console did not"
            f" arrive unharmed, twice (is there room to write?){console.last_words(4)}"
        )
