"""Attachments: files below ``VAR_DIR/attachments``, named by what is in them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

BLOCK = 1024 * 1024


def root() -> Path:
    return Path(settings.VAR_DIR) / "attachments"


def path_of(sha256: str) -> Path:
    """Where the content with this digest lies. Raises `ValueError` for what is not a digest."""
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise ValueError(f"{sha256!r} is not a SHA-256 digest")
    return root() / sha256[:2] / sha256[2:]


class Files:
    """The content-addressed store of attachments. Thread-safe, and shared by all runners of a machine."""

    def keep(self, content: BinaryIO) -> tuple[str, int]:
        """Store the content; returns (hex SHA-256, size in bytes). The same content is stored once."""
        digest, size = hashlib.sha256(), 0
        root().mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=root(), prefix=".new-", delete=False) as file:
            try:
                while block := content.read(BLOCK):
                    digest.update(block)
                    size += len(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
                place = path_of(digest.hexdigest())
                place.parent.mkdir(exist_ok=True)
                os.chmod(file.name, 0o644)
                os.replace(file.name, place)  # the same bytes, should it be there already
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        return digest.hexdigest(), size
