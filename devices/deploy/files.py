"""Placing files on the worker: copied without bytes where the file system can, verified where it can't."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from devices.domain.config import BoardConfig
from devices.drivers.board import TransferProgress
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError

PIECE = 1024 * 1024
FICLONE = 0x40049409
"""Linux's ioctl that makes a file share another's blocks until one of them is written to."""
CANNOT_CLONE = (errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY, errno.EINVAL, errno.EPERM, errno.ETXTBSY)
READABLE = 0o644
FOLDER = 0o755


def existing_folder(path: str, key: str) -> Path:
    """Return the folder that a configuration's `key` names. Raises `InfrastructureError` if it is none."""
    if not path:
        raise InfrastructureError(f"the board's configuration does not say {key}")
    folder = Path(path)
    if not folder.is_absolute():
        raise InfrastructureError(f"the board's {key} {path!r} is not an absolute path")
    if not folder.is_dir():
        raise InfrastructureError(f"the board's {key} {path} is no folder on this worker")
    return folder


def only(keys: Iterable[str], allowed: Iterable[str], why: str) -> None:
    """Raise `DefinitionFault` for the keys that are not allowed."""
    wrong = [key for key in keys if key not in set(allowed)]
    if wrong:
        raise DefinitionFault(f"{', '.join(wrong)} cannot be deployed to this board: {why}")


def place(
    source: Path, target: Path, what: str, progress: TransferProgress, deadline: Deadline, *, mode: int
) -> None:
    """Make `target` a copy of `source` that may be written to without harm to the source.

    Appears under its name when it is complete: cloned where the file system can share blocks, otherwise
    copied, with its SHA-256 taken of what was read and compared with what was stored.
    """
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    with _told(target):
        try:
            with source.open("rb") as read, part.open("x+b") as written:
                total = os.fstat(read.fileno()).st_size
                progress(what, 0, total)
                if not _cloned(read, written):
                    digest = _copied(read, written, what, total, progress, deadline)
                    if _digest(written, deadline) != digest:
                        raise InfrastructureError(
                            f"what was stored in {target} is not what was written: is the disk sound?"
                        )
                progress(what, total, total)
            part.chmod(mode)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def link_or_place(
    source: Path, target: Path, what: str, progress: TransferProgress, deadline: Deadline
) -> None:
    """Make `target` the same content as `source`, for reading only.

    A file that is named by its digest never changes, so a second name for it will do.
    """
    if re.fullmatch(r"[0-9a-f]{64}", source.name) and source.stat().st_mode & 0o444 == 0o444:
        part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
        with contextlib.suppress(OSError):  # another file system, or not ours: then it is copied
            part.hardlink_to(source)
            try:
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
            size = target.stat().st_size
            progress(what, size, size)
            return
    place(source, target, what, progress, deadline, mode=READABLE)


def write(target: Path, content: bytes, mode: int) -> None:
    """Store a small file; appears under its name when it is complete."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    with _told(target):
        try:
            part.write_bytes(content)
            part.chmod(mode)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files of these names, and unfinished ones of theirs, from a folder."""
    with _told(folder):
        for name in names:
            (folder / name).unlink(missing_ok=True)
            for part in folder.glob(f".{name}.*.part"):
                part.unlink(missing_ok=True)


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it, if it is there."""
    with _told(folder), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


@contextmanager
def _told(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InfrastructureError(f"there is no room left on the worker for {where}") from exc
        raise InfrastructureError(f"{where} could not be written on the worker: {exc.strerror}") from exc


def _cloned(read: BinaryIO, written: BinaryIO) -> bool:
    try:
        fcntl.ioctl(written.fileno(), FICLONE, read.fileno())
    except OSError as exc:
        if exc.errno in CANNOT_CLONE:
            return False
        raise
    return True


def _copied(
    read: BinaryIO,
    written: BinaryIO,
    what: str,
    total: int,
    progress: TransferProgress,
    deadline: Deadline,
) -> str:
    """Copy the bytes, keeping holes; returns the hex SHA-256 of what was read."""
    digest, done, empty = hashlib.sha256(), 0, bytes(PIECE)
    while piece := read.read(PIECE):
        deadline.check()
        digest.update(piece)
        if piece == empty:
            written.seek(len(piece), os.SEEK_CUR)
        else:
            written.write(piece)
        done += len(piece)
        progress(what, done, max(total, done))
    written.truncate(done)
    written.flush()
    os.fsync(written.fileno())
    return digest.hexdigest()


def _digest(written: BinaryIO, deadline: Deadline) -> str:
    """Return the hex SHA-256 of what is stored, from the disk where that can be asked for."""
    os.posix_fadvise(written.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    written.seek(0)
    digest = hashlib.sha256()
    while piece := written.read(PIECE):
        deadline.check()
        digest.update(piece)
    return digest.hexdigest()


def placeholders(board: BoardConfig, job: int, values: Mapping[str, str]) -> dict[str, str]:
    """Return what may stand in braces in this board's configuration."""
    return {**board.extra, "job": str(job), **values}
