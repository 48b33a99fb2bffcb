"""A job that people want to look at before it is gone: its work is done, VMs run, the host is not cleaned.

What came of the job is known by then and stays as it is. Nothing reads the consoles for the test any more;
people type on them. The host gets a shell of its own for that, of which clean-up leaves nothing.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

from devices.drivers.expect import Console
from devices.drivers.shell import quote
from jobs.domain.hands_events import HoldEnded, HoldStarted
from jobs.execution.arrival import Arrival
from jobs.execution.hands import HoldWish
from jobs.execution.ports import Superseded
from jobs.execution.run import Run
from lab.kernel.deadline import Deadline
from lab.kernel.errors import JobError

LOOK_EVERY = 0.2
SHELL = """cd {folder} 2>/dev/null || cd /
export LABBOOK_HANDLE={handle} LABBOOK_FOLDER={folder} TERM=xterm-256color
stty cols 80 rows 24 2>/dev/null
shell=$(command -v bash || command -v sh)
exec "$shell" -i
"""


class Closable(Protocol):
    """A VM that may still run."""

    def close(self) -> None:
        """End what is left of it."""


class Holding:
    """What is kept of a run, and for how long."""

    def __init__(self, run: Run, arrival: Arrival) -> None:
        self._run, self._arrival = run, arrival
        self._vms: list[Closable] = []

    def add(self, vm: Closable) -> None:
        """A VM that may have to be closed when the hold is over."""
        self._vms.append(vm)

    def hold(self) -> None:
        """Hold the run as long as people want that, then close what was kept."""
        try:
            wish = None if self._over else self._run.hands.wanted(failed=self._run.failed)
            if wish is not None:
                self._held(wish)
        except Superseded:
            self._run.superseded = True
        finally:
            for vm in self._vms:
                self._close(vm)

    @property
    def _over(self) -> bool:
        return self._run.superseded or self._run.canceled

    def _close(self, vm: Closable) -> None:
        try:
            vm.close()
        except Superseded:
            self._run.superseded = True

    def _held(self, first: HoldWish) -> None:
        hands, journal = self._run.hands, self._run.journal
        # Whatever becomes of the machine in people's hands is no failure of the job.
        self._arrival.machine.quiet()
        begun = journal.now()
        until = begun + first.seconds
        journal.facts(HoldStarted(until=until, at=begun))
        with ExitStack() as stack:
            self._open_shell(stack)
            why = ""
            while not why:
                hands.wait(LOOK_EVERY)
                now, until = journal.now(), self._until(begun, until)
                if now >= until:
                    hands.look()  # somebody may have asked for more since the last look
                    until = self._until(begun, until)
                wish = hands.wish
                if self._run.canceled:
                    why = f"canceled: {self._run.cancel_reason}"
                elif self._run.superseded:
                    return
                elif wish is None:
                    why = "it was let go"
                elif wish.if_failed and not self._run.failed:
                    why = "it has not failed"  # that was asked for when the hold was about to begin
                elif now >= until:
                    why = "its time is over"
        journal.facts(HoldEnded(reason=why, at=journal.now()))

    def _until(self, begun: float, known: float) -> float:
        """Return when the hold ends as far as people have said, or else what is known."""
        wish = self._run.hands.wish
        if wish is None:
            return known
        # What was asked for while the hold began is not known yet to have begun, and counts from there.
        return begun + wish.seconds if wish.until is None else wish.until

    def _open_shell(self, stack: ExitStack) -> None:
        """Give people a shell on the host, where it still answers."""
        arrival = self._arrival
        if not arrival.connected:
            return
        script = SHELL.format(folder=quote(arrival.place.folder), handle=quote(arrival.place.handle))
        try:
            within = self._run.assignment.board.command_timeout
            terminal = arrival.line.terminal(
                script, Deadline.after(within, "a shell on the host", stop=self._why_stop)
            )
        except JobError as exc:
            self._run.journal.note(0, "warning", f"there is no shell on the host to type on: {exc}")
            return
        record = stack.enter_context(arrival.machine.record.leading())
        console = Console(terminal, record, self._run.host.name, waits=self._run.assignment.board.waits)
        console.let_go()
        stack.callback(console.close)
        stack.enter_context(self._run.typed_on(0, console))

    def _why_stop(self) -> JobError | None:
        return JobError("the job is being ended") if self._over else None
