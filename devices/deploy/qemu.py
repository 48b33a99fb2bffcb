"""``qemu``: files become the disk, the kernel and the firmware of an emulated board.

They lie under fixed names in one folder, so that the board's command line need not change: ``disk`` is always
qcow2, a throw-away overlay on ``disk.base``, which is the image and is only read. So nothing that the board
writes reaches the image, and deploying the same image again costs no copy. A QEMU that stays for as long as
the board is plugged in is told that there is another disk in it (`devices.deploy.qemu_disk`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from devices.deploy import files as placing
from devices.deploy import qemu_disk
from devices.domain.config import BoardConfig
from devices.drivers import qcow2
from devices.drivers.board import TransferProgress
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault

DISK, BASE = "disk", "disk.base"
AS_THEY_ARE = ("kernel", "ramdisk", "dtb", "firmware")
SHARED = 0o660
"""The board's QEMU may belong to another user of the folder's group."""


class QemuDeploy:
    """See `devices.drivers.board.DeployMethod`."""

    def __init__(self, board: BoardConfig, job: int) -> None:
        self._board, self._job = board, job

    def deploy(
        self, files: Mapping[str, Path], progress: TransferProgress, deadline: Deadline
    ) -> Mapping[str, str]:
        folder = placing.existing_folder(self._board.qemu.folder, "qemu.folder")
        if self._board.qemu.node:
            qemu_disk.check(self._board)
        placing.only(files, ("image", "rootfs", *AS_THEY_ARE), "an emulated board has no place for it")
        disks = [key for key in ("image", "rootfs") if key in files]
        if len(disks) > 1:
            raise DefinitionFault("image and rootfs cannot be deployed together: the board has one disk")
        self._clear(folder)  # what a run that was lost has left
        values = {}
        for key in disks:
            self._disk(folder, files[key], key, progress, deadline)
            values[key] = str(folder / DISK)
            if self._board.qemu.node:
                qemu_disk.insert(self._board, folder / DISK, deadline)
        for key in AS_THEY_ARE:
            if key in files:
                placing.place(files[key], folder / key, key, progress, deadline, mode=SHARED)
                values[key] = str(folder / key)
        return placing.placeholders(self._board, self._job, values)

    def _disk(
        self, folder: Path, source: Path, key: str, progress: TransferProgress, deadline: Deadline
    ) -> None:
        with source.open("rb") as image:
            packed = image.read(len(qcow2.MAGIC)) == qcow2.MAGIC
            size = qcow2.read_header(image, key).size if packed else source.stat().st_size
        if not size:
            raise DefinitionFault(f"the {key} cannot be a disk: it is empty")
        placing.link_or_place(source, folder / BASE, key, progress, deadline)
        overlay = qcow2.overlay(BASE, "qcow2" if packed else "raw", size)
        placing.write(folder / DISK, overlay, SHARED)

    def undo(self, deadline: Deadline) -> None:
        folder = placing.existing_folder(self._board.qemu.folder, "qemu.folder")
        if self._board.qemu.node:
            qemu_disk.remove(self._board, deadline)
        self._clear(folder)

    def _clear(self, folder: Path) -> None:
        placing.remove(folder, (DISK, BASE, *AS_THEY_ARE))
