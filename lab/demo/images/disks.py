"""File systems and disks, by mke2fs, debugfs, mtools and qemu-img; nothing is mounted."""

from __future__ import annotations

import os
import posixpath
import shlex
import shutil
import stat
import struct
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from lab.demo.images.errors import ImageError
from lab.demo.images.tree import EPOCH, Tree

SECTOR = 512
ROOT_LABEL = "guest-root"
_ROOT_UUID = "5b4f0c52-6a1e-4d0f-9a53-6c6162626f6f"
_ROOT_MIB = 64
_FIRST_SECTOR = 2048
BOOT_TYPE, EFI_TYPE, LINUX_TYPE = 0x0E, 0xEF, 0x83


def ext4(tree: Tree, image: Path, scratch: Path) -> None:
    """Make a root file system from the tree. Everything belongs to root, whoever makes it."""
    tree.write(scratch)
    environment = {"E2FSPROGS_FAKE_TIME": str(EPOCH)}
    options = f"hash_seed={_ROOT_UUID},root_owner=0:0,lazy_itable_init=0,nodiscard"
    features = "^metadata_csum,^64bit"
    image.unlink(missing_ok=True)
    run(
        *("mke2fs", "-q", "-t", "ext4", "-O", features, "-m", "0", "-L", ROOT_LABEL, "-U", _ROOT_UUID),
        *("-E", options, "-d", str(scratch), str(image), f"{_ROOT_MIB}M"),
        environment=environment,
    )
    # mke2fs copies owner and times from the folder it reads; they are ours to say.
    fields = {"uid": "0", "gid": "0", "atime": f"@{EPOCH}", "ctime": f"@{EPOCH}", "mtime": f"@{EPOCH}"}
    commands = []
    for path, entry in {**tree.entries, "": None}.items():
        mode = {} if entry is None else {"mode": f"0{entry.mode:o}"}
        for field, value in (fields | mode).items():
            commands.append(f'sif "/{path}" {field} {value}\n')
    script = scratch.with_suffix(".debugfs")
    script.write_text("".join(commands))
    run("debugfs", "-w", "-f", str(script), str(image), environment=environment)


def ext4_of_tar(archive: Path, image: Path, scratch: Path, *, free: int) -> None:
    """Make a root file system of what a tar file holds, with `free` MiB of room.

    Whoever makes it, owners and modes are those of the archive. Device files are left out: a guest's kernel
    makes its own. Raises `ImageError`.
    """
    scratch.mkdir()
    commands, size = [], 0
    with tarfile.open(archive) as tar:
        for member in tar:
            path = "/" + posixpath.normpath(member.name).lstrip("./")
            if not (member.isreg() or member.islnk() or member.issym() or member.isdir()):
                continue
            if path != "/":
                size += member.size + 4096
                _lay_out(tar, member, scratch, path)
            if not member.islnk() and '"' not in path:
                kind = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK}
                mode = kind.get(member.type, stat.S_IFREG) | member.mode
                fields = {"mode": f"0{mode:o}", "uid": f"{member.uid}", "gid": f"{member.gid}"}
                commands += [f'sif "{path}" {field} {value}\n' for field, value in fields.items()]
    image.unlink(missing_ok=True)
    room = size // (1024 * 1024) * 9 // 8 + free
    run(
        *("mke2fs", "-q", "-t", "ext4", "-m", "0", "-L", ROOT_LABEL, "-U", _ROOT_UUID),
        *("-E", "root_owner=0:0,nodiscard", "-d", str(scratch), str(image), f"{room}M"),
    )
    script = scratch.with_suffix(".debugfs")
    script.write_text("".join(commands))
    run("debugfs", "-w", "-f", str(script), str(image))


def _lay_out(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, path: str) -> None:
    """Write one member of an archive below a folder, as a file that belongs to us."""
    target = folder / path.lstrip("/")
    if not os.path.realpath(target.parent).startswith(os.path.realpath(folder)):
        raise ImageError(f"the archive would write outside of its folder: {member.name}")
    if member.isdir():
        target.mkdir(exist_ok=True)
    elif member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        os.link(folder / posixpath.normpath(member.linkname), target, follow_symlinks=False)
    elif (content := tar.extractfile(member)) is not None:
        with target.open("wb") as file:
            shutil.copyfileobj(content, file, 1024 * 1024)
        os.utime(target, (member.mtime, member.mtime))


def fat(files: Mapping[str, bytes], image: Path, scratch: Path, mtools: Mapping[str, str]) -> None:
    """Make a FAT file system with these files, just large enough. `mtools` is its environment."""
    scratch.mkdir(exist_ok=True)
    mebibyte = 1024 * 1024
    size = (sum(len(content) for content in files.values()) // mebibyte + 4) * mebibyte
    with image.open("wb") as file:
        file.truncate(size)
    geometry = ("-T", str(size // SECTOR), "-h", "64", "-s", "32", "-H", str(_FIRST_SECTOR))
    run("mformat", "-i", str(image), *geometry, "-N", "4c414242", "-v", "GUEST", "::", environment=mtools)
    folders = {parent for path in files for parent in Path(path).parents if parent != Path(".")}
    for folder in sorted(folders):
        run("mmd", "-i", str(image), f"::/{folder}", environment=mtools)
    for path, content in files.items():
        source = scratch / Path(path).name
        source.write_bytes(content)
        os.utime(source, (EPOCH, EPOCH))
        run("mcopy", "-m", "-i", str(image), str(source), f"::/{path}", environment=mtools)


def disk(boot: Path, boot_type: int, root: Path, image: Path, *, boot_code: bytes = b"") -> None:
    """Put a boot and a root file system into one disk with an MBR partition table."""
    sectors = [path.stat().st_size // SECTOR for path in (boot, root)]
    root_start = -(-(_FIRST_SECTOR + sectors[0]) // 2048) * 2048
    record = bytearray(SECTOR)
    record[: len(boot_code)] = boot_code
    struct.pack_into("<I", record, 440, 0x4C414242)
    struct.pack_into("<B3xB3xII", record, 446, 0x80, boot_type, _FIRST_SECTOR, sectors[0])
    struct.pack_into("<B3xB3xII", record, 462, 0, LINUX_TYPE, root_start, sectors[1])
    record[510:] = b"\x55\xaa"
    with image.open("wb") as file:
        file.write(record)
        for start, part in ((_FIRST_SECTOR, boot), (root_start, root)):
            file.seek(start * SECTOR)
            with part.open("rb") as content:
                _copy_sparse(content, file)
        file.truncate((root_start + sectors[1]) * SECTOR)


def _copy_sparse(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy, but leave out what is empty."""
    while piece := source.read(1024 * 1024):
        if piece.strip(b"\0"):
            target.write(piece)
        else:
            target.seek(len(piece), os.SEEK_CUR)


def qcow2(raw: Path, image: Path) -> None:
    """Convert, so that empty space takes none."""
    run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", str(raw), str(image))


def run(*command: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a tool; raises `ImageError` with what it said."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    environ = {**os.environ, "LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": str(EPOCH), "PATH": path}
    environ.update(environment or {})
    try:
        program = shutil.which(command[0], path=environ["PATH"]) or command[0]
        done = subprocess.run(
            (program, *command[1:]), env=environ, stdin=subprocess.DEVNULL, capture_output=True
        )
    except FileNotFoundError as exc:
        raise ImageError(f"{command[0]} is not installed; `make setup` installs it.") from exc
    if done.returncode:
        said = (done.stderr or done.stdout or b"").decode(errors="replace").strip()
        raise ImageError(f"{_shell(command)} failed: {said[-500:]}")


def _shell(command: Sequence[str]) -> str:
    return " ".join(shlex.quote(word) for word in command)[:200]
