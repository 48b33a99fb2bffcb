"""A host that dies, or starts anew, while its job runs: noticed by its console, told to everybody at once.

What a console says is no proof: a driver may have an oops and the machine live on, a test may print anything.
So the host is asked by ssh first; only one that does not answer, or has booted anew, is taken for lost.
"""

from __future__ import annotations

from collections.abc import Callable

from devices.drivers.expect import Match, gave_up
from devices.drivers.shell import HostShell
from devices.drivers.signs import Sign
from devices.drivers.ssh import SshHost
from jobs.execution.boards.machine import Machine
from jobs.execution.boards.serial import STARTED
from jobs.execution.ports import ConsoleFull, Superseded
from jobs.execution.run import Run
from lab.kernel.deadline import Deadline
from lab.kernel.errors import JobError, TestFault


def boot_id(shell: HostShell, deadline: Deadline) -> str:
    """Return what changes with each boot of a host; empty if it does not tell."""
    return shell.run("cat /proc/sys/kernel/random/boot_id 2>/dev/null || :", deadline).text


class Watch:
    """Of one run's host, from when it answers until it is left or rebooted."""

    def __init__(self, run: Run, machine: Machine, lines: Callable[[], list[SshHost]]) -> None:
        self._run, self._machine, self._lines = run, machine, lines
        self._boot_id = ""
        self.dead = ""
        """Why the host is taken for lost; empty while it is not."""

    def begin(self, boot_id: str) -> None:
        """Watch a host that has just come up."""
        self._boot_id = boot_id
        self._machine.watch(self._on_sign, self._on_error)

    def _on_sign(self, sign: Sign, match: Match) -> None:
        if self.dead or self._run.superseded:
            return
        try:
            if self._lives():
                if sign is not STARTED:
                    words = f"the console of the host says: {match.line.strip()}; it goes on to answer"
                    self._run.journal.note(0, "warning", words)
                return
            self._lost(sign, match)
        except Superseded:
            self._run.superseded = True

    def _lives(self) -> bool:
        """Say whether the host answers, and is the one that came up for this job."""
        line = next(iter(self._lines()), None)
        if line is None:
            return False
        try:
            seconds = self._machine.board.ssh.proof_timeout
            found = boot_id(line, Deadline.after(seconds, "the host's answer", stop=self._run.deadline.stop))
        except JobError:
            return False
        return found == self._boot_id

    def _lost(self, sign: Sign, match: Match) -> None:
        console = self._machine.console
        if console is None:
            return
        if sign is STARTED:
            summary = f"the host {self._machine.name} has started anew in mid-test"
            lines = f"; the lines before that:\n{console.around(match.line, before=10, after=0)}"
        else:
            said = gave_up(console, sign, match.line)
            summary, lines = f"the host crashed in mid-test: {said.summary}", said.lines
        self.dead = summary
        self._run.fail(TestFault(summary + lines), 0)
        self._end(summary)

    def _on_error(self, error: Exception) -> None:
        """The console can be read no more."""
        if self.dead or self._run.superseded:
            return
        if isinstance(error, ConsoleFull):
            error = TestFault(str(error))
        self._run.fail(error, 0)
        self._run.end(str(error))

    def _end(self, reason: str) -> None:
        self._run.end(reason)
        for line in self._lines():
            line.give_up(reason)
