"""The demo lab: what there is in the inventory. Seeding it again changes only what has changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from devices import commands, queries
from lab.demo.images import GuestImages
from lab.demo.sshd import SshServer
from lab.kernel.errors import NotFound

ACTOR = "lab"
HOST_TYPE = "ssh-host"
BOARD = "demo-host"
EXAMPLES = Path(__file__).parent / "examples"

VM_TYPES: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "kvm": (
        "amd64",
        "x86-64 virtual machine. Disks boot by BIOS.",
        {"qemu": "qemu-system-x86_64", "machine": "pc", "cpu": "qemu64", "console": "ttyS0", "bus": "pci"},
    ),
    "kvm-arm": (
        "armhf",
        "32-bit ARM virtual machine. Disks boot by UEFI; bare root file systems with a kernel of the lab's.",
        {
            "qemu": "qemu-system-arm",
            "machine": "virt,highmem=off",
            "kvm_qemu": "qemu-system-aarch64",
            "kvm_machine": "virt,gic-version=host",
            "cpu": "cortex-a15",
            "kvm_cpu": "host,aarch64=off",
        },
    ),
    "kvm-aarch64": (
        "arm64",
        "64-bit ARM virtual machine. Disks boot by UEFI; bare root file systems with a kernel of the lab's.",
        {
            "qemu": "qemu-system-aarch64",
            "machine": "virt",
            "kvm_machine": "virt,gic-version=host",
            "cpu": "cortex-a57",
        },
    ),
}
"""Name → architecture of its guests, description, what is particular to it."""


def seed(server: SshServer, images: Mapping[str, GuestImages], work_dir: Path) -> None:
    """Bring the inventory to what is there: VM types, the type of the host, the host itself.

    `work_dir` is where jobs keep their files on the host. Raises `Rejected` if somebody retired a part of it.
    """
    for name, (architecture, description, config) in VM_TYPES.items():
        _device_type(name, "vm", description, vm_type(config, images[architecture]))
    description = "A Linux machine that is always on and reached by ssh."
    _device_type(HOST_TYPE, "board", description, {"runs": list(VM_TYPES), "deploy": "none"})
    _board(host(server, work_dir))


def vm_type(config: Mapping[str, Any], images: GuestImages) -> dict[str, Any]:
    """Return the configuration of a VM type whose bare root file systems boot with the guests' kernel."""
    whole = {
        "memory": 256,
        "console": images.architecture.console,
        "bus": "device",
        "kernel": images.kernel.as_uri(),
        "ramdisk": images.initramfs.as_uri(),
        "prompts": [r"root@[^ ]*:[^ ]*# "],
        **config,
    }
    if images.firmware:
        whole["firmware"] = str(images.firmware)
    return whole


def host(server: SshServer, work_dir: Path) -> dict[str, Any]:
    """Return the configuration of the board."""
    return {
        "ssh": {
            "host": "127.0.0.1",
            "port": server.port,
            "user": server.user,
            "key_file": str(server.key_file),
            "host_key": server.host_key,
            "authorized_keys": str(server.authorized_keys),
        },
        "work_dir": str(work_dir),
    }


def example(name: str, images: Path) -> str:
    """Return an example definition, for images in that folder."""
    text = (EXAMPLES / name).read_text()
    return text.replace("@IMAGES@", images.as_uri()).replace("@EXAMPLES@", EXAMPLES.as_uri())


def _device_type(name: str, kind: str, description: str, config: dict[str, Any]) -> None:
    known = commands.load_device_type(name).version
    if known:
        commands.change_device_type(name, description=description, config=config, actor=ACTOR, cause="demo")
    else:
        commands.register_device_type(name, kind, description, config, actor=ACTOR, cause="demo")


def _board(config: dict[str, Any]) -> None:
    try:
        queries.board(BOARD)
    except NotFound:
        commands.register_board(
            BOARD,
            HOST_TYPE,
            settings.SITE_NAME,
            ["demo"],
            "This machine, by its own sshd.",
            config,
            actor=ACTOR,
            cause="demo",
        )
    else:
        commands.change_board(BOARD, config=config, actor=ACTOR, cause="demo")
