"""A board that is not there: a power switch and a serial line behind which U-Boot and Linux act by a script.

The shell that it comes to is a real one, on this machine; so is the sshd that a test lets it be reached by.
What is typed at the shell runs one line at a time, each in a process of its own.
"""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from devices.domain.config import BoardConfig, ConsoleConfig
from devices.drivers.board import PowerState
from devices.drivers.shell import Terminal
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

LINUX = ("[    0.000000] Linux version 6.1.0-metal", "[    0.500000] Run /sbin/init as init process")
PROMPT = "root@metal:~# "


@dataclass(frozen=True, kw_only=True)
class Boot:
    """What happens after power on. `answers`: what U-Boot says to lines that contain a word."""

    loader: bool = True
    answers: Mapping[str, str] = field(default_factory=dict)
    kernel: tuple[str, ...] = LINUX
    ends: str = "login"
    """``login``, ``shell`` or ``hang``: what comes after the kernel's lines."""


class Metal:
    """One such board. It boots as `boots` say, one after the other; the last one again and again."""

    def __init__(self, *boots: Boot) -> None:
        self._boots = list(boots or [Boot()])
        self.power: list[str] = []
        """What the switch was told."""
        self.typed: list[str] = []
        """Lines that were typed while the board was on."""
        self.stuck = False
        """Whether the switch fails."""
        self.tells = True
        """Whether the switch knows its state."""
        self._on = False
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._mode = "off"
        self._boot = self._boots[0]
        self._partial = ""
        self._open = 0
        self._lock = threading.RLock()
        self.on_power: Callable[[str], None] = lambda what: None
        self.opened_while: list[bool] = []

    # -- the power switch ------------------------------------------------------------------------------

    def switch(self, board: BoardConfig) -> Metal:
        return self

    def on(self, deadline: Deadline) -> PowerState:
        return self._turn("on")

    def off(self, deadline: Deadline) -> PowerState:
        return self._turn("off")

    def cycle(self, deadline: Deadline) -> PowerState:
        self._turn("off")
        return self._turn("on")

    def state(self, deadline: Deadline) -> PowerState:
        if not self.tells:
            return "unknown"
        return "on" if self._on else "off"

    def _turn(self, what: str) -> PowerState:
        with self._lock:
            self.power.append(what)
            if self.stuck:
                raise InfrastructureError("the power switch (fake) did not switch: it smells burnt")
            was, self._on = self._on, what == "on"
            self.on_power(what)
            if self._on and not was:
                self._start()
            elif not self._on:
                self._mode = "off"
        return self.state(Deadline.after(1))

    def _start(self) -> None:
        self._boot = self._boots.pop(0) if len(self._boots) > 1 else self._boots[0]
        self._partial = ""
        if self._boot.loader:
            self._mode = "countdown"
            self.print("\r\nU-Boot 2023.01\r\n\r\nHit any key to stop autoboot:  2 \b\b\b 1 ")
        else:
            self._linux()

    def _linux(self) -> None:
        self.print("".join(f"{line}\r\n" for line in self._boot.kernel))
        self._mode = self._boot.ends
        if self._mode == "login":
            self.print("\r\nDebian GNU/Linux 12 metal ttyAMA0\r\n\r\nmetal login: ")
        elif self._mode == "shell":
            self.print(PROMPT)

    # -- the serial line -------------------------------------------------------------------------------

    def open_console(
        self, config: ConsoleConfig, deadline: Deadline, note: Callable[[str], None] | None = None
    ) -> Terminal:
        self.opened_while.append(self._on)
        return _Line(self, self._lines)

    def print(self, text: str) -> None:
        """Let the board print."""
        if text:
            self._lines.put(text.encode())

    def take(self, data: bytes) -> None:
        """Take what is typed."""
        with self._lock:
            if self._mode in ("off", "hang"):
                return
            if self._mode == "countdown":
                self._mode = "loader"
                self.print("\r\n=> ")
                data = data[1:]
            self._partial += data.decode()
            while "\n" in self._partial:
                line, _, self._partial = self._partial.partition("\n")
                self._line(line)

    def _line(self, line: str) -> None:
        self.typed.append(line)
        self.print(f"{line}\r\n")
        if self._mode == "loader":
            answer = next((text for word, text in self._boot.answers.items() if word in line), "")
            self.print(answer.replace("\n", "\r\n"))
            if line.startswith(("booti", "bootz", "boot")) and not answer:
                self._linux()
            else:
                self.print("=> ")
        elif self._mode == "login":
            self._mode = "shell"
            self.print(f"Last login: never\r\n{PROMPT}")
        else:
            done = subprocess.run(["sh", "-c", line], capture_output=True, check=False)
            self.print((done.stdout + done.stderr).decode().replace("\n", "\r\n") + PROMPT)


class _Line:
    """See `devices.drivers.shell.Terminal`."""

    ending = "it was closed"

    def __init__(self, metal: Metal, lines: queue.SimpleQueue[bytes]) -> None:
        self._metal, self._lines, self._open = metal, lines, True

    def read(self, seconds: float) -> bytes | None:
        if not self._open:
            return b""
        try:
            return self._lines.get(timeout=min(seconds, 0.1))
        except queue.Empty:
            return None

    def write(self, data: bytes, deadline: Deadline) -> None:
        self._metal.take(data)

    def close(self) -> None:
        self._open = False
