"""Fetching from files: roots, links, digests, the cache."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
from pathlib import Path

import pytest

from jobs.execution import cache
from jobs.execution.fetch import Fetcher
from jobs.execution.ports import Workplace
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Canceled, DefinitionFault, InfrastructureError


def soon() -> Deadline:
    return Deadline.after(30, "the fetch")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "disk.img").write_bytes(b"content")
    return folder


@pytest.fixture
def place(tmp_path: Path, root: Path) -> Workplace:
    return Workplace(cache=tmp_path / "cache", scratch=tmp_path / "scratch", file_roots=(root,))


def test_a_file_is_used_where_it_lies(place: Workplace, root: Path) -> None:
    fetched = Fetcher(place).get((root / "disk.img").as_uri(), soon())

    assert (fetched.path, fetched.size) == (root / "disk.img", 7)
    assert fetched.sha256 == fetched.source_sha256 == hashlib.sha256(b"content").hexdigest()


def test_a_packed_file_is_unpacked_into_the_cache(place: Workplace, root: Path) -> None:
    packed = gzip.compress(b"content")
    (root / "disk.img.gz").write_bytes(packed)

    fetched = Fetcher(place).get((root / "disk.img.gz").as_uri(), soon())

    assert fetched.path.read_bytes() == b"content"
    assert fetched.path.is_relative_to(place.cache)
    assert fetched.sha256 == hashlib.sha256(b"content").hexdigest()
    assert fetched.source_sha256 == hashlib.sha256(packed).hexdigest()


def test_the_digest_is_that_of_the_downloaded_bytes(place: Workplace, root: Path) -> None:
    packed = gzip.compress(b"content")
    (root / "disk.img.gz").write_bytes(packed)
    url = (root / "disk.img.gz").as_uri()

    Fetcher(place).get(url, soon(), sha256=hashlib.sha256(packed).hexdigest().upper())
    with pytest.raises(DefinitionFault, match="is not the expected content: its SHA-256 is"):
        Fetcher(place).get(url, soon(), sha256=hashlib.sha256(b"content").hexdigest())


def test_what_is_cached_is_not_unpacked_again(
    place: Workplace, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "disk.img.gz").write_bytes(gzip.compress(b"content"))
    url = (root / "disk.img.gz").as_uri()
    first = Fetcher(place).get(url, soon())
    monkeypatch.setattr(cache, "unpacked", lambda *_: pytest.fail("unpacked once more"))

    assert Fetcher(place).get(url, soon()) == first


def test_a_file_that_changed_is_fetched_anew(place: Workplace, root: Path) -> None:
    url = (root / "disk.img").as_uri()
    first = Fetcher(place).get(url, soon())
    (root / "disk.img").write_bytes(b"changed")
    os.utime(root / "disk.img", (1, 1))

    assert Fetcher(place).get(url, soon()).sha256 != first.sha256


def test_what_the_cache_has_lost_is_made_again(place: Workplace, root: Path) -> None:
    (root / "disk.img.gz").write_bytes(gzip.compress(b"content"))
    url = (root / "disk.img.gz").as_uri()
    Fetcher(place).get(url, soon()).path.unlink()

    assert Fetcher(place).get(url, soon()).path.read_bytes() == b"content"


def test_many_threads_unpack_once(place: Workplace, root: Path) -> None:
    (root / "disk.img.gz").write_bytes(gzip.compress(b"content" * 1000))
    fetcher, url = Fetcher(place), (root / "disk.img.gz").as_uri()
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(fetcher.get(url, soon()).size)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [7000] * 8
    assert len(list((place.cache / "objects").iterdir())) == 1


def test_a_ramdisk_stays_packed(place: Workplace, root: Path) -> None:
    (root / "initrd.gz").write_bytes(gzip.compress(b"content"))

    fetched = Fetcher(place).get((root / "initrd.gz").as_uri(), soon(), unpack=False)

    assert fetched.path == root / "initrd.gz"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("images/none.img", "does not exist on the worker"),
        ("images", "is not a file"),
        ("outside.img", "may not be used: file:// URLs must lie below one of this lab's folders"),
        ("images/../outside.img", "may not be used"),
        ("images/link.img", "may not be used"),
        ("images-more/disk.img", "may not be used"),
        ("images/%2e%2e/outside.img", "may not be used"),
    ],
)
def test_what_may_not_be_read(place: Workplace, tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "outside.img").write_bytes(b"secret")
    (tmp_path / "images-more").mkdir()
    (tmp_path / "images-more" / "disk.img").write_bytes(b"secret")
    (tmp_path / "images" / "link.img").symlink_to(tmp_path / "outside.img")

    with pytest.raises(DefinitionFault, match=words):
        Fetcher(place).get(f"file://{tmp_path}/{name}", soon())


@pytest.mark.parametrize("url", ["ftp://host/x", "scp://host/x", "disk.img", "", "file:relative", "lab:none"])
def test_other_kinds_of_urls(place: Workplace, url: str) -> None:
    with pytest.raises(DefinitionFault):
        Fetcher(place).get(url, soon())


def test_another_machines_file(place: Workplace) -> None:
    with pytest.raises(DefinitionFault, match="names another machine"):
        Fetcher(place).get("file://server/disk.img", soon())


def test_the_labs_own_configuration_may_name_any_file(place: Workplace, tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(b"kernel")

    assert Fetcher(place).get((tmp_path / "kernel").as_uri(), soon(), trusted=True).size == 6


def test_a_file_that_is_too_large(tmp_path: Path, root: Path) -> None:
    place = Workplace(cache=tmp_path / "cache", scratch=tmp_path, file_roots=(root,), max_download=3)

    with pytest.raises(DefinitionFault, match="larger than the 3 bytes"):
        Fetcher(place).get((root / "disk.img").as_uri(), soon())


def test_a_full_disk_says_so(place: Workplace, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "disk.img.gz").write_bytes(gzip.compress(b"content"))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)

    with pytest.raises(InfrastructureError, match="the worker's disk is full"):
        Fetcher(place).get((root / "disk.img.gz").as_uri(), soon())
    assert list((place.cache / "objects").iterdir()) == []


def test_fetching_can_be_cancelled(place: Workplace, root: Path) -> None:
    deadline = Deadline.after(30, stop=lambda: Canceled("by bob"))

    with pytest.raises(Canceled):
        Fetcher(place).get((root / "disk.img").as_uri(), deadline)
