"""What a VM boots and the job does not bring: files that lie on the host, or that its own test has made."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import BinaryIO, cast

from devices.drivers import qcow2
from devices.drivers.shell import HostShell, quote
from jobs.execution.disks import START, content_of
from jobs.execution.images import BootFiles
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault


def looked_at(shell: HostShell, files: BootFiles, deadline: Deadline, *, strict: bool) -> BootFiles:
    """Return the files with what is known of them now that the VM is about to start.

    Raises `DefinitionFault` for one that is not there, or, with `strict`, for a disk that cannot boot.
    """
    for path in files.on_host:
        there = shell.run(f"[ -f {quote(path)} ] && [ -r {quote(path)} ]", deadline).ok
        if not there:
            raise DefinitionFault(
                f"there is no file {path} on the host: it must be there when the VMs start, which is"
                " when the host's test calls lava-start-vms, or before its tests if auto_start_vms is true"
            )
    if files.disk not in files.on_host or not files.disk:
        return files
    image = cast(BinaryIO, io.BufferedReader(_HostFile(shell, files.disk, deadline)))
    start = image.read(START)
    if start.startswith(qcow2.MAGIC):
        # Its backing file is no secret: the test that may have made it could read it, too.
        header = qcow2.read_header(image, files.disk, backing_allowed=True)
        content, kind, size = content_of(qcow2.read_start(image, header, START)), "qcow2", header.size
    else:
        content, kind, size = content_of(start), "raw", _size(shell, files.disk, deadline)
    bare = content == "bare" and not files.kernel
    if bare and strict and not files.kernel_for_bare:
        raise DefinitionFault(
            f"{files.disk} on the host is a bare root file system: it cannot boot by itself, and the VM type"
            " names no kernel for such images; use deploy_linaro_kernel with kernel and rootfs"
        )
    return replace(
        files,
        kernel=files.kernel_for_bare if bare else files.kernel,
        ramdisk=files.ramdisk_for_bare if bare else files.ramdisk,
        disk_format="qcow2" if kind == "qcow2" else "raw",
        disk_size=size,
        root_on_disk=content == "bare",
    )


def _size(shell: HostShell, path: str, deadline: Deadline) -> int:
    said = shell.run(f"wc -c <{quote(path)}", deadline).expect_ok(f"{path} cannot be measured").text.strip()
    return int(said)


class _HostFile(io.RawIOBase):
    """A file on the host, read piece by piece where it is looked at."""

    def __init__(self, shell: HostShell, path: str, deadline: Deadline) -> None:
        self._shell, self._path, self._deadline = shell, path, deadline
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("only from the start")
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        piece = f"tail -c +{self._at + 1} {quote(self._path)} | head -c {len(buffer)}"
        data = self._shell.run(piece, self._deadline).stdout
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
