"""Power of a board that QEMU emulates, by QEMU's monitor.

Off is a stopped processor behind a reset: the process stays, and its serial line with it, as a real one does.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from devices.domain.config import BoardConfig
from devices.domain.power_text import in_text
from devices.drivers.board import PowerState
from devices.drivers.power.answers import told
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

STATES: dict[str, PowerState] = {
    "running": "on",
    "suspended": "on",
    "guest-panicked": "on",
    "internal-error": "on",
    "io-error": "on",
    "watchdog": "on",
    "prelaunch": "off",
    "paused": "off",
    "shutdown": "off",
}
"""What QEMU calls it. A machine that hangs has power; one that switched itself off has none."""
DEAD = ("shutdown", "guest-panicked", "internal-error", "io-error", "watchdog")
"""A machine in these states must be reset before it can run."""


class QmpOutlet:
    """See `devices.drivers.power.outlet.Outlet`."""

    cycles = False

    def __init__(self, board: BoardConfig) -> None:
        self._socket = in_text(board.power.socket, board.extra)

    def on(self, deadline: Deadline) -> None:
        with Monitor(self._socket, deadline) as monitor:
            status = monitor.status()
            if status in DEAD:
                monitor.reset()
            if status != "running":
                monitor.execute("cont")

    def off(self, deadline: Deadline) -> None:
        with Monitor(self._socket, deadline) as monitor:
            monitor.execute("stop")
            monitor.reset()

    def cycle(self, deadline: Deadline) -> None:
        raise NotImplementedError  # it does not cycle in one go

    def state(self, deadline: Deadline) -> PowerState:
        with Monitor(self._socket, deadline) as monitor:
            return STATES.get(monitor.status(), "unknown")


class Monitor:
    """A conversation with QEMU, one JSON object a line. QEMU talks to one client at a time: keep it short."""

    def __init__(self, where: str, deadline: Deadline) -> None:
        self._where, self._deadline = where, deadline
        self._received = b""
        self._events: list[str] = []
        deadline.check()
        self._line = self._connect()

    def __enter__(self) -> Monitor:
        try:
            if "QMP" not in self._receive():
                raise InfrastructureError(f"what listens at {self._where} is not QEMU's monitor (QMP)")
            self.execute("qmp_capabilities")
        except BaseException:
            self._line.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()

    def _connect(self) -> socket.socket:
        kind, _, path = self._where.partition(":")
        unix = kind == "unix"
        line = socket.socket(socket.AF_UNIX) if unix else None
        try:
            if line is not None:
                line.settimeout(max(0.01, self._deadline.remaining))
                line.connect(path)
                return line
            host, _, port = self._where.removeprefix("tcp:").rpartition(":")
            return socket.create_connection(
                (host.strip("[]"), int(port)), timeout=max(0.01, self._deadline.remaining)
            )
        except OSError as exc:
            if line is not None:
                line.close()
            reason = exc.strerror or str(exc)
            raise InfrastructureError(f"QEMU's monitor {self._where} does not answer: {reason}") from exc

    def status(self) -> str:
        return str(self.execute("query-status").get("status", ""))

    def reset(self) -> None:
        """Reset the machine; it has happened when this returns."""
        self._events.clear()
        self.execute("system_reset")
        while "RESET" not in self._events:
            self._note(self._receive())

    def execute(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Return what a command returns. Raises `InfrastructureError` with QEMU's words where it refuses."""
        returned = self.ask(command, arguments)
        return returned if isinstance(returned, dict) else {}

    def ask(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """The same, for commands that return something else than an object."""
        try:
            self._line.settimeout(max(0.01, self._deadline.remaining))
            request = {"execute": command, "arguments": dict(arguments)}
            self._line.sendall(json.dumps(request).encode() + b"\n")
        except OSError as exc:
            raise self._lost(exc) from exc
        while True:
            answer = self._receive()
            if "error" in answer:
                said = answer["error"].get("desc", answer["error"])
                raise InfrastructureError(f"QEMU refused {command}: {told(str(said))}")
            if "return" in answer:
                return answer["return"]
            self._note(answer)

    def _note(self, message: dict[str, Any]) -> None:
        self._events.append(str(message.get("event", "")))

    def _receive(self) -> dict[str, Any]:
        """Return the next object."""
        while b"\n" not in self._received:
            self._deadline.check()
            self._line.settimeout(max(0.01, self._deadline.tick))
            try:
                data = self._line.recv(64 * 1024)
            except TimeoutError:
                continue
            except OSError as exc:
                raise self._lost(exc) from exc
            if not data:
                raise InfrastructureError(f"QEMU closed its monitor {self._where}: is it still running?")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise InfrastructureError(f"what listens at {self._where} is not QEMU's monitor (QMP)")
        return found

    def _lost(self, exc: OSError) -> InfrastructureError:
        return InfrastructureError(f"QEMU's monitor {self._where} was lost: {exc.strerror or exc}")
