"""qcow2 images: looked into, and overlays made, compared with QEMU's own tool."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from devices.drivers import qcow2
from lab.kernel.errors import DefinitionFault

needs_qemu_img = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")


def qemu_img(*words: str | Path) -> str:
    return subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "raw"
    path.write_bytes(b"first sector".ljust(512, b".") + os.urandom(3_000_000 - 512))
    return path


@needs_qemu_img
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-c",),
        ("-c", "-o", "compression_type=zstd"),
        ("-o", "cluster_size=512"),
        ("-o", "cluster_size=2M"),
        ("-o", "compat=0.10"),
        ("-o", "extended_l2=on"),
    ],
)
def test_the_start_of_any_image_is_read(raw: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    image = tmp_path / "image"
    qemu_img("convert", "-f", "raw", "-O", "qcow2", *options, raw, image)

    with image.open("rb") as file:
        header = qcow2.read_header(file, "image")
        start = qcow2.read_start(file, header, 512)

    assert header.size == -(-3_000_000 // 512) * 512
    assert start == raw.read_bytes()[:512]


@needs_qemu_img
def test_what_an_image_does_not_hold_reads_as_zeros(tmp_path: Path) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-f", "qcow2", image, "10M")

    with image.open("rb") as file:
        assert qcow2.read_start(file, qcow2.read_header(file, "image"), 600) == bytes(600)


@needs_qemu_img
def test_an_image_that_reads_from_another_file_is_refused(raw: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-f", "qcow2", "-b", raw, "-F", "raw", image)

    with (
        image.open("rb") as file,
        pytest.raises(DefinitionFault, match=r"needs another file .*qemu-img convert"),
    ):
        qcow2.read_header(file, "image")


@needs_qemu_img
def test_an_image_that_keeps_its_data_elsewhere_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-f", "qcow2", "-o", f"data_file={tmp_path}/data,data_file_raw=on", image, "1M")

    with image.open("rb") as file, pytest.raises(DefinitionFault, match="keeps its data in another file"):
        qcow2.read_header(file, "image")


@pytest.mark.parametrize(
    "data", [b"", b"QFI\xfb", b"QFI\xfb" + bytes(200), b"QFI\xfb\0\0\0\x09" + bytes(200)]
)
def test_what_is_broken_is_refused(data: bytes) -> None:
    with pytest.raises(DefinitionFault, match="not a sound qcow2 image"):
        qcow2.read_header(io.BytesIO(data), "image")


@needs_qemu_img
@pytest.mark.parametrize("size", [512, 3_000_000, 600 * 1024**2, 3 * 1024**4])
def test_an_overlay_is_sound_and_shows_its_base(tmp_path: Path, size: int) -> None:
    base = tmp_path / "base,with=odd name"
    with base.open("wb") as file:
        file.write(b"content")
        file.truncate(size)
    image = tmp_path / "overlay"
    image.write_bytes(qcow2.overlay(str(base), "raw", size))

    qemu_img("check", "-q", image)
    about = json.loads(qemu_img("info", "--output=json", image))
    assert about["virtual-size"] == -(-size // 512) * 512
    assert (about["backing-filename"], about["backing-filename-format"]) == (str(base), "raw")
    if size < 1024**3:
        qemu_img("compare", "-f", "qcow2", "-F", "raw", image, base)


def test_a_name_that_no_header_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        qcow2.overlay("/" + "x" * 1100, "raw", 512)
