"""``netboot``: files lie where the boot loader fetches them, below the root of a TFTP or HTTP server.

Each job has a folder of its own there, so what a board fetches can only be what its job deployed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from devices.deploy import files as placing
from devices.domain.config import BoardConfig
from devices.domain.placeholders import FILES, named
from devices.drivers.board import TransferProgress
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError

ROOT = "labbook"
"""The folder below the server's that holds the jobs' folders."""


class NetbootDeploy:
    """See `devices.drivers.board.DeployMethod`."""

    def __init__(self, board: BoardConfig, job: int) -> None:
        self._board, self._job = board, job
        self._below = f"{ROOT}/{job}"

    def deploy(
        self, files: Mapping[str, Path], progress: TransferProgress, deadline: Deadline
    ) -> Mapping[str, str]:
        config = self._board.netboot
        root = placing.existing_folder(config.folder, "netboot.folder")
        placing.only(files, FILES, f"known are {', '.join(FILES)}")
        self._check_image(files)
        folder = root / self._below
        placing.remove_tree(folder)  # what a run that was lost has left
        try:
            for step in (root / ROOT, folder):
                step.mkdir(exist_ok=True)
                step.chmod(placing.FOLDER)  # the server is somebody else
        except OSError as exc:
            raise InfrastructureError(f"{folder} could not be made on the worker: {exc.strerror}") from exc
        for key, source in files.items():
            placing.place(source, folder / key, key, progress, deadline, mode=placing.READABLE)
        values = {key: f"{config.prefix}{self._below}/{key}" for key in files}
        own = {"server": config.server, "prefix": f"{config.prefix}{self._below}/"}
        return placing.placeholders(self._board, self._job, {**values, **own})

    def _check_image(self, files: Mapping[str, Path]) -> None:
        """Refuse a disk image where no step of the boot loader fetches one."""
        if "image" in files and not any("image" in named(step.send) for step in self._board.boot.loader):
            raise DefinitionFault(
                "image cannot be deployed to this board: its boot loader fetches a kernel from the network"
                " and never a whole disk; use deploy_linaro_kernel"
            )

    def undo(self, deadline: Deadline) -> None:
        root = placing.existing_folder(self._board.netboot.folder, "netboot.folder")
        placing.remove_tree(root / self._below)
