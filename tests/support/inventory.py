"""A small inventory to test on."""

from __future__ import annotations

from typing import Any

from devices import board_commands, type_commands

KVM: dict[str, Any] = {"qemu": "qemu-system-x86_64", "machine": "pc", "cpu": "max"}
HOST_TYPE: dict[str, Any] = {"runs": ["kvm"], "ssh": {"user": "lab", "port": 22}}
HOST: dict[str, Any] = {"ssh": {"host": "127.0.0.1", "port": 2222}}


def register_types() -> None:
    """Register the VM type ``kvm`` and the board type ``ssh-host``, which runs it."""
    type_commands.register_device_type("kvm", "vm", "x86-64", KVM, actor="lab")
    type_commands.register_device_type(
        "ssh-host", "board", "A host that is always on", HOST_TYPE, actor="lab"
    )


def register_board(name: str = "b1", **changed: Any) -> None:
    """Register a board of the type ``ssh-host``."""
    told: dict[str, Any] = {"site": "default", "tags": ["fast"], "description": "", "config": HOST} | changed
    board_commands.register_board(name, told.pop("device_type", "ssh-host"), **told, actor="lab")
