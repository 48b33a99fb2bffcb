"""Power by commands on the worker: whatever tool the site's switch came with."""

from __future__ import annotations

from devices.domain.config import BoardConfig
from devices.domain.power_text import in_shell
from devices.drivers import worker_command
from devices.drivers.board import PowerState
from devices.drivers.power.answers import understood
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError


class CommandOutlet:
    """See `devices.drivers.power.outlet.Outlet`.

    Messages name the key and not the command, which may hold a password; it is in the configuration.
    """

    def __init__(self, board: BoardConfig) -> None:
        self._config, self._values = board.power, board.extra

    @property
    def cycles(self) -> bool:
        return bool(self._config.cycle)

    def on(self, deadline: Deadline) -> None:
        self._run("on", self._config.on, deadline)

    def off(self, deadline: Deadline) -> None:
        self._run("off", self._config.off, deadline)

    def cycle(self, deadline: Deadline) -> None:
        self._run("cycle", self._config.cycle, deadline)

    def state(self, deadline: Deadline) -> PowerState:
        if not self._config.status:
            return "unknown"
        return understood(self._run("status", self._config.status, deadline), self._config)

    def _run(self, key: str, command: str, deadline: Deadline) -> str:
        done = worker_command.run(in_shell(command, self._values), deadline)
        if not done.ok:
            raise InfrastructureError(f"the command power.{key} {done.ending}")
        return done.text
