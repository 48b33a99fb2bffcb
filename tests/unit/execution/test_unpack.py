"""Unpacking streams."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Callable, Iterator

import pytest
import zstandard

from jobs.execution.unpack import packing, unpacked
from lab.kernel.errors import DefinitionFault

CONTENT = os.urandom(5000) * 40
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def pieces(data: bytes, size: int = 777) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("ending", PACKERS)
def test_each_format_is_unpacked_piece_by_piece(ending: str) -> None:
    packed = PACKERS[ending](CONTENT)

    assert b"".join(unpacked(pieces(packed), f"disk.img{ending}", 10**9)) == CONTENT


@pytest.mark.parametrize("ending", PACKERS)
def test_streams_one_after_the_other_are_one_content(ending: str) -> None:
    packed = PACKERS[ending](b"one") + PACKERS[ending](b"two")

    assert b"".join(unpacked(pieces(packed), f"x{ending}", 10**9)) == b"onetwo"


def test_padding_after_the_last_stream_is_passed_over() -> None:
    assert b"".join(unpacked(pieces(gzip.compress(b"one") + bytes(2000)), "x.gz", 100)) == b"one"


@pytest.mark.parametrize("ending", PACKERS)
def test_what_is_cut_off_is_a_fault(ending: str) -> None:
    packed = PACKERS[ending](CONTENT)

    with pytest.raises(DefinitionFault, match="ends too early"):
        list(unpacked(pieces(packed[: len(packed) // 2]), f"x{ending}", 10**9))


@pytest.mark.parametrize("ending", PACKERS)
def test_what_is_not_of_that_format_is_a_fault(ending: str) -> None:
    with pytest.raises(DefinitionFault, match="cannot be unpacked: it is not sound"):
        list(unpacked(pieces(b"this is no packed data at all" * 100), f"x{ending}", 10**9))


def test_an_empty_file_is_no_packed_content() -> None:
    assert b"".join(unpacked(iter(()), "x.gz", 100)) == b""


def test_what_unpacks_to_too_much_is_stopped() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    taken = 0

    def take() -> None:
        nonlocal taken
        for piece in unpacked(pieces(bomb), "bomb.gz", 1_000_000):
            taken += len(piece)

    with pytest.raises(DefinitionFault, match="is larger than the 1000000 bytes that this lab allows"):
        take()

    assert taken <= 1_000_000


def test_other_names_pass_as_they_are() -> None:
    packed = gzip.compress(b"x")

    assert packing("vmlinuz") == ""
    assert b"".join(unpacked(pieces(packed), "initrd.img", 1000)) == packed
