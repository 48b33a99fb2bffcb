"""A board as one job's host: what its configuration says that it has decides what is done with it.

=================  ==========================================================================================
it has             so
=================  ==========================================================================================
nothing of it      it is always on: nothing is done to it but what goes by ssh
a console          it is recorded and watched
a power switch     it is switched on for the job and off after it; a reboot is a power cycle
a boot loader      it is told what to start, over the console
a deploy method    what a definition deploys is written while it is off, and taken away afterwards
=================  ==========================================================================================
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import paramiko

from devices.deploy.files import placeholders
from devices.domain.config import BoardConfig, SshConfig
from devices.drivers import ssh
from devices.drivers.board import PowerState, TransferProgress
from devices.drivers.expect import Console, Match
from jobs.domain.definition.model import Login
from jobs.execution.boards import reaching
from jobs.execution.boards.equipment import Equipment
from jobs.execution.boards.loader import BootOrder, Conversation
from jobs.execution.boards.serial import BoardConsole, OnError, OnSign
from jobs.execution.boards.shared_record import SharedRecord
from jobs.execution.boards.witness import Witness
from jobs.execution.boot import Booting, Prompts
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError, JobError


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A way in: a connection, and whose key it was made with."""

    line: ssh.SshHost
    as_job: bool
    """The job's key was typed into the console; otherwise it is the board's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a definition wants of a boot."""

    commands: tuple[str, ...] = ()
    """For the boot loader."""
    options: tuple[str, ...] = ()
    """``{options}`` for the boot loader's lines."""
    login: Login = field(default_factory=Login)


class Machine:
    """One board during one job. Not thread-safe but for what is said of it."""

    def __init__(
        self, board: BoardConfig, name: str, job: int, equipment: Equipment, witness: Witness
    ) -> None:
        self.board, self.name = board, name
        self._job, self._witness = job, witness
        self.record = SharedRecord(witness.record)
        """What node 0 prints, wherever it prints it."""
        self._switch = equipment.switch(board) if board.power.present else None
        self._method = equipment.deploy_method(board, job)
        self._serial: BoardConsole | None = None
        if board.console.present:
            self._serial = BoardConsole(
                board.console,
                equipment.open_console,
                self.record,
                name,
                witness,
                board.waits,
            )
        self._deployed: Mapping[str, str] | None = None
        self._off_since: float | None = None
        self._ssh = board.ssh
        self._entered_by: paramiko.PKey | None = None
        self.up = False
        """Whether it was brought up, and nothing has been deployed since."""
        self.touched = False
        """Whether anything of the job may lie on it."""

    # -- what it has -----------------------------------------------------------------------------------

    @property
    def switched(self) -> bool:
        """Whether it can be switched on and off."""
        return self._switch is not None

    @property
    def entered_by_console(self) -> bool:
        """Whether the way in is a shell on its console: it is booted there anyway, or there is no other."""
        config = self.board.ssh
        known = config.host and config.host_key and config.key_file
        return self._serial is not None and (self.switched or not known)

    @property
    def enterable(self) -> bool:
        """Whether it is known how to connect to it, if it is up."""
        return bool(self._ssh.host and self._ssh.host_key and (self._entered_by or self._ssh.key_file))

    def assume_used(self) -> None:
        """Take it as a run that is lost may have left it."""
        self.touched = True
        self._deployed = {} if self.board.deploy != "none" else None

    # -- power -----------------------------------------------------------------------------------------

    def off(self, deadline: Deadline) -> PowerState:
        """Switch it off; returns what the switch says then."""
        assert self._switch is not None
        state = self._switch.off(deadline)
        self._off_since = time.monotonic()
        self.up = False
        return state

    def _on(self, deadline: Deadline) -> None:
        """Switch it on, off and on if it is on."""
        assert self._switch is not None
        self._witness.phase("boot", "power on")
        started = time.monotonic()
        if self._off_since is None and self._switch.state(deadline) != "off":
            self._switch.cycle(deadline)
        else:
            if self._off_since is not None:
                been_off = time.monotonic() - self._off_since
                reaching.pause(max(0.0, self.board.power.off_seconds - been_off), deadline)
            self._switch.on(deadline)
        self._off_since = None
        self._witness.result("power-on", "pass", seconds=time.monotonic() - started)

    # -- deploy ----------------------------------------------------------------------------------------

    def deploy(self, files: Mapping[str, Path], progress: TransferProgress, deadline: Deadline) -> None:
        """Write files to where it boots from; it is off then."""
        self.quiet()
        if self.switched:
            self._console(deadline)
            self.off(deadline)
        self._deployed = {}  # whatever happens now, there may be something to take away
        self._deployed = self._method.deploy(files, progress, deadline)
        self.up = False

    def undo(self, deadline: Deadline) -> None:
        """Take away what was deployed."""
        self._method.undo(deadline)
        self._deployed = None

    @property
    def deploys(self) -> bool:
        return self._deployed is not None

    # -- boot ------------------------------------------------------------------------------------------

    def bring_up(self, want: Want, key: paramiko.PKey | None, public: str, deadline: Deadline) -> Entry:
        """Bring it to where it answers by ssh, and connect; tried as often as the board's type allows.

        `key`, `public`: the job's own; it is typed into the console where there is a shell on it. Raises what
        kept it from coming up.
        """
        attempts = self.board.boot.attempts if self.switched else 1
        for attempt in range(1, attempts + 1):
            try:
                entry = self._bring_up(want, key, public, deadline)
            except (InfrastructureError, DefinitionFault) as exc:
                deadline.check()
                if attempt == attempts:
                    raise
                self._witness.note(
                    "warning", f"boot {attempt} of {attempts} failed, another one follows: {exc}"
                )
            else:
                self.up = True
                return entry
        raise AssertionError("unreachable")  # attempts are at least 1

    def _bring_up(self, want: Want, key: paramiko.PKey | None, public: str, deadline: Deadline) -> Entry:
        self.quiet()
        console = self._console(deadline)
        boot_within = deadline.within(self.board.boot.timeout, f"the boot of {self.name}")
        if self._serial is not None:
            self._serial.forget()
        if self.switched:
            self._on(boot_within)
        if console is None or not self.entered_by_console:
            return self._enter_by_board_key(deadline)
        self._boot(console, want, boot_within)
        ssh_within = deadline.within(self.board.boot.ssh_timeout, f"ssh to {self.name} after its boot")
        return self._enter_by_console(console, key, public, ssh_within)

    def _boot(self, console: Console, want: Want, deadline: Deadline) -> None:
        boot, started = self.board.boot, time.monotonic()
        fault = DefinitionFault if self._deployed is not None else InfrastructureError
        heard = False

        def loader_heard(match: Match) -> None:
            nonlocal heard
            if not heard:
                heard = True
                self._witness.phase("boot", "boot loader")
                seconds = time.monotonic() - started
                self._witness.result("boot-loader", "pass", seconds=seconds, offset=match.offset)

        def milestone(name: str, _: float, offset: int) -> None:
            seconds = time.monotonic() - started
            self._witness.result(name, "pass", seconds=seconds, offset=offset)
            if name != "shell-prompt":
                self._witness.phase("boot", {"kernel-started": "kernel"}.get(name, "login"))

        if self.switched and (boot.loader or want.commands):
            conversation = Conversation(console, boot, self._order(want), started=loader_heard, fault=fault)
            conversation.run(deadline)
        elif self.switched:
            self._witness.phase("boot", "kernel")
        prompts = Prompts.compile(boot.prompts, self._login(want.login))
        Booting(console, prompts, milestone, fault=fault, loaded=heard).run(deadline)

    def _order(self, want: Want) -> BootOrder:
        values = self._deployed
        if values is None:
            values = placeholders(self.board, self._job, {"server": self.board.netboot.server})
        return BootOrder(values={**values, "options": " ".join(want.options)}, commands=want.commands)

    def _login(self, login: Login) -> Login:
        """Return how to log in: the definition's words, else the board's."""
        boot = self.board.boot
        commands = login.login_commands or boot.login_commands
        if login.username or login.login_prompt:
            return replace(login, login_commands=commands)
        return Login(
            login_prompt=boot.login_prompt,
            username=boot.username,
            password_prompt=boot.password_prompt,
            password=boot.password,
            login_commands=commands,
        )

    # -- the way in ------------------------------------------------------------------------------------

    def _enter_by_board_key(self, deadline: Deadline) -> Entry:
        """Connect with the board's own key, to a machine that is up or (if it was switched on) coming up."""
        self._witness.phase("deploy" if not self.switched else "boot", f"connect to {self.name}")
        seconds = self.board.connect_timeout
        if self.switched:
            seconds = self.board.boot.timeout + self.board.boot.ssh_timeout
        within = deadline.within(seconds, f"the connection to {self.name}")
        config = self.board.ssh
        with self._ssh_result():
            line = (
                reaching.connect(lambda: config, None, within)
                if self.switched
                else ssh.connect(config, within)
            )
        return Entry(line=line, as_job=False)

    def _enter_by_console(
        self, console: Console, key: paramiko.PKey | None, public: str, deadline: Deadline
    ) -> Entry:
        """Let the job's key in by the shell on the console, and connect with it."""
        self._witness.phase("boot", "ssh")
        assert key is not None
        config, pinned = self.board.ssh, bool(self.board.ssh.host_key)
        with self._ssh_result():
            self.touched = True
            reaching.let_in(console, config, public, deadline)
            if not config.host:
                config = replace(config, host=self._find_address(console, deadline))

            def current() -> SshConfig:
                if pinned:
                    return config
                host_key = reaching.read_host_key(console, self.board.boot.host_key_command, deadline)
                if not host_key:
                    raise InfrastructureError(
                        f"{self.name} shows no ssh host key on its console"
                        f" ({self.board.boot.host_key_command}); has its image an sshd?"
                    )
                self._ssh = replace(config, host_key=host_key)
                return self._ssh

            self._ssh = config
            try:
                line = reaching.connect(current, key, deadline)
            except ssh.NotLetIn:
                if pinned:
                    raise
                line = reaching.connect(current, key, deadline)  # its keys may have been made just now
        self._entered_by = key
        return Entry(line=line, as_job=True)

    def enter_again(self, deadline: Deadline) -> ssh.SshHost:
        """Connect once more, by the way that was found: the machine is up, or is coming up by itself."""
        config, key = self._ssh, self._entered_by
        return reaching.connect(lambda: config, key, deadline)

    @contextmanager
    def _ssh_result(self) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        except JobError as exc:
            self._witness.result("ssh", "fail", message=str(exc), seconds=time.monotonic() - started)
            raise
        self._witness.result("ssh", "pass", seconds=time.monotonic() - started)

    def _find_address(self, console: Console, deadline: Deadline) -> str:
        assert self._serial is not None
        address = reaching.find_address(console, self.board, self._serial.printed, deadline)
        self._witness.note("info", f"{self.name} has the address {address}")
        return address

    # -- the console -----------------------------------------------------------------------------------

    def _console(self, deadline: Deadline) -> Console | None:
        """Return its console, open; None if it has none."""
        if self._serial is None:
            return None
        return self._serial.open(
            deadline.within(self.board.console.open_timeout, f"the console of {self.name}")
        )

    @property
    def console(self) -> Console | None:
        """Its console, if it is open."""
        return self._serial.console if self._serial is not None else None

    def watch(self, on_sign: OnSign, on_error: OnError) -> None:
        """From now on read its console, if it has one, and tell what it says of itself."""
        if self._serial is not None:
            self._serial.watch(on_sign, on_error)

    def quiet(self) -> None:
        """Watch it no more."""
        if self._serial is not None:
            self._serial.rest()

    def close(self) -> None:
        """Let go of its console."""
        if self._serial is not None:
            self._serial.close()
