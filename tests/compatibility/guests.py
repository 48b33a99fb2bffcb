"""The guests that definitions run in: how Labbook is told to boot them, and how QEMU is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.demo.images import GuestImages, debian

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One kind of guest, on an emulated x86-64 machine."""

    name: str
    memory: int
    """MiB."""
    boot: Json
    """The deploy action, but for the role."""
    machine: Sequence[str]
    """Arguments of QEMU that boot it."""
    shell: str
    """What reads the steps when they are run by hand."""


def busybox(images: GuestImages) -> Guest:
    """Return the guest that has nothing but a kernel and busybox, in memory."""
    return Guest(
        name="busybox",
        memory=1024,
        boot={
            "command": "deploy_linaro_kernel",
            "parameters": {"kernel": images.kernel.as_uri(), "ramdisk": images.initramfs.as_uri()},
        },
        machine=(
            *("-kernel", str(images.kernel), "-initrd", str(images.initramfs)),
            *("-append", "console=ttyS0 panic=-1"),
        ),
        shell="sh",
    )


def of_debian(folder: Path, form: str) -> Guest:
    """Return the Debian guest, built where it is missing."""
    disk = debian.build(form, folder).disk
    return Guest(
        name="debian",
        memory=1024,
        boot={"command": "deploy_linaro_image", "parameters": {"image": disk.as_uri()}},
        machine=(
            *("-drive", f"file={disk},format=qcow2,if=none,id=disk,snapshot=on"),
            *("-device", "virtio-blk-pci,drive=disk,bootindex=0"),
        ),
        shell="bash",
    )
