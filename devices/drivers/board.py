"""What a board is to those who use it, whatever hangs on the other end: a console and a power switch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol

from devices.domain.config import BoardConfig
from lab.kernel.deadline import Deadline

PowerState = Literal["on", "off", "unknown"]
Fence = Callable[[], None]
"""Asked right before each act on a board: raises once it is not the caller's any more."""


class PowerSwitch(Protocol):
    """Switches a board on and off. Thread-safe.

    Everything raises `InfrastructureError` when the switch does not do it, after the attempts that the
    configuration allows, with what it answered last; and what the deadline raises.
    """

    def on(self, deadline: Deadline) -> PowerState:
        """Switch on; returns what the switch says afterwards, ``unknown`` where it cannot tell."""

    def off(self, deadline: Deadline) -> PowerState:
        """Switch off."""

    def cycle(self, deadline: Deadline) -> PowerState:
        """Switch off, wait as configured, switch on."""

    def state(self, deadline: Deadline) -> PowerState:
        """Ask for the state."""


class TransferProgress(Protocol):
    """Is told how far a transfer is. Called often; returns quickly."""

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """`done` of `total` bytes of `what` (``image``) are through; None: the size is not known."""


class DeployMethod(Protocol):
    """Brings files to where the board boots from. One object for one job."""

    def deploy(
        self, files: Mapping[str, Path], progress: TransferProgress, deadline: Deadline
    ) -> Mapping[str, str]:
        """Place the files, verified by digest, while the board is off.

        `files`: unpacked files on the worker by key (``image``, ``kernel``, ``ramdisk``, ``dtb``, ``rootfs``,
        ``firmware``). Returns the values of the placeholders for the boot loader (``{kernel}`` …).
        Raises `DefinitionFault` for keys that this method cannot use, `InfrastructureError` where it fails.
        """

    def undo(self, deadline: Deadline) -> None:
        """Remove what `deploy` placed. Called when the job is over and the board is off."""


class DeployFactory(Protocol):
    """Makes the method that a board's configuration names."""

    def __call__(self, board: BoardConfig, job: int) -> DeployMethod: ...
