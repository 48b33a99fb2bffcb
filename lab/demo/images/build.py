"""From packages to images, and the stamp that saves doing it twice."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab.demo.images import disks
from lab.demo.images.architecture import ARCHITECTURES, Architecture
from lab.demo.images.errors import ImageError
from lab.demo.images.guest_tree import initramfs, system
from lab.demo.images.kernel import read_kernel
from lab.demo.images.packages import Archive, alone, unpack

__all__ = ["GuestImages", "ImageError", "build", "build_all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestImages:
    """Where the images of one architecture lie."""

    architecture: Architecture
    folder: Path

    def file(self, what: str) -> Path:
        return self.folder / f"guest-{self.architecture.name}.{what}"

    @property
    def kernel(self) -> Path:
        return self.file("vmlinuz")

    @property
    def initramfs(self) -> Path:
        return self.file("initramfs")

    @property
    def rootfs(self) -> Path:
        return self.file("rootfs.qcow2")

    @property
    def disk(self) -> Path:
        return self.file("disk.qcow2")

    @property
    def firmware(self) -> Path | None:
        """UEFI firmware that `disk` needs; None where the machine's own BIOS boots it."""
        return self.file("firmware") if self.architecture.firmware else None

    @property
    def stamp(self) -> Path:
        return self.file("json")


def build_all(folder: Path, names: Iterable[str] = ARCHITECTURES) -> dict[str, GuestImages]:
    """Build for several architectures at once; raises `ImageError`."""
    names = list(names)
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        return dict(zip(names, pool.map(lambda name: build(name, folder), names), strict=True))


def build(name: str, folder: Path) -> GuestImages:
    """Make sure that the images of an architecture are in the folder; raises `ImageError`.

    Processes that want the same images wait for the first one instead of building again.
    """
    if name not in ARCHITECTURES:
        raise ImageError(f"no images for {name!r}; there are {', '.join(ARCHITECTURES)}.")
    images = GuestImages(architecture=ARCHITECTURES[name], folder=folder)
    if is_current(images):
        return images
    work = folder / ".work"
    with alone(work / name):
        if not is_current(images):
            _build(images, work)
    return images


def is_current(images: GuestImages) -> bool:
    """Whether everything is there, made by this recipe."""
    try:
        stamp = json.loads(images.stamp.read_text())
        files = stamp["files"].items()
        return stamp["recipe"] == recipe() and all(
            (images.folder / name).stat().st_size == known["size"] for name, known in files
        )
    except (FileNotFoundError, ValueError, KeyError):
        return False


def recipe() -> str:
    """Return a digest of everything here that decides what an image is."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted([*folder.glob("*.py"), *folder.glob("guest/*")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _build(images: GuestImages, work: Path) -> None:
    architecture = images.architecture
    archive = Archive(work / f"apt-{architecture.name}", architecture.name)
    packages = [
        archive.fetch(archive.depends(architecture.kernel_package, r"linux-image-\d\S*")),
        archive.fetch("busybox-static"),
    ]
    kernel = read_kernel(packages[0])
    (busybox,) = unpack(packages[1], lambda path: path == "./bin/busybox").values()
    with tempfile.TemporaryDirectory(prefix="build-", dir=work / architecture.name) as temporary:
        scratch = Path(temporary)
        new = GuestImages(architecture=architecture, folder=scratch)
        new.kernel.write_bytes(kernel.image)
        new.initramfs.write_bytes(initramfs(busybox, kernel))
        root = scratch / "root.ext4"
        (scratch / "root").mkdir()
        disks.ext4(system(busybox, kernel), root, scratch / "root")
        disks.qcow2(root, new.rootfs)
        here = this_machine()
        tools = Archive(work / f"apt-{here}", here)
        if architecture.boot_loader:
            packages += _uefi_disk(new, root, archive, tools, scratch)
        else:
            packages += bios_disk(_kernel_files(new), _command_line(new), root, new.disk, tools, scratch)
        _publish(new, images, packages)


def bios_disk(
    kernel_files: Mapping[str, bytes],
    command_line: str,
    root: Path,
    image: Path,
    tools: Archive,
    scratch: Path,
) -> list[Path]:
    """Make a disk on which syslinux, on a FAT partition, loads ``vmlinuz`` and ``initrd``.

    Returns the packages it took for that.
    """
    if tools.architecture != "amd64":
        raise ImageError(
            "a disk that boots by BIOS can only be made on an amd64 machine (syslinux runs there)."
        )
    packages = [tools.fetch(name) for name in ("mtools", "syslinux", "syslinux-common")]
    mtools = _tools(packages, scratch / "tools")
    config = (
        "DEFAULT linux\nPROMPT 0\nTIMEOUT 0\nLABEL linux\n"
        f" LINUX /vmlinuz\n INITRD /initrd\n APPEND {command_line}\n"
    )
    boot, disk = scratch / "boot.fat", scratch / "disk.raw"
    disks.fat({**kernel_files, "syslinux.cfg": config.encode()}, boot, scratch / "fat", mtools)
    disks.run("syslinux", "--install", str(boot), environment=mtools)
    code = (scratch / "tools/usr/lib/syslinux/mbr/mbr.bin").read_bytes()
    disks.disk(boot, disks.BOOT_TYPE, root, disk, boot_code=code)
    disks.qcow2(disk, image)
    return packages


def _uefi_disk(
    images: GuestImages, root: Path, archive: Archive, tools: Archive, scratch: Path
) -> list[Path]:
    """systemd-boot, where firmware looks by itself, loads kernel and initramfs."""
    architecture = images.architecture
    packages = [
        tools.fetch("mtools"),
        archive.fetch("systemd-boot-efi"),
        archive.fetch(architecture.firmware_package),
    ]
    mtools = _tools(packages[:1], scratch / "tools")
    (loader,) = unpack(packages[1], lambda path: path.endswith("/" + architecture.boot_loader)).values()
    (firmware,) = unpack(packages[2], lambda path: path == architecture.firmware).values()
    # The package pads it to the size of the flash; qemu does so by itself.
    images.file("firmware").write_bytes(firmware.rstrip(b"\0"))
    entry = f"title Linux\nlinux /vmlinuz\ninitrd /initrd\noptions {_command_line(images)}\n"
    files = _kernel_files(images) | {
        f"EFI/BOOT/{architecture.boot_file}": loader,
        "loader/loader.conf": b"default linux.conf\ntimeout 0\n",
        "loader/entries/linux.conf": entry.encode(),
    }
    boot, disk = scratch / "boot.fat", scratch / "disk.raw"
    disks.fat(files, boot, scratch / "fat", mtools)
    disks.disk(boot, disks.EFI_TYPE, root, disk)
    disks.qcow2(disk, images.disk)
    return packages


def _kernel_files(images: GuestImages) -> dict[str, bytes]:
    return {"vmlinuz": images.kernel.read_bytes(), "initrd": images.initramfs.read_bytes()}


def _command_line(images: GuestImages) -> str:
    return f"console={images.architecture.console} root=LABEL={disks.ROOT_LABEL} quiet"


def _tools(packages: list[Path], folder: Path) -> dict[str, str]:
    """Unpack tools for this machine that need not be installed; returns the environment to run them in."""
    for package in packages:
        disks.run("dpkg-deb", "-x", str(package), str(folder))
    path = f"{folder}/usr/bin:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return {"PATH": path, "MTOOLS_SKIP_CHECK": "1", "MTOOLSRC": "/dev/null"}


def _publish(new: GuestImages, images: GuestImages, packages: list[Path]) -> None:
    """Move what was built into place, the stamp last."""
    images.stamp.unlink(missing_ok=True)
    files = {}
    for path in sorted(new.folder.glob(f"guest-{new.architecture.name}.*")):
        content = path.read_bytes()
        files[path.name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        path.replace(images.folder / path.name)
    stamp = {"recipe": recipe(), "packages": sorted(p.name for p in packages), "files": files}
    temporary = images.stamp.with_suffix(".tmp")
    temporary.write_text(json.dumps(stamp, indent=1) + "\n")
    temporary.replace(images.stamp)


def this_machine() -> str:
    """Return Debian's name of this machine's architecture."""
    names = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "armv8l": "armhf"}
    return names.get(platform.machine(), platform.machine())
