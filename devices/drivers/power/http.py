"""Power by requests to a switch on the web."""

from __future__ import annotations

from devices.domain.config import BoardConfig
from devices.domain.power_request import PowerRequest, parse_request
from devices.domain.power_text import in_json, in_url
from devices.drivers.board import PowerState
from devices.drivers.power.answers import understood
from devices.drivers.power.web import ask
from lab.kernel.deadline import Deadline


class HttpOutlet:
    """See `devices.drivers.power.outlet.Outlet`. What a key asks for is done when the answer is a 2xx."""

    def __init__(self, board: BoardConfig) -> None:
        self._config, self._values = board.power, board.extra

    @property
    def cycles(self) -> bool:
        return bool(self._config.cycle)

    def on(self, deadline: Deadline) -> None:
        self._ask(self._config.on, deadline)

    def off(self, deadline: Deadline) -> None:
        self._ask(self._config.off, deadline)

    def cycle(self, deadline: Deadline) -> None:
        self._ask(self._config.cycle, deadline)

    def state(self, deadline: Deadline) -> PowerState:
        if not self._config.status:
            return "unknown"
        return understood(self._ask(self._config.status, deadline), self._config)

    def _ask(self, text: str, deadline: Deadline) -> str:
        raw = parse_request(text)
        body = in_json(raw.body, self._values) if raw.json else in_url(raw.body, self._values)
        request = PowerRequest(verb=raw.verb, url=in_url(raw.url, self._values), body=body)
        return ask(request, self._config, deadline)
