"""What hangs on a board besides its network: how a run gets at its console, its power switch, its storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from devices.domain.config import BoardConfig, ConsoleConfig
from devices.drivers.board import DeployFactory, PowerSwitch
from devices.drivers.shell import Terminal
from lab.kernel.deadline import Deadline


class OpenConsole(Protocol):
    """Opens a board's console. `note` is told, from the reader's thread, what happens to the line."""

    def __call__(
        self, config: ConsoleConfig, deadline: Deadline, note: Callable[[str], None] | None = None
    ) -> Terminal: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """The drivers of a lab. Asked only for what a board's configuration says that it has."""

    open_console: OpenConsole
    switch: Callable[[BoardConfig], PowerSwitch]
    deploy_method: DeployFactory
