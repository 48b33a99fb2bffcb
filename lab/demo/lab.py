"""The demo lab: what there is in the inventory. Seeding it again changes only what has changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from devices import board_commands, loading, queries, ready_made, type_commands
from devices.ready_made import ReadyMade
from lab.demo.images import GuestImages
from lab.demo.sshd import SshServer
from lab.kernel.errors import NotFound

ACTOR, CAUSE = "lab", "demo"
HOST_TYPE = "ssh-host"
BOARD = "demo-host"
EXAMPLES = Path(__file__).parent / "examples"

VM_TYPES: Mapping[str, str] = {"kvm": "amd64", "kvm-arm": "armhf", "kvm-aarch64": "arm64"}
"""Name of a ready-made type → architecture of its guests."""


def seed(
    server: SshServer,
    images: Mapping[str, GuestImages],
    work_dir: Path,
    own: Mapping[str, Any] | None = None,
) -> None:
    """Bring the inventory to what is there: VM types, the type of the host, the host itself.

    `work_dir` is where jobs keep their files on the host, `own` goes into all VM types. Raises `Rejected` if
    somebody retired a part of it.
    """
    ready = ready_made.ready_made()
    ready_made.load(
        [one for name in VM_TYPES for one in ready_made.with_bases([ready[name].base])], actor=ACTOR
    )
    for name, architecture in VM_TYPES.items():
        _vm_type(ready[name], vm_type(images[architecture]) | dict(own or {}))
    description = "A Linux machine that is always on and reached by ssh."
    _device_type(HOST_TYPE, "board", description, {"runs": list(VM_TYPES), "deploy": "none"})
    _board(host(server, work_dir))


def vm_type(images: GuestImages) -> dict[str, Any]:
    """Return what is the demo's own of a VM type: bare root file systems boot with the guests' kernel."""
    own: dict[str, Any] = {
        "memory": 256,
        "kernel": images.kernel.as_uri(),
        "ramdisk": images.initramfs.as_uri(),
        "prompts": [r"root@[^ ]*:[^ ]*# "],
    }
    if images.firmware:
        own["firmware"] = str(images.firmware)
    return own


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


def _vm_type(ready: ReadyMade, config: dict[str, Any]) -> None:
    """Register a type under a ready-made one's name: based on the same, with the demo's own configuration."""
    _device_type(ready.name, "vm", ready.description, config, base=ready.base)


def _device_type(name: str, kind: str, description: str, config: dict[str, Any], *, base: str = "") -> None:
    if loading.load_device_type(name).version:
        type_commands.change_device_type(
            name, description=description, config=config, base=base, actor=ACTOR, cause=CAUSE
        )
    else:
        type_commands.register_device_type(
            name, kind, description, config, base=base, actor=ACTOR, cause=CAUSE
        )


def _board(config: dict[str, Any]) -> None:
    try:
        queries.board(BOARD)
    except NotFound:
        board_commands.register_board(
            BOARD,
            HOST_TYPE,
            settings.SITE_NAME,
            ["demo"],
            "This machine, by its own sshd.",
            config,
            actor=ACTOR,
            cause=CAUSE,
        )
    else:
        board_commands.change_board(BOARD, config=config, actor=ACTOR, cause=CAUSE)
