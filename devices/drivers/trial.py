"""Trying a board's connections, one by one: does its power obey, its console speak, its ssh let us in?

Nothing is deployed and nothing booted on purpose: what a board does when it gets power is what it does. Each
try is reported with a transcript, also and above all when it fails.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from devices.domain.config import BoardConfig, SshConfig
from devices.drivers import ssh
from devices.drivers.board import Fence, PowerState, PowerSwitch
from devices.drivers.expect import Console, clean
from devices.drivers.power import switch
from devices.drivers.serial_line import open_console
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError, Rejected

Result = Literal["pass", "fail", "skip"]

LISTEN = 3.0
"""Seconds for which a console that speaks is listened to."""
HEARD = 8 * 1024
"""Bytes of a console in its transcript: the last ones."""
SSH_PAUSE = 2.0
LOOK_AROUND = "uname -srm; id -un; uptime"
"""Run by ssh: it changes nothing, and shows that it is the machine one means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of one thing that was tried."""

    step: str
    result: Result
    said: str
    """In a sentence."""
    transcript: str
    seconds: float
    switched: tuple[tuple[str, PowerState], ...] = ()
    """What was done to its power, and what the switch said then."""


Report = Callable[[Tried], None]


def budget(board: BoardConfig, what: str) -> float:
    """Return the seconds that an errand may take at the most, by what the board's configuration allows."""
    power = patience(board) if board.power.present else 0.0
    if what != "test":
        return power + 10
    console = board.console
    serial = console.open_timeout + console.speak_timeout + LISTEN if console.present else 0.0
    boots = board.boot.timeout + board.boot.ssh_timeout if board.power.present else 0.0
    return 2 * power + serial + boots + board.connect_timeout + board.command_timeout + 10


def patience(board: BoardConfig) -> float:
    """Return the seconds of all attempts: two switches with a look at the state before and after each."""
    power = board.power
    return 2 * power.attempts * (3 * power.timeout + 2 * power.retry_delay) + power.off_seconds


def switch_power(board: BoardConfig, action: str, deadline: Deadline, report: Report, fence: Fence) -> None:
    """Switch the power ``on``, ``off``, or ``cycle`` it, as long as the `fence` lets us."""
    notes = _Notes()
    power = switch(board, fence)
    do = {"on": power.on, "off": power.off, "cycle": power.cycle}[action]
    try:
        state = _switched(power, action, do, deadline, notes)
    except InfrastructureError as exc:
        deadline.check()
        report(notes.tried("power", "fail", f"{exc}."))
        return
    report(notes.tried("power", "pass", _power_words(state)))


def try_connections(board: BoardConfig, name: str, deadline: Deadline, report: Report, fence: Fence) -> None:
    """Try power, serial console and ssh of a board that nobody else uses, and leave its power as it was.

    Raises only what the deadline and the `fence` say: everything that fails is reported.
    """
    with contextlib.ExitStack() as leaving:
        ears = _Ears(board, name, fence)
        leaving.callback(ears.close)
        ears.open(deadline)
        powered = _try_power(board, deadline, report, leaving, fence)
        ears.listen(powered, deadline, report)
        _try_ssh(board, powered, deadline, report, fence)


@dataclass(kw_only=True)
class _Notes:
    """A transcript as it is written."""

    lines: list[str] = field(default_factory=list)
    switched: list[tuple[str, PowerState]] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def note(self, text: str) -> None:
        self.lines.append(f"[{time.monotonic() - self.begun:7.2f}] {text}")

    def tried(self, step: str, result: Result, said: str) -> Tried:
        return Tried(
            step=step,
            result=result,
            said=said,
            transcript="\n".join(self.lines),
            seconds=time.monotonic() - self.begun,
            switched=tuple(self.switched),
        )


def _skipped(step: str, said: str) -> Tried:
    return Tried(step=step, result="skip", said=said, transcript="", seconds=0.0)


# -- power -----------------------------------------------------------------------------------------------


def _try_power(
    board: BoardConfig, deadline: Deadline, report: Report, leaving: contextlib.ExitStack, fence: Fence
) -> bool:
    """Switch it off and on; returns whether the board has just got power."""
    if not board.power.present:
        report(_skipped("power", "It has no power switch: its configuration has no power.method."))
        return False
    notes, power = _Notes(), switch(board, fence)
    try:
        found = power.state(deadline)
        notes.note(f"its switch ({board.power.method}) says that it is {found}")
        if found != "on":  # unknown: as jobs leave it
            leaving.callback(leave_off, power, board)  # also where the worker is shut down just now
        state = _switched(power, "cycle", power.cycle, deadline, notes)
    except InfrastructureError as exc:
        deadline.check()
        notes.note(str(exc))
        report(notes.tried("power", "fail", f"{exc}."))
        return False
    report(notes.tried("power", "pass", _power_words(state)))
    return True


def _switched(
    power: PowerSwitch,
    action: str,
    do: Callable[[Deadline], PowerState],
    deadline: Deadline,
    notes: _Notes,
) -> PowerState:
    notes.note({"cycle": "switching it off and on again"}.get(action, f"switching it {action}"))
    state = do(deadline)
    notes.switched.append((action, state))
    notes.note("done" if state == "unknown" else f"done: it is {state}")
    return state


def leave_off(power: PowerSwitch, board: BoardConfig) -> None:
    """Switch it off again, unless the board was taken away and may be in use: its fence says so then.

    What else hinders that was reported when it was tried the first time.
    """
    with contextlib.suppress(InfrastructureError, Rejected):
        power.off(Deadline.after(patience(board), "the power switch"))


def _power_words(state: PowerState) -> str:
    if state == "unknown":
        return "The switch took the request; it cannot tell its state."
    return f"The switch did it, and says that it is {state}."


# -- the console -----------------------------------------------------------------------------------------


class _Ears:
    """The serial console, open before the power comes so that nothing is missed."""

    def __init__(self, board: BoardConfig, name: str, fence: Fence) -> None:
        self._board, self._name, self._fence = board, name, fence
        self._notes = _Notes()
        self._console: Console | None = None
        self._failure = ""
        self._heard = bytearray()
        self._total = 0
        self._lock = threading.Lock()

    def open(self, deadline: Deadline) -> None:
        config = self._board.console
        if not config.present:
            return
        self._notes = _Notes()
        self._notes.note(f"opening {config.url or ' '.join(config.command)}")
        try:
            within = deadline.within(config.open_timeout, "the console")
            terminal = open_console(config, within, self._notes.note)
        except InfrastructureError as exc:
            deadline.check()
            self._failure = str(exc)
            self._notes.note(self._failure)
            return
        self._notes.note("open")
        self._console = Console(terminal, self._hear, self._name, pausing=False)

    def _hear(self, data: bytes) -> int:
        with self._lock:
            at, self._total = self._total, self._total + len(data)
            self._heard += data
            del self._heard[:-HEARD]
        return at

    def listen(self, powered: bool, deadline: Deadline, report: Report) -> None:
        """Wait for the board to say something, by itself after power on, or else to the Enter key."""
        if not self._board.console.present:
            report(_skipped("serial", "It has no serial console configured."))
            return
        if self._console is None:
            report(self._notes.tried("serial", "fail", f"{self._failure}."))
            return
        speaks = min(self._board.console.speak_timeout, self._board.boot.timeout)
        within = speaks if powered else self._board.waits.answer
        try:
            if not powered and not self._total:
                self._fence()
                self._notes.note("pressing Enter")
                self._console.line("", deadline)
            self._wait(within, lambda: self._total > 0, deadline)
            if self._total:
                self._wait(LISTEN, lambda: False, deadline)
        except InfrastructureError as exc:
            deadline.check()
            self._notes.note(str(exc))
            report(self._with_what_was_heard("fail", f"{exc}."))
            return
        if self._total:
            report(self._with_what_was_heard("pass", f"The console is open and said {self._total} bytes."))
            return
        moment = "after power on" if powered else "after Enter was pressed"
        hint = (
            "is the line the right one, and its speed?" if powered else "is the board on, and its line right?"
        )
        said = f"The console opened, but nothing came within {within:g} s {moment}: {hint}"
        report(self._with_what_was_heard("fail", said))

    def _wait(self, seconds: float, enough: Callable[[], bool], deadline: Deadline) -> None:
        assert self._console is not None
        end = time.monotonic() + seconds
        while not enough() and time.monotonic() < end:
            self._console.read(deadline, 0.2)

    def _with_what_was_heard(self, result: Result, said: str) -> Tried:
        with self._lock:
            text = clean(bytes(self._heard)).decode(errors="replace")
        lines = text.replace("\r\n", "\n").replace("\r", "\n").splitlines()
        if lines:
            self._notes.note("it said:")
            self._notes.lines += [f"  {line}" for line in lines]
        return self._notes.tried("serial", result, said)

    def close(self) -> None:
        if self._console is not None:
            self._console.close()


# -- ssh -------------------------------------------------------------------------------------------------


def _try_ssh(board: BoardConfig, powered: bool, deadline: Deadline, report: Report, fence: Fence) -> None:
    config = board.ssh
    if not config.host:
        report(_skipped("ssh", "Its address is read from its console when a job boots it."))
        return
    if board.deploy != "none":
        report(_skipped("ssh", "What answers there comes with each job: its system is deployed first."))
        return
    if not config.key_file and board.console.present:
        report(_skipped("ssh", "Jobs put their key in by the console: no ssh.key_file is configured."))
        return
    notes = _Notes()
    if not config.key_file:
        report(notes.tried("ssh", "fail", "Nothing says with which key to log in: ssh.key_file is missing."))
        return
    seconds = board.boot.timeout + board.boot.ssh_timeout if powered else board.connect_timeout
    try:
        host = _connected(config, powered, deadline.within(seconds, f"ssh to {config.host}"), notes)
    except InfrastructureError as exc:
        deadline.check()
        notes.note(str(exc))
        report(notes.tried("ssh", "fail", f"{exc}."))
        return
    try:
        fence()
        notes.note(f"logged in as {config.user}; running: {LOOK_AROUND}")
        done = host.run(LOOK_AROUND, deadline.within(board.command_timeout, "a command by ssh"))
        notes.lines += [f"  {line}" for line in (done.text or done.ending).splitlines()]
        report(notes.tried("ssh", "pass", f"{host.name} lets us in and runs commands."))
    except InfrastructureError as exc:
        deadline.check()
        notes.note(str(exc))
        report(notes.tried("ssh", "fail", f"{exc}."))
    finally:
        host.close()


def _connected(config: SshConfig, booting: bool, deadline: Deadline, notes: _Notes) -> ssh.SshHost:
    """Connect; a machine that has just got power is tried until the deadline."""
    notes.note(f"connecting to {config.user}@{config.host}:{config.port}")
    while True:
        try:
            return ssh.connect(config, deadline)
        except ssh.NotLetIn:
            raise
        except InfrastructureError as exc:
            if not booting or deadline.remaining < SSH_PAUSE:
                raise
            if not notes.lines[-1].endswith(str(exc)):
                notes.note(str(exc))
        wait = time.monotonic() + SSH_PAUSE
        while time.monotonic() < wait:
            deadline.check()
            time.sleep(deadline.tick)
