"""The host as a member of the group: its own actions, on an always-on machine reached by ssh."""

from __future__ import annotations

import time

from devices.drivers.expect import Console, ConsoleEnded
from devices.drivers.shell import HostShell, quote
from jobs.domain.definition.model import (
    Action,
    BootImage,
    DeployImage,
    DeployKernel,
    DummyDeploy,
    SubmitResults,
)
from jobs.execution import delivery, scripts
from jobs.execution.host import Place
from jobs.execution.run import Run
from jobs.execution.shell import TestShellRun
from jobs.execution.shells import ShellPlan
from jobs.execution.sync import Sync
from jobs.execution.vms import kill_by_handle
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, JobError, TestFault

KILL_WITHIN = 30.0
LIVENESS = 10.0


class HostNode:
    """Does what the definition asks of the host, one action at a time."""

    def __init__(self, run: Run, sync: Sync, shell: HostShell, place: Place) -> None:
        self._run, self._sync, self._shell, self._place = run, sync, shell, place
        self._journal = run.journal

    def prepare(self, plans: tuple[ShellPlan, ...]) -> None:
        """Put the tests of all shells in place."""
        if plans:
            self._journal.phase(0, "test", "bring the tests")
            tar = delivery.pack({plan.folder: plan.files for plan in plans}, delivery.new_stamp())
            archive, folder = self._place.path("tests.tar"), self._place.path("tests")
            delivery.to_host(self._shell, tar, archive, folder, self._run.deadline)

    def do(self, action: Action) -> None:
        """Do an action that is no test shell."""
        message = ""
        if isinstance(action, DeployImage | DeployKernel):
            fault = DefinitionFault(
                f"{self._run.assignment.board_name} is an always-on host: {action.command} cannot change"
                " what it boots; use dummy_deploy for its role, and give deploy actions the role of a VM"
            )
            fault.node, fault.action = 0, action.command
            raise fault
        if isinstance(action, DummyDeploy):
            message = "the installed system is used as it is"
        elif isinstance(action, BootImage):
            self._shell.run("true", self._run.grace(LIVENESS, "the host's answer"))
            message = "an always-on host: it is up"
        elif isinstance(action, SubmitResults):
            message = "results are kept"
        self._journal.result(0, action.command, "pass", message=message)

    def test(self, plan: ShellPlan) -> None:
        """Run a test shell on the host. Raises `TestFault` when it does not come to its end."""
        started = time.monotonic()
        self._journal.phase(0, "test", "test shell")
        pid_file = self._place.path(f"{plan.folder}.pid")
        folder = self._place.path(f"tests/{plan.folder}")
        script = (
            scripts.HANDLE.format(pid_file=quote(pid_file))
            + f"export LABBOOK_HANDLE={quote(self._place.handle)}\n"
            + f"exec {quote(folder + '/bin/lava-test-runner', folder)}"
        )
        terminal = self._shell.terminal(script, self._run.deadline)
        console = Console(terminal, self._run.recorder(0), self._run.host.name)
        try:
            TestShellRun(0, console, self._journal, self._sync, self._run.files, plan.expected).run(
                "", plan.deadline(self._run.deadline)
            )
        except BaseException as exc:
            self._end(console, pid_file)
            if isinstance(exc, ConsoleEnded | TestFault):
                self._shell.run("true", self._run.grace(LIVENESS, "the host's answer"))
                exc.node, exc.action = 0, plan.action.command
            raise
        # What the test left in the background goes on, as it would on any machine, until the job is over.
        console.close()
        self._journal.result(0, plan.action.command, "pass", seconds=time.monotonic() - started)

    def _end(self, console: Console, pid_file: str) -> None:
        """End what is left of the shell in its process group."""
        try:
            kill_by_handle(self._shell, [pid_file], Deadline.after(KILL_WITHIN, "the end of the test shell"))
        except JobError as exc:  # clean-up will have the last word on it
            self._journal.note(0, "warning", str(exc))
        finally:
            console.close()
