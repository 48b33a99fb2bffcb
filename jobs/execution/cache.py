"""The worker's cache of images.

Content-addressed: ``objects/<sha256>`` holds unpacked content, ``known/<key>`` says which content a source
had when it was last seen.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobs.execution.unpack import unpacked
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file on the worker."""

    url: str
    path: Path
    sha256: str
    """Of the content at `path`, that is after unpacking."""
    size: int
    source_sha256: str
    """Of the bytes as they were downloaded."""


class Cache:
    """A folder that all runs of this machine share."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit

    def store(self, url: str, pieces: Iterable[bytes], name: str) -> Fetched:
        """Keep content, unpacked as the ending of `name` says (empty: as it is)."""
        objects = self._folder / "objects"
        objects.mkdir(parents=True, exist_ok=True)
        part = objects / f"{secrets.token_hex(8)}.part"
        source, content, size = hashlib.sha256(), hashlib.sha256(), 0

        def seen() -> Iterator[bytes]:
            for piece in pieces:
                source.update(piece)
                yield piece

        try:
            with part.open("xb") as target:
                for piece in unpacked(seen(), name or "the download", self._limit):
                    target.write(piece)
                    content.update(piece)
                    size += len(piece)
            path = objects / content.hexdigest()
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return Fetched(
            url=url, path=path, sha256=content.hexdigest(), size=size, source_sha256=source.hexdigest()
        )

    def recall(self, url: str, key: str, *, path: Path | None = None) -> Fetched | None:
        """Return what is known of a source, if its content (or `path`, where it lies) is still there."""
        try:
            data = json.loads(self._known(key).read_text())
            where = path or self._folder / "objects" / data["sha256"]
            if where.stat().st_size != data["size"]:
                return None
            if path is None:
                os.utime(where)  # it is in use: the last to be thrown away
            return Fetched(
                url=url,
                path=where,
                sha256=data["sha256"],
                size=data["size"],
                source_sha256=data["source_sha256"],
            )
        except (OSError, ValueError, KeyError):
            return None

    def validators(self, key: str) -> dict[str, str]:
        """Return the headers by which a server tells whether a source has changed."""
        try:
            validators = json.loads(self._known(key).read_text()).get("validators", {})
            return {str(name): str(value) for name, value in validators.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def remember(self, key: str, fetched: Fetched, *, validators: dict[str, str] | None = None) -> None:
        """Note which content a source has."""
        path = self._known(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{secrets.token_hex(8)}.part")
        part.write_text(
            json.dumps(
                {
                    "url": fetched.url,
                    "sha256": fetched.sha256,
                    "size": fetched.size,
                    "source_sha256": fetched.source_sha256,
                    "validators": validators or {},
                }
            )
        )
        part.replace(path)

    def _known(self, key: str) -> Path:
        return self._folder / "known" / f"{hashlib.sha256(key.encode()).hexdigest()}.json"

    @contextmanager
    def exclusive(self, key: str, deadline: Deadline) -> Iterator[None]:
        """Hold a lock against other runs on this machine: two jobs with one URL download it once."""
        locks = self._folder / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        pause = threading.Event()
        with (locks / hashlib.sha256(key.encode()).hexdigest()).open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    deadline.check()
                    pause.wait(0.05)
            yield

    @contextmanager
    def disk_errors(self) -> Iterator[None]:
        """Say what it means when the disk does not do what is asked of it."""
        try:
            yield
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise InfrastructureError(
                    f"the worker's disk is full: there is no room in {self._folder}"
                ) from exc
            raise InfrastructureError(f"the worker cannot use its cache {self._folder}: {exc}") from exc
