"""Power by pdudaemon, which knows a great many power switches: its HTTP interface."""

from __future__ import annotations

from urllib.parse import urlencode

from devices.domain.config import BoardConfig
from devices.domain.power_request import PowerRequest
from devices.domain.power_text import in_text
from devices.drivers.board import PowerState
from devices.drivers.power.web import ask
from lab.kernel.deadline import Deadline


class PdudaemonOutlet:
    """See `devices.drivers.power.outlet.Outlet`.

    ``GET /power/control/{on|off}?hostname=PDU&port=OUTLET`` is answered when the switch has been told;
    one that failed to obey is answered for like any other, and there is no request for the state. Its
    ``reboot`` is not used: it answers only after the pause.
    """

    def __init__(self, board: BoardConfig) -> None:
        self._config = board.power
        self._base = in_text(board.power.url, board.extra).rstrip("/")
        self._pdu, self._port = in_text(board.power.pdu, board.extra), in_text(board.power.port, board.extra)

    cycles = False

    def on(self, deadline: Deadline) -> None:
        self._ask("on", deadline)

    def off(self, deadline: Deadline) -> None:
        self._ask("off", deadline)

    def cycle(self, deadline: Deadline) -> None:
        raise NotImplementedError  # it does not cycle in one go

    def state(self, deadline: Deadline) -> PowerState:
        return "unknown"

    def _ask(self, request: str, deadline: Deadline) -> None:
        query = urlencode({"hostname": self._pdu, "port": self._port})
        url = f"{self._base}/power/control/{request}?{query}"
        ask(PowerRequest(verb="GET", url=url), self._config, deadline)
