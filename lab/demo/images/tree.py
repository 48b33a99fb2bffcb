"""A file tree in memory, and the two forms a guest needs it in: a cpio archive, or folders on disk."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

EPOCH = 1_700_000_000
"""The time of every file: the same packages must give the same bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder, link or device. `content` of a link is its target."""

    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


class Tree:
    """Paths are relative, without a leading slash. Folders above a path come by themselves."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def folder(self, path: str, mode: int = 0o755) -> None:
        self._add(path, Entry(stat.S_IFDIR | mode))

    def file(self, path: str, content: bytes | str, mode: int = 0o644) -> None:
        data = content.encode() if isinstance(content, str) else content
        self._add(path, Entry(stat.S_IFREG | mode, data))

    def link(self, path: str, target: str) -> None:
        self._add(path, Entry(stat.S_IFLNK | 0o777, target.encode()))

    def device(self, path: str, major: int, minor: int, mode: int = 0o600) -> None:
        """A character device."""
        self._add(path, Entry(stat.S_IFCHR | mode, device=(major, minor)))

    def _add(self, path: str, entry: Entry) -> None:
        parent = str(PurePosixPath(path).parent)
        if parent != "." and parent not in self.entries:
            self.folder(parent)
        self.entries[path] = entry

    def cpio(self) -> bytes:
        """Return the tree as the kernel takes an initramfs ("newc"), everything owned by root."""
        out = bytearray()
        for number, (path, entry) in enumerate(sorted(self.entries.items()), start=1):
            _add_record(out, number, path, entry)
        _add_record(out, 0, "TRAILER!!!", Entry(0))
        out += b"\0" * (-len(out) % 512)
        return bytes(out)

    def write(self, folder: Path) -> None:
        """Lay the tree out below an empty folder; devices are left out (making them needs root)."""
        for path, entry in sorted(self.entries.items()):
            target = folder / path
            if stat.S_ISDIR(entry.mode):
                target.mkdir(exist_ok=True)
            elif stat.S_ISLNK(entry.mode):
                target.symlink_to(entry.content.decode())
            elif stat.S_ISREG(entry.mode):
                target.write_bytes(entry.content)


def _add_record(out: bytearray, number: int, path: str, entry: Entry) -> None:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (number, entry.mode, 0, 0, links, EPOCH, len(entry.content), 0, 0, *entry.device, len(name), 0)
    out += b"070701" + b"".join(b"%08x" % field for field in fields) + name
    out += b"\0" * (-len(out) % 4)
    out += entry.content
    out += b"\0" * (-len(out) % 4)
