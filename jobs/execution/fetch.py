"""Bringing images to the worker: from allowed folders and by http, verified, unpacked, each only once.

The cache is content-addressed: ``objects/<sha256>`` holds unpacked content, ``known/<key>`` says which
content a source had when it was last seen. A file that needs no unpacking is used where it lies.
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
from urllib.parse import unquote, urlsplit

from jobs.execution import web
from jobs.execution.ports import Workplace
from jobs.execution.unpack import packing, unpacked
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError

PIECE = 1024 * 1024


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


class Fetcher:
    """Fetches for one run. Thread-safe: whoever asks for the same URL meanwhile waits for the first."""

    def __init__(self, workplace: Workplace) -> None:
        self._place = workplace
        self._locks: dict[tuple[str, bool], threading.Lock] = {}
        self._done: dict[tuple[str, bool], Fetched] = {}
        self._guard = threading.Lock()

    def get(
        self, url: str, deadline: Deadline, *, sha256: str = "", unpack: bool = True, trusted: bool = False
    ) -> Fetched:
        """Return the content of a URL as a file.

        `sha256`: expected digest of the downloaded bytes. `trusted`: the URL comes from the lab's
        configuration, so a file may lie anywhere. Raises `DefinitionFault` for what is wrong with the URL or
        the content, `InfrastructureError` for what is wrong with the network or the disk.
        """
        unpack = unpack and bool(packing(urlsplit(url).path))
        with self._guard:
            lock = self._locks.setdefault((url, unpack), threading.Lock())
        while not lock.acquire(timeout=max(0.01, deadline.tick)):
            deadline.check()
        try:
            fetched = self._done.get((url, unpack))
            if fetched is None:
                with _disk_errors(self._place.cache):
                    fetched = self._fetch(url, deadline, unpack=unpack, trusted=trusted)
                self._done[url, unpack] = fetched
        finally:
            lock.release()
        if sha256 and sha256.lower() != fetched.source_sha256:
            raise DefinitionFault(
                f"{url} is not the expected content: its SHA-256 is {fetched.source_sha256}, the definition"
                f" says {sha256.lower()}"
            )
        return fetched

    def _fetch(self, url: str, deadline: Deadline, *, unpack: bool, trusted: bool) -> Fetched:
        scheme = urlsplit(url).scheme.lower()
        if scheme == "file":
            return self._from_file(url, deadline, unpack=unpack, trusted=trusted)
        if scheme in ("http", "https"):
            return self._from_web(url, deadline, unpack=unpack)
        raise DefinitionFault(f"{url!r} cannot be fetched: allowed are file://, http:// and https:// URLs")

    # -- files ---------------------------------------------------------------------------------------

    def _from_file(self, url: str, deadline: Deadline, *, unpack: bool, trusted: bool) -> Fetched:
        path = allowed_file(url, () if trusted else self._place.file_roots, anywhere=trusted)
        try:
            info = path.stat()
            if info.st_size > self._place.max_download:
                raise DefinitionFault(
                    f"{url} is larger than the {self._place.max_download} bytes allowed here"
                )
            key = f"{path}\n{info.st_size}\n{info.st_mtime_ns}\n{info.st_ino}\n{unpack}"
            if (known := self._recall(url, key, path=None if unpack else path)) is not None:
                return known
            with path.open("rb") as source:
                pieces = _pieces(source.fileno(), deadline)
                if unpack:
                    fetched = self._store(url, pieces, unpack=True)
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
        self._remember(key, fetched)
        return fetched

    # -- the web -------------------------------------------------------------------------------------

    def _from_web(self, url: str, deadline: Deadline, *, unpack: bool) -> Fetched:
        key = f"{url}\n{unpack}"
        with self._exclusive(key, deadline):
            known = self._recall(url, key)
            validators = self._validators(key) if known is not None else {}
            with web.download(url, deadline, self._place, validators) as answer:
                if answer.unchanged and known is not None:
                    return known
                fetched = self._store(url, answer.pieces, unpack=unpack)
            self._remember(key, fetched, validators=answer.validators)
        return fetched

    # -- the cache -----------------------------------------------------------------------------------

    def _store(self, url: str, pieces: Iterable[bytes], *, unpack: bool) -> Fetched:
        objects = self._place.cache / "objects"
        objects.mkdir(parents=True, exist_ok=True)
        part = objects / f"{secrets.token_hex(8)}.part"
        source, content, size = hashlib.sha256(), hashlib.sha256(), 0

        def seen() -> Iterator[bytes]:
            for piece in pieces:
                source.update(piece)
                yield piece

        try:
            with part.open("xb") as target:
                name = urlsplit(url).path.rsplit("/", 1)[-1] if unpack else "the download"
                for piece in unpacked(seen(), name, self._place.max_download):
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

    def _known(self, key: str) -> Path:
        return self._place.cache / "known" / f"{hashlib.sha256(key.encode()).hexdigest()}.json"

    def _recall(self, url: str, key: str, *, path: Path | None = None) -> Fetched | None:
        try:
            data = json.loads(self._known(key).read_text())
            where = path or self._place.cache / "objects" / data["sha256"]
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

    def _validators(self, key: str) -> dict[str, str]:
        try:
            validators = json.loads(self._known(key).read_text()).get("validators", {})
            return {str(name): str(value) for name, value in validators.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def _remember(self, key: str, fetched: Fetched, *, validators: dict[str, str] | None = None) -> None:
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

    @contextmanager
    def _exclusive(self, key: str, deadline: Deadline) -> Iterator[None]:
        """Hold a lock against other runs on this machine: two jobs with one URL download it once."""
        locks = self._place.cache / "locks"
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


def _pieces(descriptor: int, deadline: Deadline) -> Iterator[bytes]:
    while data := os.read(descriptor, PIECE):
        deadline.check()
        yield data


@contextmanager
def _disk_errors(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InfrastructureError(f"the worker's disk is full: there is no room in {cache}") from exc
        raise InfrastructureError(f"the worker cannot use its cache {cache}: {exc}") from exc
