"""The demo lab's emulated ARM64 board, in the inventory: of a ready-made type, and a board like any other."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from devices import board_commands, queries, ready_made
from lab.demo.board.machine import DISK_NODE, Machine
from lab.demo.lab import ACTOR, CAUSE
from lab.kernel.errors import NotFound

TYPE = "qemu-arm64"
BOARD = "demo-arm64"
OF_VM_TYPES = {"kernel_args": "quiet", "boot_timeout": 900}
"""What VM types get besides: on an emulated host each character that a VM prints takes a millisecond."""
WORK_DIR = "/var/lib/labbook"
"""On the board's own disk."""


def seed(machine: Machine) -> None:
    """Bring the inventory to what is plugged in. Raises `Rejected` if somebody retired a part of it."""
    ready_made.load(ready_made.with_bases([TYPE]), actor=ACTOR)
    config = board(machine)
    try:
        queries.board(BOARD)
    except NotFound:
        site, words = settings.SITE_NAME, "An emulated ARM64 machine, treated like metal."
        board_commands.register_board(BOARD, TYPE, site, ["demo"], words, config, actor=ACTOR, cause=CAUSE)
    else:
        board_commands.change_board(BOARD, config=config, actor=ACTOR, cause=CAUSE)


def board(machine: Machine) -> dict[str, Any]:
    """Return the board's own configuration: where things are. Its type knows the rest."""
    return {
        "console": {"url": machine.serial_url},
        "power": {"socket": machine.monitor},
        "qemu": {"folder": str(machine.disks), "node": DISK_NODE},
        # Keys are read and typed on its console; the port of 127.0.0.1 is forwarded to it.
        "ssh": {"host": "127.0.0.1", "port": machine.ssh_port},
        "work_dir": WORK_DIR,
        "extra": {"bootargs": "rw quiet"},
    }
