"""``none``: the board's installed system is used as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from devices.domain.config import BoardConfig
from devices.drivers.board import TransferProgress
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault


class NoDeploy:
    """Refuses to change anything. See `devices.drivers.board.DeployMethod`."""

    def __init__(self, board: BoardConfig, job: int) -> None:
        pass

    def deploy(
        self, files: Mapping[str, Path], progress: TransferProgress, deadline: Deadline
    ) -> Mapping[str, str]:
        asked = ", ".join(files) or "nothing"
        raise DefinitionFault(
            f"this board always runs the system that is installed on it, so {asked} cannot be deployed to it;"
            " use dummy_deploy for its role, and give deploy actions the role of a VM"
        )

    def undo(self, deadline: Deadline) -> None:
        """Nothing was done."""
