"""Arriving on the host: up, connected, the job's own key let in, what it needs looked at and reported."""

from __future__ import annotations

import io
import time

from devices.domain.config import VmTypeConfig
from devices.drivers.ssh import SshHost
from jobs.execution import kvm
from jobs.execution.boards.machine import Entry, Machine, Want
from jobs.execution.boards.watch import Watch
from jobs.execution.host import JobKey, NotClean, Place, connect_as_job, key_mark, make_place
from jobs.execution.run import Run
from jobs.execution.traces import remove_traces
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError, JobError


class Arrival:
    """The lines to a run's host."""

    def __init__(self, run: Run, machine: Machine, handle: str) -> None:
        self._run, self._job, self._journal = run, run.assignment, run.journal
        self.machine, self._handle = machine, handle
        self._key = JobKey.generate(key_mark(machine.board, self._job.job) + handle)
        self.watch = Watch(run, machine, self._lines)
        self.board_line: SshHost | None = None
        """With the board's key, where that let the job in: to arrive and to leave."""
        self._line: SshHost | None = None
        self._place: Place | None = None
        self._looked_at = False

    @property
    def line(self) -> SshHost:
        """The connection with the job's own key, by which everything else is done."""
        assert self._line is not None
        return self._line

    @property
    def connected(self) -> bool:
        """Whether there is a connection with the job's own key, and its place on the host is made."""
        return self._line is not None and self._place is not None

    @property
    def place(self) -> Place:
        assert self._place is not None
        return self._place

    @property
    def boot_id(self) -> str:
        """Of the host when it was reached last; empty if it was not."""
        return self._place.boot_id if self._place is not None else ""

    def _lines(self) -> list[SshHost]:
        return [line for line in (self._line, self.board_line) if line is not None]

    def close_line(self) -> None:
        """Hang up as the job: its terminals die with it."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def close(self) -> None:
        self.close_line()
        if self.board_line is not None:
            self.board_line.close()
            self.board_line = None

    def depart(self) -> None:
        """Let go of the host: it is about to be switched off."""
        self.machine.quiet()
        self.close()

    def reach(self, want: Want) -> None:
        """Bring the host up (again), let the job's own key in, connect with it, see what the host can do."""
        self.depart()
        try:
            entry = self.machine.bring_up(want, self._key.private, self._key.public, self._run.deadline)
        except JobError as exc:
            exc.node = 0 if exc.node is None else exc.node
            raise
        self._arrive(entry)
        self.watch.begin(self.place.boot_id)

    def _arrive(self, entry: Entry) -> None:
        board, journal = self._job.board, self._journal
        if entry.as_job:
            self._line = entry.line
        else:
            self.board_line = entry.line
        journal.phase(0, "deploy", "look at the host")
        self.machine.touched = True
        command = self._run.deadline.within(board.command_timeout, "a command on the host")
        try:
            self._place = self._make_place(entry, command)
        except NotClean as exc:
            journal.note(0, "warning", f"{exc}; it is cleaned up now")
            remove_traces(entry.line, board, self._job.job, command)
            self._place = self._make_place(entry, command, let_in=True)
        if not entry.as_job:
            within = f"the job's own connection to {self._job.board_name}"
            self._line = connect_as_job(
                board, self._key, self._run.deadline.within(board.connect_timeout, within)
            )
        if not self._looked_at:
            self._check_requirements(self._place)
            self._looked_at = True

    def _make_place(self, entry: Entry, deadline: Deadline, *, let_in: bool = False) -> Place:
        programs = {name for config in self._job.vm_types_used().values() for name in config.programs}
        key = None if entry.as_job and not let_in else self._key
        return make_place(entry.line, self._job.board, self._job.job, self._handle, key, programs, deadline)

    def _check_requirements(self, place: Place) -> None:
        started = time.monotonic()
        try:
            content = io.BytesIO(b"Labbook was here.\n")
            self.line.put(content, place.path("sftp"), self._run.deadline)
        except InfrastructureError as exc:
            self._journal.result(0, "sftp", "fail", message=str(exc))
            raise
        self._journal.result(0, "sftp", "pass", seconds=time.monotonic() - started)
        needed = {
            program
            for vm in self._job.definition.vms
            if not vm.launch_with
            for program in self._job.vm_types[vm.device_type].programs
        }
        for program in sorted(needed):
            if program in place.programs:
                self._journal.result(0, program, "pass")
                continue
            words = (
                f"{program} is not installed on {self._job.board_name}, or not in the PATH of its ssh user"
            )
            self._journal.result(0, program, "fail", message=words)
            raise InfrastructureError(words, node=0)

    def acceleration(self, place: Place, config: VmTypeConfig) -> bool:
        """Find out whether VMs of a type can use KVM, and say so."""
        found = kvm.look(self.line, place, config, self._job.board, self._run.deadline)
        if not found.words:
            return False
        case = f"kvm-{config.qemu.rsplit('/', 1)[-1].removeprefix('qemu-system-')}"
        self._journal.result(0, case, "pass" if found.usable else "skip", message=found.words)
        if found.surprising:
            self._journal.note(0, "warning", f"VMs are emulated, which is slow: {found.words}")
        return found.usable
