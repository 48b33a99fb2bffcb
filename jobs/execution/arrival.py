"""Arriving on the host: connected, the job's own key let in, what it needs looked at and reported."""

from __future__ import annotations

import io
import time

from devices.domain.config import VmTypeConfig
from devices.drivers import ssh
from jobs.execution import kvm
from jobs.execution.cleanup import clean_host
from jobs.execution.host import JobKey, NotClean, Place, connect_as_job, key_mark, make_place
from jobs.execution.run import Run
from lab.kernel.errors import InfrastructureError


class Arrival:
    """The lines to a run's host."""

    def __init__(self, run: Run, handle: str) -> None:
        self._run, self._job, self._journal = run, run.assignment, run.journal
        self._handle = handle
        self.board_line: ssh.SshHost | None = None
        """With the board's key: to arrive and to leave."""
        self._line: ssh.SshHost | None = None
        self.touched = False
        """Whether anything may have been left on the host."""

    @property
    def line(self) -> ssh.SshHost:
        """The connection with the job's own key, by which everything else is done."""
        assert self._line is not None
        return self._line

    def close_line(self) -> None:
        """Hang up as the job: its terminals die with it."""
        if self._line is not None:
            self._line.close()

    def close(self) -> None:
        self.close_line()
        if self.board_line is not None:
            self.board_line.close()

    def reach(self) -> Place:
        """Connect, authorise the job's own key, connect with it, see what the host can do."""
        board, journal = self._job.board, self._journal
        journal.phase(0, "deploy", f"connect to {self._job.board_name}")
        started = time.monotonic()
        within = self._run.deadline.within(board.connect_timeout, f"the connection to {self._job.board_name}")
        try:
            self.board_line = ssh.connect(board.ssh, within)
        except InfrastructureError as exc:
            journal.result(0, "ssh", "fail", message=str(exc), seconds=time.monotonic() - started)
            exc.node = 0
            raise
        journal.result(0, "ssh", "pass", seconds=time.monotonic() - started)
        journal.phase(0, "deploy", "look at the host")
        self.touched = True
        command = self._run.deadline.within(board.command_timeout, "a command on the host")
        programs = {name for config in self._job.vm_types_used().values() for name in config.programs}
        key = JobKey.generate(key_mark(board, self._job.job) + self._handle)
        try:
            place = make_place(self.board_line, board, self._job.job, self._handle, key, programs, command)
        except NotClean as exc:
            journal.note(0, "warning", f"{exc}; it is cleaned up now")
            clean_host(board, self._job.job, command, shell=self.board_line)
            place = make_place(self.board_line, board, self._job.job, self._handle, key, programs, command)
        again = self._run.deadline.within(
            board.connect_timeout, f"the job's own connection to {self._job.board_name}"
        )
        self._line = connect_as_job(board, key, again)
        self._check_requirements(place)
        return place

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
