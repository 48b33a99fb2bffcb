"""A Debian root file system of another architecture, put together without root and without running it.

Packages are unpacked as dpkg would do it, with its database; whatever they want to run themselves is left
for the first boot (``files/configure``). The tree lies in a folder of whoever builds; who owns a file and
what its mode is goes into the file system by debugfs.
"""

from __future__ import annotations

import hashlib
import re
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from lab.demo.images import disks
from lab.demo.images.errors import ImageError

MERGED = ("bin", "sbin", "lib", "lib64")
"""Folders whose content lies below ``usr``."""
LEFT_OUT = re.compile(
    r"usr/share/(doc|man|locale|info|lintian|bug|icons|gtk-doc|bash-completion|zoneinfo)/.*"
    r"|usr/share/qemu/.*\.(vhd|bmp|ndrv)"
)
"""What a board does without. Copyright files, too: the image is made where it is used and given to nobody."""
INFO = "var/lib/dpkg/info"


@dataclass(frozen=True, slots=True)
class Owned:
    """What a file's inode says, mode with type."""

    mode: int
    user: int = 0
    group: int = 0


class Root:
    """The tree below an empty folder. Paths are relative to it, without a leading slash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owned: dict[str, Owned] = {"": Owned(stat.S_IFDIR | 0o755)}
        self._status: list[str] = []
        for name in MERGED:
            self.folder(f"usr/{name}")
            self.link(name, f"usr/{name}")
        for name in ("dev", "proc", "sys", "run", "var/lib/dpkg/updates", INFO):
            self.folder(name)

    def folder(self, path: str, mode: int = 0o755, user: int = 0, group: int = 0) -> None:
        path = self._known_folder(path)
        (self._folder / path).mkdir(exist_ok=True)
        self._owned[path] = Owned(stat.S_IFDIR | mode, user, group)

    def file(self, path: str, content: bytes | str, mode: int = 0o644, user: int = 0, group: int = 0) -> None:
        path = self._known_folder(path)
        (self._folder / path).unlink(missing_ok=True)
        (self._folder / path).write_bytes(content.encode() if isinstance(content, str) else content)
        self._owned[path] = Owned(stat.S_IFREG | mode, user, group)

    def link(self, path: str, target: str) -> None:
        path = self._known_folder(path)
        (self._folder / path).unlink(missing_ok=True)
        (self._folder / path).symlink_to(target)
        self._owned[path] = Owned(stat.S_IFLNK | 0o777)

    def unpack(self, package: Path) -> None:
        """Lay out a package's files and enter it into dpkg's database as unpacked; raises `ImageError`."""
        listed, digests = self._unpack_data(package)
        control = self._unpack_control(package)
        if (match := re.search(r"^Package: (\S+)$", control["control"].decode(), re.M)) is None:
            raise ImageError(f"{package.name} does not say which package it is.")
        name = stem = match.group(1)
        stanza = control.pop("control").decode().rstrip()
        if re.search(r"^Multi-Arch: same$", stanza, re.M):
            stem = f"{name}:{package.name.rsplit('_', 1)[1].removesuffix('.deb')}"
        for script, content in control.items():
            executable = script in ("preinst", "postinst", "prerm", "postrm", "config")
            self.file(f"{INFO}/{stem}.{script}", content, 0o755 if executable else 0o644)
        self.file(f"{INFO}/{stem}.list", "".join(f"{line}\n" for line in listed))
        stanza += "\nStatus: install ok unpacked"
        conffiles = [line for line in control.get("conffiles", b"").decode().split("\n") if line[:1] == "/"]
        if known := [f" {path} {digests[path]}" for path in conffiles if path in digests]:
            stanza += "\nConffiles:\n" + "\n".join(known)
        self._status.append(stanza)

    def ext4(self, image: Path, mebibytes: int, label: str) -> None:
        """Write the tree into a file system of that size; raises `ImageError`."""
        self.file("var/lib/dpkg/status", "\n\n".join(sorted(self._status)) + "\n\n")
        self.file("var/lib/dpkg/available", "")
        self.file(f"{INFO}/format", "1\n")
        image.unlink(missing_ok=True)
        disks.run(
            *("mke2fs", "-q", "-t", "ext4", "-m", "0", "-L", label, "-E", "root_owner=0:0,nodiscard"),
            *("-d", str(self._folder), str(image), f"{mebibytes}M"),
        )
        fields = (
            f'sif "/{path}" {field} {value}\n'
            for path, owned in self._owned.items()
            for field, value in (("mode", f"0{owned.mode:o}"), ("uid", owned.user), ("gid", owned.group))
        )
        script = image.with_suffix(".debugfs")
        script.write_text("".join(fields))
        disks.run("debugfs", "-w", "-f", str(script), str(image))

    def _unpack_data(self, package: Path) -> tuple[list[str], dict[str, str]]:
        """Return the package's paths, as dpkg lists them, and the MD5 of files below /etc (dpkg's choice)."""
        listed, digests = [], {}
        with _tar(package, "--fsys-tarfile") as archive:
            for member in archive:
                path = member.name.removeprefix("./").rstrip("/")
                listed.append(f"/{path}" if path else "/.")
                if not path or path in MERGED or LEFT_OUT.fullmatch(path):
                    continue
                if member.isdir():
                    self.folder(path, member.mode, member.uid, member.gid)
                elif member.issym():
                    self.link(path, member.linkname)
                elif member.islnk():
                    self._hard_link(path, member.linkname.removeprefix("./"))
                elif member.isreg():
                    content = cast(IO[bytes], archive.extractfile(member)).read()
                    self.file(path, content, member.mode, member.uid, member.gid)
                    if path.startswith("etc/"):
                        digests[f"/{path}"] = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return listed, digests

    def _unpack_control(self, package: Path) -> dict[str, bytes]:
        with _tar(package, "--ctrl-tarfile") as archive:
            return {
                member.name.removeprefix("./"): cast(IO[bytes], archive.extractfile(member)).read()
                for member in archive
                if member.isreg()
            }

    def _hard_link(self, path: str, target: str) -> None:
        path, target = self._known_folder(path), self._known_folder(target)
        (self._folder / path).unlink(missing_ok=True)
        (self._folder / path).hardlink_to(self._folder / target)
        self._owned[path] = self._owned[target]

    def _known_folder(self, path: str) -> str:
        """Return the path with ``bin`` and the like below ``usr``; makes the folders above it."""
        first, _, rest = path.partition("/")
        if rest and first in MERGED:
            path = f"usr/{path}"
        parent = path.rpartition("/")[0]
        if parent and parent not in self._owned:
            self.folder(parent)
        return path


@contextmanager
def _tar(package: Path, what: str) -> Iterator[tarfile.TarFile]:
    """The tar archive that dpkg-deb prints."""
    with subprocess.Popen(["dpkg-deb", what, str(package)], stdout=subprocess.PIPE) as process:
        try:
            with tarfile.open(fileobj=cast(IO[bytes], process.stdout), mode="r|") as archive:
                yield archive
        except tarfile.ReadError as exc:
            raise ImageError(f"{package} cannot be unpacked ({exc}); remove it.") from exc
        cast(IO[bytes], process.stdout).read()
    if process.returncode:
        raise ImageError(f"{package} cannot be unpacked (dpkg-deb said {process.returncode}); remove it.")
