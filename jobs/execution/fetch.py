"""Bringing images to the worker: from allowed folders, by http and from the lab's library, each only once.

Everything is verified, and unpacked while it streams. A file that needs no unpacking is used where it lies.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jobs.execution.cache import Cache, Fetched
from jobs.execution.download import ContentChanged, download
from jobs.execution.ports import LibraryImage, Workplace
from jobs.execution.progress import Progress, Unwatched
from jobs.execution.unpack import packing
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError

__all__ = ["Fetched", "Fetcher", "allowed_file"]

PIECE = 1024 * 1024
BEGINNINGS = 3
"""How often a download begins anew because the content has changed meanwhile."""


class Fetcher:
    """Fetches for one run. Thread-safe: whoever asks for the same URL meanwhile waits for the first."""

    def __init__(self, workplace: Workplace) -> None:
        self._place = workplace
        self._cache = Cache(workplace.cache, workplace.max_download)
        self._locks: dict[tuple[str, bool], threading.Lock] = {}
        self._done: dict[tuple[str, bool], Fetched] = {}
        self._moving: dict[tuple[str, bool], tuple[int, int | None]] = {}
        self._guard = threading.Lock()

    def get(
        self,
        url: str,
        deadline: Deadline,
        *,
        sha256: str = "",
        unpack: bool = True,
        trusted: bool = False,
        progress: Progress | None = None,
    ) -> Fetched:
        """Return the content of a URL as a file.

        `sha256`: expected digest of the downloaded bytes. `trusted`: the URL comes from the lab's
        configuration, so a file may lie anywhere. `progress` counts bytes as they are read or downloaded, and
        is told of another thread's while it waits for that. Raises `DefinitionFault` for what is wrong with
        the URL or the content, `InfrastructureError` for what is wrong with the network or the disk.
        """
        seen = progress or Unwatched()
        unpack = unpack and bool(packing(self._name(url)))
        key = url, unpack
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        while not lock.acquire(timeout=max(0.01, deadline.tick)):
            deadline.check()
            if (moving := self._moving.get(key)) is not None:
                seen(*moving)
        try:
            fetched = self._done.get(key)
            if fetched is None:
                with self._cache.disk_errors():
                    shared = _Shared(self._moving, key, seen)
                    fetched = self._fetch(url, deadline, shared, unpack=unpack, trusted=trusted)
                self._done[key] = fetched
        finally:
            self._moving.pop(key, None)
            lock.release()
        if sha256 and sha256.lower() != fetched.source_sha256:
            raise DefinitionFault(
                f"{url} is not the expected content: its SHA-256 is {fetched.source_sha256}, the definition"
                f" says {sha256.lower()}"
            )
        return fetched

    def _name(self, url: str) -> str:
        """Return the file name whose ending says how the content of a URL is packed."""
        if url.startswith("lab:"):
            image = self._place.library.get(url.removeprefix("lab:"))
            return image.filename if image is not None else ""
        return urlsplit(url).path.rsplit("/", 1)[-1]

    def _fetch(
        self, url: str, deadline: Deadline, progress: Progress, *, unpack: bool, trusted: bool
    ) -> Fetched:
        scheme = urlsplit(url).scheme.lower()
        if scheme == "file":
            return self._from_file(url, deadline, progress, unpack=unpack, trusted=trusted)
        if scheme in ("http", "https"):
            return self._from_web(url, deadline, progress, unpack=unpack)
        if scheme == "lab":
            return self._from_library(url, deadline, progress, unpack=unpack)
        raise DefinitionFault(
            f"{url!r} cannot be fetched: allowed are file://, http:// and https:// URLs, and lab:NAME"
        )

    # -- files ---------------------------------------------------------------------------------------

    def _from_file(
        self, url: str, deadline: Deadline, progress: Progress, *, unpack: bool, trusted: bool
    ) -> Fetched:
        path = allowed_file(url, () if trusted else self._place.file_roots, anywhere=trusted)
        try:
            info = path.stat()
            if info.st_size > self._place.max_download:
                raise DefinitionFault(
                    f"{url} is larger than the {self._place.max_download} bytes allowed here"
                )
            key = f"{path}\n{info.st_size}\n{info.st_mtime_ns}\n{info.st_ino}\n{unpack}"
            if (known := self._cache.recall(url, key, path=None if unpack else path)) is not None:
                return known
            pieces = _pieces(path, deadline, progress)
            if unpack:
                fetched = self._cache.store(url, pieces, self._name(url))
            else:
                digest, size = hashlib.sha256(), 0
                for piece in pieces:
                    digest.update(piece)
                    size += len(piece)
                sha256 = digest.hexdigest()
                fetched = Fetched(url=url, path=path, sha256=sha256, size=size, source_sha256=sha256)
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DefinitionFault(f"{url} cannot be read on the worker: {exc.strerror}") from exc
        self._cache.remember(key, fetched)
        return fetched

    # -- the web -------------------------------------------------------------------------------------

    def _from_web(self, url: str, deadline: Deadline, progress: Progress, *, unpack: bool) -> Fetched:
        key = f"{url}\n{unpack}"
        with self._cache.exclusive(key, deadline):
            known = self._cache.recall(url, key)
            for left in reversed(range(BEGINNINGS)):
                validators = self._cache.validators(key) if known is not None else {}
                try:
                    with download(url, deadline, self._place, progress, validators) as answer:
                        if answer.unchanged and known is not None:
                            return known
                        fetched = self._cache.store(url, answer.pieces, self._name(url) if unpack else "")
                    break
                except ContentChanged as exc:
                    if not left:
                        raise
                    progress.trouble(f"{exc}; it begins anew")
            self._cache.remember(key, fetched, validators=answer.validators)
        return fetched

    # -- the lab's library ---------------------------------------------------------------------------

    def _from_library(self, url: str, deadline: Deadline, progress: Progress, *, unpack: bool) -> Fetched:
        image = self._place.library.get(url.removeprefix("lab:"))
        if image is None:
            raise DefinitionFault(f"there is no image {url.removeprefix('lab:')!r} in the lab's library")
        self._check_library(url, image)
        if not unpack:  # named by its digest: it is what it was when it was uploaded
            return Fetched(
                url=url, path=image.path, sha256=image.sha256, size=image.size, source_sha256=image.sha256
            )
        key = f"library\n{image.sha256}\n{packing(image.filename)}"
        with self._cache.exclusive(key, deadline):
            known = self._cache.recall(url, key)
            if known is None:
                known = self._cache.store(url, _pieces(image.path, deadline, progress), image.filename)
                if known.source_sha256 != image.sha256:
                    raise InfrastructureError(
                        f"the content of {url} has changed in the lab's library: its SHA-256 is"
                        f" {known.source_sha256}, it was uploaded as {image.sha256}; is the disk sound?"
                    )
                self._cache.remember(key, known)
        return known

    def _check_library(self, url: str, image: LibraryImage) -> None:
        try:
            size = image.path.stat().st_size
        except OSError as exc:
            raise InfrastructureError(
                f"the content of {url} is not on this worker ({image.path}: {exc.strerror}); workers on other"
                " machines need the lab's data folder, too"
            ) from exc
        if size != image.size:
            raise InfrastructureError(
                f"the content of {url} is damaged in the lab's library: {image.path} has {size} of"
                f" {image.size} bytes; upload it anew"
            )


class _Shared:
    """Progress that those can see, too, who wait for the same content."""

    def __init__(
        self,
        moving: dict[tuple[str, bool], tuple[int, int | None]],
        key: tuple[str, bool],
        progress: Progress,
    ) -> None:
        self._moving, self._key, self._progress = moving, key, progress

    def __call__(self, done: int, total: int | None) -> None:
        self._moving[self._key] = done, total
        self._progress(done, total)

    def trouble(self, words: str) -> None:
        self._progress.trouble(words)


def allowed_file(url: str, roots: tuple[Path, ...], *, anywhere: bool = False) -> Path:
    """Return the file that a file:// URL names, all links resolved.

    Raises `DefinitionFault` if there is none, or if it does not lie below one of `roots`.
    """
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise DefinitionFault(f"{url} names another machine; file:// URLs begin with three slashes")
    named = Path(unquote(parts.path))
    if not named.is_absolute() or "\0" in str(named):
        raise DefinitionFault(f"{url} is not an absolute path")
    path = Path(os.path.realpath(named))
    if not anywhere and not any(path.is_relative_to(os.path.realpath(root)) for root in roots):
        allowed = ", ".join(str(root) for root in roots) or "none"
        raise DefinitionFault(
            f"{url} may not be used: file:// URLs must lie below one of this lab's folders ({allowed})"
        )
    if not path.exists():
        raise DefinitionFault(f"{url} does not exist on the worker")
    if not path.is_file():
        raise DefinitionFault(f"{url} is not a file")
    return path


def _pieces(path: Path, deadline: Deadline, progress: Progress) -> Iterator[bytes]:
    done = 0
    with path.open("rb", buffering=0) as source:
        total = os.fstat(source.fileno()).st_size
        while data := source.read(PIECE):
            deadline.check()
            yield data
            done += len(data)
            progress(done, total)
