"""Ways to bring files to where a board boots from: one module each, chosen by the board's configuration."""

from __future__ import annotations

from collections.abc import Mapping

from devices.deploy.command import CommandDeploy
from devices.deploy.netboot import NetbootDeploy
from devices.deploy.none import NoDeploy
from devices.deploy.qemu import QemuDeploy
from devices.domain.config import BoardConfig
from devices.drivers.board import DeployFactory, DeployMethod
from lab.kernel.errors import InfrastructureError

METHODS: Mapping[str, DeployFactory] = {
    "none": NoDeploy,
    "qemu": QemuDeploy,
    "netboot": NetbootDeploy,
    "command": CommandDeploy,
}
"""The values of ``deploy`` in a board's configuration."""


def deploy_method(board: BoardConfig, job: int) -> DeployMethod:
    """Return the deploy method of a board, for one job."""
    if board.deploy not in METHODS:
        raise InfrastructureError(
            f"there is no deploy method {board.deploy!r}; known are {', '.join(METHODS)}"
        )
    return METHODS[board.deploy](board, job)
