"""The drivers with which real runs are done."""

from __future__ import annotations

from devices.deploy import deploy_method
from devices.drivers.power import switch
from devices.drivers.serial_line import open_console
from jobs.execution.boards.equipment import Equipment

LAB = Equipment(open_console=open_console, switch=switch, deploy_method=deploy_method)
