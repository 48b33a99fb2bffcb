"""Leaving a board as it was found, with evidence for each part of that.

A board that is always on is cleaned by ssh. One with a power switch is switched off in any case; if it keeps
what jobs write, it is cleaned by ssh before, and booted once more for that where it does not answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.drivers import ssh
from devices.drivers.shell import HostShell
from jobs.domain.events import Check
from jobs.execution.boards.machine import Machine, Want
from jobs.execution.host import JobKey, key_mark
from jobs.execution.traces import remove_traces
from lab.kernel.deadline import Deadline
from lab.kernel.errors import JobError

CONNECTION = "connection to the host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What clean-up looked at and found."""

    checks: tuple[Check, ...]
    boot_id: str = ""
    """Of the host as it was found, if it was asked."""

    @property
    def clean(self) -> bool:
        return all(check.ok for check in self.checks)

    @property
    def dirt(self) -> str:
        """What is not clean, in words."""
        return "; ".join(f"{check.what}: {check.found}" for check in self.checks if not check.ok)


class Leaving:
    """The end of one job on one board. Never raises a `JobError`.

    `shell`: a connection that stands, if there is one. `dead`: why the host is known not to answer.
    """

    def __init__(
        self,
        machine: Machine,
        job: int,
        deadline: Deadline,
        *,
        shell: HostShell | None = None,
        dead: str = "",
    ) -> None:
        self._machine, self._board, self._job = machine, machine.board, job
        self._deadline, self._shell, self._dead = deadline, shell, dead
        self._boot_id = ""

    def leave(self) -> Evidence:
        """Clean what is to be cleaned, switch off what can be switched off, and say what was found."""
        machine = self._machine
        checks: list[Check] = []
        try:
            if not machine.touched:
                if not machine.switched:
                    checks.append(Check(what="the host", found="was not touched", ok=True))
            elif not (machine.switched and self._board.volatile):
                checks += self._clean()
            if machine.switched:
                checks.append(self._off())
                if machine.touched and self._board.volatile:
                    checks.append(_volatile(checks[-1]))
            if machine.deploys:
                checks.append(self._undo())
        finally:
            machine.close()
        return Evidence(checks=tuple(checks), boot_id=self._boot_id)

    # -- by ssh ----------------------------------------------------------------------------------------

    def _clean(self) -> list[Check]:
        """Remove the job's traces by ssh: on the connection there is, a new one, a board booted for it."""
        checks: list[Check] | None = None
        why = self._dead
        if self._shell is not None and not self._dead:
            checks, why = self._try(self._shell)
        if not _good(checks) and not self._dead and self._machine.enterable:
            checks, why = self._on_a_new_line(checks)
        if not _good(checks) and (self._machine.switched or self._machine.entered_by_console):
            checks, why = self._on_a_fresh_boot(checks, why)
        if checks is None:
            return [Check(what=CONNECTION, found=why, ok=False)]
        return checks

    def _try(self, shell: HostShell) -> tuple[list[Check] | None, str]:
        """Return what was found, or None and why nothing was."""
        try:
            removed = remove_traces(shell, self._board, self._job, self._deadline)
            if self._machine.switched:
                shell.run(
                    "sync", self._deadline.within(self._board.command_timeout, "writing the host's disk")
                )
        except JobError as exc:
            return None, str(exc)
        self._boot_id = removed.boot_id
        return list(removed.checks), ""

    def _on_a_new_line(self, checks: list[Check] | None) -> tuple[list[Check] | None, str]:
        seconds = self._board.connect_timeout if self._machine.switched else self._board.cleanup_timeout
        within = self._deadline.within(seconds, f"the ssh connection to {self._machine.name}")
        try:
            line = self._machine.enter_again(within)
        except JobError as exc:
            return checks, str(exc)
        return self._and_close(line)

    def _on_a_fresh_boot(self, checks: list[Check] | None, why: str) -> tuple[list[Check] | None, str]:
        """Boot the board anew: it keeps what the job wrote, and does not answer."""
        key = JobKey.generate(key_mark(self._board, self._job) + "leave")
        try:
            entry = self._machine.bring_up(Want(), key.private, key.public, self._deadline)
        except JobError as exc:
            return checks, f"{why}; booted once more to be cleaned: {exc}" if why else str(exc)
        return self._and_close(entry.line)

    def _and_close(self, line: ssh.SshHost) -> tuple[list[Check] | None, str]:
        try:
            return self._try(line)
        finally:
            line.close()

    # -- power and storage -----------------------------------------------------------------------------

    def _off(self) -> Check:
        try:
            state = self._machine.off(self._patient())
        except JobError as exc:
            return Check(what="power", found=f"could not be switched off: {exc}", ok=False)
        if state == "on":
            return Check(what="power", found="the switch says that it is still on", ok=False)
        words = "off" if state == "off" else "switched off; the switch cannot tell its state"
        return Check(what="power", found=words, ok=True)

    def _undo(self) -> Check:
        try:
            self._machine.undo(self._patient())
        except JobError as exc:
            return Check(what="what was deployed", found=f"could not be taken away: {exc}", ok=False)
        return Check(what="what was deployed", found="is taken away", ok=True)

    def _patient(self) -> Deadline:
        """Return a deadline that is there even if all time is used up: switching off comes first."""
        seconds = self._board.power.timeout * self._board.power.attempts + self._board.cleanup_timeout
        return Deadline.after(seconds, f"leaving {self._machine.name}")


def _good(checks: list[Check] | None) -> bool:
    return checks is not None and all(check.ok for check in checks)


def _volatile(power: Check) -> Check:
    words = "nothing that is written on this board outlives its power"
    if not power.ok:
        words = "not looked for: they go when the board's power does"
    return Check(what="processes, files and key of the job", found=words, ok=power.ok)
