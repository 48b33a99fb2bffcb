"""Power switches: `switch` makes the one that a board's configuration names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devices.domain.config import BoardConfig
from devices.drivers.board import PowerSwitch
from devices.drivers.power.command import CommandOutlet
from devices.drivers.power.http import HttpOutlet
from devices.drivers.power.outlet import Outlet, SteadySwitch
from devices.drivers.power.pdudaemon import PdudaemonOutlet
from devices.drivers.power.qmp import QmpOutlet

METHODS: Mapping[str, Callable[[BoardConfig], Outlet]] = {
    "command": CommandOutlet,
    "http": HttpOutlet,
    "pdudaemon": PdudaemonOutlet,
    "qmp": QmpOutlet,
}


def switch(board: BoardConfig) -> PowerSwitch:
    """Return the power switch of a board that has one (`PowerConfig.present`). Nothing is asked of it yet."""
    return SteadySwitch(METHODS[board.power.method](board), board.power)
