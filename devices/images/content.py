"""Where the bytes of the library lie: files below ``VAR_DIR/library``, named by what is in them."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from lab.kernel.errors import Rejected

PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Bytes that are kept."""

    sha256: str
    size: int


def root() -> Path:
    return Path(settings.VAR_DIR) / "library"


def path_of(sha256: str) -> Path:
    """Where the content with this digest lies. Raises `ValueError` for what is not a digest."""
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise ValueError(f"{sha256!r} is not a SHA-256 digest")
    # The whole digest is the file's name: who sees the file can tell that it never changes.
    return root() / sha256[:2] / sha256


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def keep(pieces: Iterable[bytes], *, sha256: str = "") -> Content:
    """Store content as it comes; it appears under its name when all of it is there and on the disk.

    Raises `Rejected` when it is larger than the site allows, when it is not what `sha256` says, and when the
    disk is full.
    """
    limit = int(settings.LABBOOK["MAX_IMAGE_BYTES"])
    digest, size = hashlib.sha256(), 0
    root().mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=root(), prefix=".new-", delete=False) as file:
        try:
            for piece in pieces:
                size += len(piece)
                if size > limit:
                    raise Rejected(f"The file is too large: an image may have {limit:,} bytes here.")
                digest.update(piece)
                file.write(piece)
            if not size:
                raise Rejected("The file is empty: nothing could boot from it.")
            found = digest.hexdigest()
            if sha256 and sha256.lower() != found:
                raise Rejected(
                    f"What arrived is not what was announced: its SHA-256 is {found}, not {sha256.lower()}."
                )
            file.flush()
            os.fsync(file.fileno())
            place = path_of(found)
            place.parent.mkdir(exist_ok=True)
            os.chmod(file.name, 0o444)
            os.replace(file.name, place)  # the same bytes, should it be there already
        except BaseException as exc:
            Path(file.name).unlink(missing_ok=True)
            if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Rejected(f"There is no room for it: the disk of {root()} is full.") from exc
            raise
    return Content(sha256=found, size=size)
