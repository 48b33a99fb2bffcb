"""What a disk image really is, found by looking into it, never by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from devices.drivers import qcow2
from jobs.execution.cache import Fetched
from lab.kernel.errors import DefinitionFault

Content = Literal["boots", "bare", "unknown"]
"""It has a boot sector or a partition table; it is a bare file system; neither is recognised."""
Format = Literal["raw", "qcow2"]
START = 0x11000
"""Bytes at the start of a disk that are looked at: btrfs says what it is at 0x10040."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk image on the worker, looked into."""

    file: Fetched
    format: Format
    size: int
    """Bytes of the disk."""
    content: Content


def look_at_disk(file: Fetched) -> Disk:
    """Recognise an image by what is in it, never by its name."""
    with file.path.open("rb") as image:
        start = image.read(START)
        if not start.strip(b"\0") and file.size < 0x200:
            raise DefinitionFault(f"{file.url} is not a disk image: it is empty")
        if start.startswith(qcow2.MAGIC):
            header = qcow2.read_header(image, file.url)
            content = content_of(qcow2.read_start(image, header, START))
            return Disk(file=file, format="qcow2", size=header.size, content=content)
    if start[:4] in (b"KDMV", b"COWD", b"cone", b"<<< ") or start[:8] == b"vhdxfile":
        raise DefinitionFault(
            f"{file.url} is neither a raw nor a qcow2 image; convert it with qemu-img convert"
        )
    return Disk(file=file, format="raw", size=file.size, content=content_of(start))


def content_of(start: bytes) -> Content:
    if start[0x200:0x208] == b"EFI PART" or (start[510:512] == b"\x55\xaa" and start[:446].strip(b"\0")):
        return "boots"
    file_systems = (
        (0x438, b"\x53\xef"),  # ext2, ext3, ext4
        (0x10040, b"_BHRfS_M"),  # btrfs
        (0, b"XFSB"),
        (0, b"hsqs"),  # squashfs
        (0x400, b"\x10\x20\xf5\xf2"),  # f2fs
        (0x400, b"\xe2\xe1\xf5\xe0"),  # erofs
    )
    if any(start[at : at + len(magic)] == magic for at, magic in file_systems):
        return "bare"
    return "boots" if start[510:512] == b"\x55\xaa" else "unknown"
