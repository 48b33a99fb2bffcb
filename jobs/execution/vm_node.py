"""A VM of the group: it is started, booted, tested and closed, in a thread of its own."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace

from devices.drivers.expect import Console, ConsoleEnded, GaveUp
from devices.drivers.shell import ConnectionLost, HostShell
from jobs.domain.definition.model import (
    Action,
    BootImage,
    DeployImage,
    DeployKernel,
    DummyDeploy,
    Login,
    SubmitResults,
)
from jobs.domain.events import NodePlan, VmStarted
from jobs.execution import delivery
from jobs.execution.boot import Booting, Prompts, run_command
from jobs.execution.network import USER_NETWORK
from jobs.execution.run import Run
from jobs.execution.shell import TestShellRun
from jobs.execution.shells import ShellPlan
from jobs.execution.sync import Sync
from jobs.execution.vms import VmProcess
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded, DefinitionFault, InfrastructureError, JobError, TestFault


@dataclass(frozen=True, slots=True, kw_only=True)
class VmWork:
    """What is prepared for a VM before it starts."""

    process: VmProcess
    login: Login
    tar: bytes
    """The test overlay; empty if it runs no tests."""
    stamp: str
    shells: tuple[ShellPlan, ...]
    roots: tuple[str, ...] = ()
    """Where the tests may lie on the node, tried first."""


class VmNode:
    """Sees one VM through its actions."""

    def __init__(self, run: Run, sync: Sync, shell: HostShell, node: NodePlan) -> None:
        self._run, self._sync, self._shell, self._node = run, sync, shell, node
        self._vm = run.definition_vms[node.role]
        self._patience = run.assignment.board.ssh.patience
        self._config = run.assignment.vm_types[node.device_type]
        self._journal = run.journal
        self._console: Console | None = None
        self._work: VmWork | None = None
        self._tested = False
        self._delivered = False
        self._root = ""
        """Where the tests lie on the node, as it is typed."""

    def live(self, work: VmWork) -> None:
        """Run all actions. Raises what ends it early.

        The VM is gone in any case afterwards, unless the job is to be held: then `close` ends it.
        """
        self._work = work
        action: Action | None = None
        shells = iter(work.shells)
        try:
            for action in self._actions():
                self._run.deadline.check()
                if isinstance(action, DeployImage | DeployKernel | DummyDeploy):
                    continue  # done before the start
                if isinstance(action, SubmitResults):
                    self._journal.result(self._node.index, action.command, "pass", message=action.words)
                    continue
                started = time.monotonic()
                if isinstance(action, BootImage):
                    self._boot()
                else:
                    self._test(next(shells))
                self._journal.result(
                    self._node.index, action.command, "pass", seconds=time.monotonic() - started
                )
            if self._console is None:
                self._boot()
        except JobError as exc:
            exc.node = self._node.index if exc.node is None else exc.node
            exc.action = exc.action or (action.command if action is not None else "boot")
            raise
        finally:
            if not self._stays():
                self._journal.phase(self._node.index, "close", "power off")
                self.close()

    def _stays(self) -> bool:
        """Whether it goes on to run for people to look at; nobody reads its console for the test any more."""
        if self._console is None:
            return True
        if self._run.superseded or self._run.canceled or not self._run.to_be_held:
            return False
        self._console.let_go()
        return not self._console.ended

    def _actions(self) -> list[Action]:
        return [a for a in self._run.assignment.definition.actions if a.applies_to(self._node.role)]

    # -- starting and booting ------------------------------------------------------------------------

    def _boot(self) -> None:
        """Start the VM (anew, if it runs) and bring it to a shell."""
        assert self._work is not None
        index = self._node.index
        if self._console is not None:
            self._journal.phase(index, "boot", "reboot")
            self._write_out(self._console)
            self._stop()
        self._journal.phase(index, "boot", "start")
        process = self._work.process
        prompts = Prompts.compile(
            (self._vm.shell_prompt,) if self._vm.shell_prompt else self._config.prompts, self._login()
        )
        within = self._run.assignment.board.command_timeout
        terminal = process.start(self._run.deadline.within(within, f"the start of {self._node.name}"))
        self._console = Console(
            terminal, self._run.recorder(index), self._node.name, waits=self._config.waits
        )
        self._run.attach(index, self._console)
        pid = self._pid(process)
        self._journal.facts(VmStarted(node=index, command=process.command, pid=pid, at=self._journal.now()))
        self._delivered = self._tested = False
        deadline = self._run.deadline.within(self._config.boot_timeout, f"the boot of {self._node.name}")
        try:
            Booting(self._console, prompts, self._milestone).run(deadline)
        except ConsoleEnded as exc:
            raise self._died_booting(exc) from exc

    def _write_out(self, console: Console) -> None:
        """Have what was written reach the disk, as a reboot does: the end of the process comes at once."""
        with suppress(JobError):  # a machine that does not answer loses what it has
            run_command(console, "sync", self._run.deadline.within(self._patience, "writing the disk"))

    def _pid(self, process: VmProcess) -> int | None:
        """Return the process's number, for the record; the script writes it down as its first step."""
        limit, pause = time.monotonic() + self._config.start_timeout, 0.01
        while time.monotonic() < limit:
            if (pid := process.pid(self._run.deadline)) is not None:
                return pid
            self._run.deadline.check()
            if self._console is None or self._console.ended:
                break
            time.sleep(pause)
            pause = min(2 * pause, 0.2)  # each look costs a host that is starting a VM
        return None

    def _login(self) -> Login:
        """Return how to log in: the definition's words, else the VM type's."""
        assert self._work is not None
        login, config = self._work.login, self._config
        if login.username or login.login_prompt:
            return login
        return replace(
            login,
            login_prompt=config.login_prompt,
            username=config.username,
            password_prompt=config.password_prompt,
            password=config.password,
        )

    def _milestone(self, name: str, seconds: float, offset: int) -> None:
        self._journal.result(self._node.index, name, "pass", seconds=seconds, offset=offset)
        if name == "kernel-started":
            self._journal.phase(self._node.index, "boot", "kernel")

    def _died_booting(self, exc: ConsoleEnded) -> JobError:
        """Return the error for a VM that ended before it came to a shell."""
        self._shell.run("true", self._run.grace(self._patience, "the host's answer"))  # raises if it is lost
        words = f"{self._node.name} ended while it booted: {exc}"
        assert self._console is not None
        assert self._work is not None
        failed = self._work.process.failed_command(self._run.grace(self._patience, "the host's answer"))
        if failed:
            whose = "launch_with" if self._vm.launch_with else f"launch of VM type {self._node.device_type}"
            words = f"{self._node.name} could not be started, {whose}: {failed}{self._console.last_words()}"
        if self._vm.launch_with or self._console.gave_up:
            return DefinitionFault(words)
        return InfrastructureError(words)

    # -- testing -------------------------------------------------------------------------------------

    def _test(self, plan: ShellPlan) -> None:
        if self._console is None or (plan.reboots and self._tested and self._config.reboot_between_shells):
            self._boot()
        self._tested = self._tested or plan.reboots  # what installs is no reason to reboot for the test
        console = self._console
        assert console is not None
        index = self._node.index
        deadline = plan.deadline(self._run.deadline)
        try:
            if not self._delivered:
                self._deliver(console, deadline)
            self._journal.phase(index, "test", "test shell")
            where = f"{self._root}{plan.folder}"
            TestShellRun(index, console, self._journal, self._sync, self._run.files, plan.expected).run(
                f"{where}/bin/lava-test-runner {where}", deadline
            )
        except (ConsoleEnded, TestFault):
            self._shell.run("true", self._run.grace(self._patience, "the host's answer"))
            raise

    def _deliver(self, console: Console, deadline: Deadline) -> None:
        """Bring the tests of all shells to the node, and connect it to its host."""
        work = self._work
        assert work is not None
        index = self._node.index
        self._journal.phase(index, "test", "bring the tests")
        roots = tuple(dict.fromkeys((*work.roots, "/", "/tmp", "/run", "/dev/shm")))
        first, drive = work.shells[0].folder, work.process.overlay_drive
        bring = delivery.ToConsole(console, work.tar, first, work.stamp, roots, USER_NETWORK, drive=drive)
        try:
            way = bring.run(deadline)
        except (ConsoleEnded, GaveUp) as exc:
            raise TestFault(f"{self._node.name} ended before its test shell began: {exc}") from exc
        except DeadlineExceeded as exc:
            raise TestFault(
                f"the tests could not be brought to {self._node.name} in time{console.last_words(4)}"
            ) from exc
        self._delivered, self._root = True, bring.root
        self._journal.note(index, "debug", f"the tests were {way} ({len(work.tar)} bytes)")

    # -- the end -------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """End the process and hang up."""
        assert self._work is not None
        console, self._console = self._console, None
        self._run.detach(self._node.index, console)
        try:
            self._work.process.kill(Deadline.after(2 * self._patience, f"the end of {self._node.name}"))
        finally:
            if console is not None:
                console.close()

    def close(self) -> None:
        """End what is left of it."""
        if self._console is None:
            return
        try:
            self._stop()
        except ConnectionLost:
            pass  # why is said elsewhere
        except JobError as exc:  # clean-up will have the last word on it
            self._journal.note(self._node.index, "warning", f"power off: {exc}")
