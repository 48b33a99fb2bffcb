"""Unpacking a stream piece by piece, chosen by the name's ending, with a limit on what comes out."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

import zstandard

from lab.kernel.errors import DefinitionFault

PACKED = {".gz": "gzip", ".xz": "xz", ".bz2": "bzip2", ".zst": "zstd"}
"""Endings of names that mean that the content is packed, and how the format is called."""
PIECE = 1024 * 1024


class _Decoder(Protocol):
    """One packed stream; several may follow each other in a file."""

    def decompress(self, data: bytes, /) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


def packing(name: str) -> str:
    """Return the ending that says how `name` is packed, or an empty string."""
    return next((ending for ending in PACKED if name.lower().endswith(ending)), "")


def unpacked(pieces: Iterable[bytes], name: str, limit: int) -> Iterator[bytes]:
    """Yield what `pieces` unpack to; they pass as they are when `name` has no packed ending.

    Raises `DefinitionFault` when the content is not what the ending says, is cut off, or is larger than
    `limit` bytes.
    """
    ending = packing(name)
    total = 0
    for piece in _decode(pieces, name, ending) if ending else pieces:
        total += len(piece)
        if total > limit:
            raise DefinitionFault(f"{name} is larger than the {limit} bytes that this lab allows")
        yield piece


def _new(ending: str) -> _Decoder:
    if ending == ".gz":
        return zlib.decompressobj(wbits=31)
    if ending == ".xz":
        return lzma.LZMADecompressor()
    if ending == ".bz2":
        return bz2.BZ2Decompressor()
    decoder: _Decoder = zstandard.ZstdDecompressor(max_window_size=2**27).decompressobj()
    return decoder


def _decode(pieces: Iterable[bytes], name: str, ending: str) -> Iterator[bytes]:
    decoder, fresh = _new(ending), True
    try:
        for piece in pieces:
            while piece:
                if fresh and not piece.strip(b"\0"):
                    break  # padding after the last stream
                output = decoder.decompress(piece)
                fresh = False
                yield from (output[at : at + PIECE] for at in range(0, len(output), PIECE))
                piece = b""
                if decoder.eof:
                    piece = decoder.unused_data
                    decoder, fresh = _new(ending), True
    except (zlib.error, lzma.LZMAError, OSError, zstandard.ZstdError) as exc:
        raise DefinitionFault(
            f"{name} cannot be unpacked: it is not sound {PACKED[ending]} data ({exc})"
        ) from exc
    if not fresh:
        raise DefinitionFault(f"{name} cannot be unpacked: its {PACKED[ending]} data ends too early")
