"""Just enough of qcow2: to look into an image without qemu, and to make the throw-away overlay of one.

Format: https://www.qemu.org/docs/master/interop/qcow2.html. Making the overlay here saves the host a tool and
the job a round trip: it is four clusters of zeros and pointers.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

import zstandard

from lab.kernel.errors import DefinitionFault

MAGIC = b"QFI\xfb"
CLUSTER = 64 * 1024
_HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
_EXTERNAL_DATA = 1 << 2
_EXTENDED_L2 = 1 << 4
_OFFSET_BITS = 0x00FF_FFFF_FFFF_FE00


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What matters of a qcow2 header."""

    version: int
    size: int
    """Bytes of the disk that the image holds."""
    cluster_bits: int
    l1_entries: int
    l1_offset: int
    incompatible: int
    zstd: bool


def read_header(image: BinaryIO, name: str, *, backing_allowed: bool = False) -> Header:
    """Return the header of a qcow2 image.

    Raises `DefinitionFault` for one that is broken, encrypted, or that reads from another file (which would
    let a definition read any file of the host).
    """
    image.seek(0)
    data = image.read(112)
    if len(data) < _HEADER.size or data[:4] != MAGIC:
        raise DefinitionFault(f"{name} is not a sound qcow2 image")
    fields = _HEADER.unpack_from(data)
    _magic, version, backing, _backing_size, bits, size, crypt, l1_entries, l1_offset, *_rest = fields
    if version not in (2, 3) or not 9 <= bits <= 21:
        raise DefinitionFault(f"{name} is not a sound qcow2 image (version {version}, cluster bits {bits})")
    incompatible = struct.unpack_from(">Q", data, 72)[0] if version == 3 and len(data) >= 80 else 0
    length = struct.unpack_from(">I", data, 100)[0] if version == 3 and len(data) >= 104 else 72
    compression = data[104] if length > 104 and len(data) > 104 else 0
    if backing and not backing_allowed:
        raise DefinitionFault(
            f"{name} is a qcow2 image that needs another file (its backing file);"
            " flatten it with qemu-img convert"
        )
    if incompatible & _EXTERNAL_DATA:
        raise DefinitionFault(
            f"{name} is a qcow2 image that keeps its data in another file; use qemu-img convert"
        )
    if crypt:
        raise DefinitionFault(f"{name} is an encrypted qcow2 image, which cannot be booted here")
    return Header(
        version=version,
        size=size,
        cluster_bits=bits,
        l1_entries=l1_entries,
        l1_offset=l1_offset,
        incompatible=incompatible,
        zstd=compression == 1,
    )


def read_start(image: BinaryIO, header: Header, length: int) -> bytes:
    """Return the first `length` bytes of the disk in the image (at most one cluster of them)."""
    length = min(length, 1 << header.cluster_bits)
    entry_size = 16 if header.incompatible & _EXTENDED_L2 else 8
    l2_offset = _pointer(image, header.l1_offset) & _OFFSET_BITS if header.l1_entries else 0
    entry = _pointer(image, l2_offset) if l2_offset else 0
    if entry & (1 << 62):
        return _compressed(image, header, entry, length)
    offset = entry & _OFFSET_BITS
    if not offset or (entry & 1 and entry_size == 8):
        return bytes(length)
    image.seek(offset)
    return image.read(length).ljust(length, b"\0")


def _pointer(image: BinaryIO, offset: int) -> int:
    image.seek(offset)
    data = image.read(8)
    return int.from_bytes(data, "big") if len(data) == 8 else 0


def _compressed(image: BinaryIO, header: Header, entry: int, length: int) -> bytes:
    bits = 62 - (header.cluster_bits - 8)
    offset, sectors = entry & ((1 << bits) - 1), (entry & ((1 << 62) - 1)) >> bits
    image.seek(offset)
    data = image.read((sectors + 1) * 512)
    try:
        if header.zstd:
            plain = zstandard.ZstdDecompressor().decompressobj().decompress(data)[:length]
        else:
            plain = zlib.decompressobj(wbits=-12).decompress(data, length)
    except (zlib.error, zstandard.ZstdError):
        plain = b""
    return plain.ljust(length, b"\0")


def overlay(backing: str, backing_format: str, size: int) -> bytes:
    """Return an empty version 3 image of `size` bytes whose content is that of the file `backing`."""
    size = -(-size // 512) * 512
    l1_entries = max(1, -(-size // (CLUSTER * CLUSTER // 8)))
    l1_clusters = -(-l1_entries * 8 // CLUSTER)
    name, kind = backing.encode(), backing_format.encode()
    extension = (
        struct.pack(">II", 0xE2792ACA, len(kind)) + kind.ljust(-(-len(kind) // 8) * 8, b"\0") + bytes(8)
    )
    name_at = 104 + len(extension)
    if name_at + len(name) > CLUSTER or len(name) > 1023:
        raise ValueError("the name of the backing file is too long")
    header = _HEADER.pack(
        MAGIC, 3, name_at, len(name), 16, size, 0, l1_entries, 3 * CLUSTER, CLUSTER, 1, 0, 0
    ) + struct.pack(">QQQII", 0, 0, 0, 4, 104)
    clusters = 3 + l1_clusters  # header, refcount table, refcount block, L1 table
    return b"".join(
        (
            (header + extension + name).ljust(CLUSTER, b"\0"),
            (2 * CLUSTER).to_bytes(8, "big").ljust(CLUSTER, b"\0"),
            (b"\0\1" * clusters).ljust(CLUSTER, b"\0"),
            bytes(l1_clusters * CLUSTER),
        )
    )
