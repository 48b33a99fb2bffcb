"""The host as a member of the group: its own actions, whatever kind of board it is."""

from __future__ import annotations

import time
from collections.abc import Sequence

from devices.drivers.expect import Console, ConsoleEnded
from devices.drivers.shell import ConnectionLost, quote
from jobs.domain.definition.model import (
    Action,
    BootImage,
    DeployImage,
    DeployKernel,
    DummyDeploy,
    SubmitResults,
)
from jobs.execution import delivery, scripts
from jobs.execution.arrival import Arrival
from jobs.execution.board_files import fetch_for_board
from jobs.execution.boards.machine import Want
from jobs.execution.fetch import Fetcher
from jobs.execution.progress import Deploying, Teller
from jobs.execution.run import Run
from jobs.execution.shell import TestShellRun
from jobs.execution.shells import ShellPlan, is_shell
from jobs.execution.sync import Sync
from jobs.execution.vms import kill_by_handle
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, JobError, TestFault


class HostNode:
    """Does what the definition asks of the host, one action at a time."""

    def __init__(self, run: Run, sync: Sync, arrival: Arrival, fetcher: Fetcher) -> None:
        self._run, self._sync, self._arrival, self._fetcher = run, sync, arrival, fetcher
        self._machine = arrival.machine
        self._patience = self._machine.board.ssh.patience
        self._journal = run.journal
        self._plans: tuple[ShellPlan, ...] = ()
        self._want = Want()
        """Of the next boot."""
        self._tested = False
        """Whether a test shell has run since the boot. Other actions do not count: the VMs that start with
        the first of them would not outlive a reboot before the test shell."""

    # -- coming up -------------------------------------------------------------------------------------

    def settle(self, actions: Sequence[Action]) -> list[Action]:
        """Do what comes before the first test shell, and be up; returns the actions that are left."""
        left = list(actions)
        while left and not is_shell(left[0]):
            self.do(left.pop(0))
        if not self._machine.up:
            self._boot("")
        return left

    def _boot(self, action: str) -> None:
        """Bring the host up, again if it is up, with the tests in place."""
        try:
            self._arrival.reach(self._want)
        except JobError as exc:
            exc.action = exc.action or action or ("boot" if self._machine.switched else "")
            raise
        self._tested = False
        self._want = Want(login=self._want.login)
        if self._plans:
            self._deliver()

    def prepare(self, plans: tuple[ShellPlan, ...]) -> None:
        """Put the tests of all shells in place."""
        self._plans = plans
        if plans:
            self._deliver()

    def _deliver(self) -> None:
        self._journal.phase(0, "test", "bring the tests")
        tar = delivery.pack({plan.folder: plan.files for plan in self._plans}, delivery.new_stamp())
        folder = self._arrival.place.path("tests")
        delivery.to_host(self._arrival.line, tar, folder, self._run.deadline)

    # -- actions that are no test shells ---------------------------------------------------------------

    def interrupts(self, action: Action) -> bool:
        """Say whether an action switches the host off, and its VMs with it."""
        return self._machine.switched and isinstance(action, DeployImage | DeployKernel | BootImage)

    def do(self, action: Action) -> None:
        """Do an action that is no test shell."""
        started = time.monotonic()
        message = ""
        try:
            if isinstance(action, DeployImage | DeployKernel):
                self._deploy(action)
            elif isinstance(action, DummyDeploy):
                message = "the installed system is used as it is"
            elif isinstance(action, BootImage):
                message = self._boot_as_asked(action)
            elif isinstance(action, SubmitResults):
                message = action.words
        except JobError as exc:
            exc.node, exc.action = 0 if exc.node is None else exc.node, exc.action or action.command
            raise
        self._journal.result(0, action.command, "pass", message=message, seconds=time.monotonic() - started)

    def _deploy(self, action: DeployImage | DeployKernel) -> None:
        name = self._run.assignment.board_name
        if self._machine.board.deploy == "none":
            kind = "uses its installed system" if self._machine.switched else "is an always-on host"
            raise DefinitionFault(
                f"{name} {kind}: {action.command} cannot change what it boots; use dummy_deploy for its role,"
                " and give deploy actions the role of a VM"
            )
        deadline = self._run.deadline
        files = fetch_for_board(action, self._fetcher, Teller(self._journal, 0), deadline)
        self._arrival.depart()
        self._journal.phase(0, "deploy", f"write {', '.join(files)}")
        with Deploying(self._journal, 0) as progress:
            self._machine.deploy({key: file.path for key, file in files.items()}, progress, deadline)
        commands = action.boot_cmds if isinstance(action, DeployKernel) else ()
        self._want = Want(login=action.login, commands=commands)

    def _boot_as_asked(self, action: BootImage) -> str:
        """Boot, or boot anew."""
        machine = self._machine
        if machine.switched:
            commands = action.boot_cmds or self._want.commands
            self._want = Want(login=self._want.login, commands=commands, options=action.options)
            self._boot(action.command)
            return ""
        if action.boot_cmds and action.role:
            raise DefinitionFault(
                f"{machine.name} has no power switch, so it cannot be booted with boot_cmds; leave them out,"
                " or give the action the role of a VM"
            )
        if not machine.up:
            self._boot(action.command)
        else:
            self._arrival.line.run("true", self._run.grace(self._patience, "the host's answer"))
        return "an always-on host: it is up"

    # -- test shells -----------------------------------------------------------------------------------

    def test(self, plan: ShellPlan) -> None:
        """Run a test shell on the host. Raises `TestFault` when it does not come to its end."""
        if not self._machine.up:
            self._boot(plan.action.command)
        elif plan.reboots and self._tested and self._reboots:
            self._journal.phase(0, "boot", "reboot")
            self._boot(plan.action.command)
        self._tested = self._tested or plan.reboots
        started = time.monotonic()
        self._journal.phase(0, "test", "test shell")
        shell, place = self._arrival.line, self._arrival.place
        pid_file = place.path(f"{plan.folder}.pid")
        folder = place.path(f"tests/{plan.folder}")
        script = (
            scripts.HANDLE.format(pid_file=quote(pid_file))
            + f"export LABBOOK_HANDLE={quote(place.handle)}\n"
            + f"export LABBOOK_FOLDER={quote(place.folder)}\n"
            + f"exec {quote(folder + '/bin/lava-test-runner', folder)}"
        )
        terminal = shell.terminal(script, self._run.deadline)
        with self._machine.record.leading() as record:
            console = Console(terminal, record, self._run.host.name, waits=self._run.assignment.board.waits)
            self._run.attach(0, console)
            try:
                TestShellRun(0, console, self._journal, self._sync, self._run.files, plan.expected).run(
                    "", plan.deadline(self._run.deadline)
                )
            except BaseException as exc:
                self._end(console, pid_file)
                if isinstance(exc, ConsoleEnded | TestFault):
                    shell.run("true", self._run.grace(self._patience, "the host's answer"))
                    exc.node, exc.action = 0, plan.action.command
                raise
            # What the test left in the background goes on, as on any machine, until the job is over.
            self._run.detach(0, console)
            console.close()
        self._journal.result(0, plan.action.command, "pass", seconds=time.monotonic() - started)

    @property
    def _reboots(self) -> bool:
        """Whether the host boots anew between two test shells."""
        return self._machine.switched and self._machine.board.boot.reboot_between_shells

    def _end(self, console: Console, pid_file: str) -> None:
        """End what is left of the shell in its process group."""
        self._run.detach(0, console)
        try:
            kill_by_handle(
                self._arrival.line,
                [pid_file],
                Deadline.after(2 * self._patience, "the end of the test shell"),
            )
        except ConnectionLost:
            pass  # why is said elsewhere
        except JobError as exc:  # clean-up will have the last word on it
            self._journal.note(0, "warning", str(exc))
        finally:
            console.close()
