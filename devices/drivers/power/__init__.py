"""Power switches: `switch` makes the one that a board's configuration names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devices.domain.config import BoardConfig
from devices.drivers.board import Fence, PowerSwitch
from devices.drivers.power.command import CommandOutlet
from devices.drivers.power.http import HttpOutlet
from devices.drivers.power.outlet import FencedOutlet, Outlet, SteadySwitch
from devices.drivers.power.pdudaemon import PdudaemonOutlet
from devices.drivers.power.qmp import QmpOutlet

METHODS: Mapping[str, Callable[[BoardConfig], Outlet]] = {
    "command": CommandOutlet,
    "http": HttpOutlet,
    "pdudaemon": PdudaemonOutlet,
    "qmp": QmpOutlet,
}


def switch(board: BoardConfig, fence: Fence | None = None) -> PowerSwitch:
    """Return the power switch of a board that has one (`PowerConfig.present`). Nothing is asked of it yet.

    `fence`: asked before each attempt to switch.
    """
    outlet = METHODS[board.power.method](board)
    return SteadySwitch(outlet if fence is None else FencedOutlet(outlet, fence), board.power)
