"""From package names to a disk: mmdebstrap, a kernel with all its modules, a file system, a boot loader."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shlex
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.demo.images import disks
from lab.demo.images.architecture import AMD64
from lab.demo.images.build import bios_disk, this_machine
from lab.demo.images.errors import ImageError
from lab.demo.images.guest_tree import initramfs
from lab.demo.images.kernel import read_kernel
from lab.demo.images.packages import SOURCES, Archive, alone, debian_sources, unpack
from lab.demo.images.tree import EPOCH

HERE = Path(__file__).parent
SUITE = "bookworm"
FORMS = ("base", "testing")
FREE = 2048
"""MiB of room in the root file system. It takes none of the host's until it is used."""
_LEFT_OUT = ("man", "doc", "locale", "info", "lintian")
"""Folders of /usr/share that nobody looks for in a throw-away guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianGuest:
    """Where one form of the guest lies."""

    form: str
    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / f"debian-{AMD64.name}.{self.form}.qcow2"

    @property
    def stamp(self) -> Path:
        return self.folder / f"debian-{AMD64.name}.{self.form}.json"

    @property
    def is_current(self) -> bool:
        """Whether the disk is there, made by this recipe."""
        try:
            stamp = json.loads(self.stamp.read_text())
            return bool(stamp["recipe"] == recipe(self.form) and stamp["size"] == self.disk.stat().st_size)
        except (FileNotFoundError, ValueError, KeyError):
            return False


def packages(form: str) -> list[str]:
    """Return the packages of a form; each form holds those before it."""
    names: list[str] = []
    for one in FORMS[: FORMS.index(form) + 1]:
        lines = (HERE / f"{one}.packages").read_text().splitlines()
        names += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return names


def recipe(form: str) -> str:
    """Return a digest of everything that decides what the disk is."""
    digest = hashlib.sha256(f"{form} {packages(form)}\n".encode())
    shared = [HERE.parent / name for name in ("disks.py", "guest_tree.py", "kernel.py")]
    for path in [*shared, *sorted([*HERE.parent.glob("guest/*"), *HERE.glob("*.py"), *HERE.glob("files/*")])]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def build(form: str, folder: Path) -> DebianGuest:
    """Make sure that a form of the guest is in the folder; raises `ImageError`.

    Processes that want the same wait for the first one instead of building again.
    """
    guest = DebianGuest(form=form, folder=folder)
    if guest.is_current:
        return guest
    if (here := this_machine()) != AMD64.name:
        raise ImageError(f"the Debian guest is built for {AMD64.name} only, and this machine is {here}.")
    with alone(folder / ".work" / f"debian-{form}"):
        if not guest.is_current:
            _build(guest, folder / ".work")
    return guest


def _build(guest: DebianGuest, work: Path) -> None:
    made_by = recipe(guest.form)
    archive = Archive(work / f"apt-{AMD64.name}", AMD64.name)
    kernel_package = archive.fetch(archive.depends(AMD64.kernel_package, r"linux-image-\d\S*"))
    kernel = read_kernel(kernel_package)
    (busybox,) = unpack(archive.fetch("busybox-static"), lambda path: path == "./bin/busybox").values()
    # In /tmp, not below the cache: in a user namespace the build must be able to walk there.
    with tempfile.TemporaryDirectory(prefix="debian-guest-") as temporary:
        scratch = Path(temporary)
        scratch.chmod(0o755)
        (scratch / "own.tar").write_bytes(_own_files(kernel_package, kernel.release))
        shutil.copy(HERE / "files" / "finish", scratch)
        system, root = scratch / "system.tar", scratch / "root.ext4"
        _install(packages(guest.form), scratch, kernel.release, system)
        disks.ext4_of_tar(system, root, scratch / "root", free=FREE)
        system.unlink()
        shutil.rmtree(scratch / "root")
        kernel_files = {"vmlinuz": kernel.image, "initrd": initramfs(busybox, kernel)}
        arguments = f"console={AMD64.console} root=LABEL={disks.ROOT_LABEL} quiet"
        disk = guest.folder / f".{guest.disk.name}.new"
        bios_disk(kernel_files, arguments, root, disk, archive, scratch)
        guest.stamp.unlink(missing_ok=True)
        disk.replace(guest.disk)
    stamp = {
        "recipe": made_by,
        "kernel": kernel_package.name,
        "packages": packages(guest.form),
        "size": guest.disk.stat().st_size,
    }
    new = guest.stamp.with_suffix(".tmp")
    new.write_text(json.dumps(stamp, indent=1) + "\n")
    new.replace(guest.stamp)


def _install(names: list[str], scratch: Path, release: str, system: Path) -> None:
    """Have mmdebstrap install the packages and our files, and leave all of it as a tar file."""
    own, finish = (shlex.quote(str(scratch / name)) for name in ("own.tar", "finish"))
    # As root without namespaces: they may be forbidden where builds run as root, in containers.
    mode = "root" if os.geteuid() == 0 else "unshare"
    disks.run(
        *("mmdebstrap", f"--mode={mode}", "--variant=minbase", f"--architectures={AMD64.name}", "--quiet"),
        f"--include={','.join(names)}",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT),
        *("--dpkgopt=force-unsafe-io", '--aptopt=APT::Install-Recommends "false"'),
        *('--aptopt=Acquire::Languages "none"', '--aptopt=Acquire::Retries "3"'),
        f"--customize-hook=tar-in {own} /",
        f'--customize-hook=sh {finish} "$1" {release}',
        *(SUITE, str(system), *(str(source) for source in debian_sources(SOURCES))),
    )


def _own_files(kernel_package: Path, release: str) -> bytes:
    """Return a tar of what no package installs: the kernel's modules and configuration, and our scripts."""
    modules = f"./lib/modules/{release}/"
    wanted = unpack(
        kernel_package, lambda path: path.startswith(modules) or path == f"./boot/config-{release}"
    )
    # Debian's /lib is a link to usr/lib; an archive that said "lib" would put a folder in its place.
    files = {f"usr{path[1:]}" if path.startswith("./lib") else path[2:]: (content, 0o644)
             for path, content in wanted.items()}  # fmt: skip
    own = (("init", "usr/sbin/init"), ("rc", "etc/rc"), ("profile.sh", "etc/profile.d/guest.sh"))
    for name, path in own:
        files[path] = ((HERE / "files" / name).read_bytes(), 0o755)
    files["etc/hostname"] = (b"debian\n", 0o644)
    files["etc/hosts"] = (b"127.0.0.1 localhost debian\n", 0o644)
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for path, (content, mode) in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode, info.mtime = len(content), mode, EPOCH
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()
