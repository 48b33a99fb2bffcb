"""The lab's side of a console for tests: our own Scanner and Group behind real ptys and real shells."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import selectors
import shutil
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import yaml

from jobs.domain import overlay, signals, testdef
from jobs.domain.events import Fact, NodePlan
from jobs.domain.multinode import Group, Happened, Reply, StartVms
from jobs.domain.scanner import Scanner
from jobs.target import helpers

S = TypeVar("S", bound=signals.Signal)
BUSYBOX = "/bin/busybox"


@dataclass(frozen=True)
class Shell:
    """A POSIX shell to run the helpers with, and the commands that exist beside it."""

    name: str
    command: str
    path: str


def shells(folder: Path) -> dict[str, Shell]:
    """The shells to check on: dash without bash beside it, a guest that has nothing but busybox, and bash."""
    applets, plain = folder / "applets", folder / "plain"
    if not applets.exists():
        applets.mkdir(parents=True)
        listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
        for applet in listed.stdout.split():
            if applet != "busybox":
                (applets / applet).symlink_to(BUSYBOX)
        plain.mkdir()
        for place in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
            for command in Path(place).iterdir():
                if (
                    command.name not in ("bash", "rbash", "busybox")
                    and not (plain / command.name).is_symlink()
                ):
                    (plain / command.name).symlink_to(command)
    found = [
        Shell("dash", "/bin/dash", str(plain)),
        Shell("busybox", f"{applets}/ash", str(applets)),
        Shell("bash", "/bin/bash", "/usr/bin:/bin:/usr/sbin:/sbin"),
    ]
    return {shell.name: shell for shell in found}


@dataclass
class Node:
    """One node: a shell on a pty, as a VM's console is one."""

    plan: NodePlan
    folder: Path
    shell: Shell
    process: subprocess.Popen[bytes]
    master: int
    scanner: Scanner
    output: bytearray = field(default_factory=bytearray)
    seen: list[signals.Signal] = field(default_factory=list)
    exited: bool = False
    to_type: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace").replace("\r\n", "\n")

    def said(self, kind: type[S]) -> list[S]:
        """The signals of that kind, in order."""
        return [one for one in self.seen if isinstance(one, kind)]

    def results(self, suite: str | None = None) -> dict[str, signals.TestCase]:
        found, pairs = {}, set()
        for one in self.seen:
            if isinstance(one, signals.TestCase) and suite in (None, one.suite):
                assert (one.suite, one.case) not in pairs, f"{one.case} is reported twice"
                pairs.add((one.suite, one.case))
                found[one.case] = one
        return found


Noise = Callable[[bytes], bytes]
"""What the wire does to bytes on their way to the lab."""


class Lab:
    """Runs test shells on several nodes at once and plays the coordinator."""

    def __init__(self, folder: Path, shell: Shell, roles: Mapping[str, int] | None = None) -> None:
        self.folder, self.shell = folder, shell
        names = []
        for role, count in (roles or {"host": 1, "server": 1, "client": 1}).items():
            names += [(role if count == 1 else f"{role}-{n}", role) for n in range(1, count + 1)]
        self.plans = [
            NodePlan(index=index, name=name, role=role, device_type="test")
            for index, (name, role) in enumerate(names)
        ]
        self.group = Group(self.plans)
        self.facts: list[Fact] = []
        self.vms_started = 0
        self.nodes: dict[str, Node] = {}
        self.refuse_deadlocks = False
        self.on_signal: Callable[[Node, signals.Signal], None] = lambda node, signal: None
        self.noise: dict[str, Noise] = {}
        self.drop_answer: Callable[[str], bool] = lambda line: False
        self.damage_answer: Callable[[str], str] = lambda line: line

    def start(
        self,
        name: str,
        *definitions: str | testdef.TestDefinition,
        parameters: Mapping[str, str] | None = None,
        files: Sequence[overlay.OverlayFile] = (),
        env: Mapping[str, str] | None = None,
        network: overlay.GroupNetwork | None = None,
        skip_install: str = "",
        user: int | None = None,
        then: str = "",
        prepare: Callable[[Path], None] = lambda top: None,
    ) -> Node:
        """Deliver the overlay to a node's own folder and start the runner on its pty.

        `then` is a line of shell for the same terminal, run after it.
        """
        plan = next(plan for plan in self.plans if plan.name == name)
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        top = folder / f"lava-57.{plan.index}"
        parsed = [testdef.parse(one) if isinstance(one, str) else one for one in definitions]
        suites = testdef.unique_names(one.name for one in parsed)
        plans = [
            overlay.SuitePlan(
                definition=one,
                suite=suite,
                uuid=f"uuid-{index}",
                parameters=parameters or {},
                files=tuple(files),
                skip_install=skip_install,
            )
            for index, (one, suite) in enumerate(zip(parsed, suites, strict=True))
        ]
        facts = overlay.NodeFacts(
            job=57,
            name=name,
            role=plan.role,
            host=plan.index == 0,
            group=tuple((other.name, other.role) for other in self.plans),
            network=network or overlay.GroupNetwork(),
        )
        shutil.rmtree(top, ignore_errors=True)
        for file in overlay.build(facts, plans, helpers(), shell=self.shell.command):
            path = top / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
            path.chmod(file.mode)
        prepare(top)
        environment = {
            "PATH": self.shell.path,
            "HOME": str(folder),
            "LAVA_MULTI_NODE_CACHE": str(folder / "cache.txt"),
            "LAVA_MULTI_NODE_NETWORK_CACHE": str(folder / "network.txt"),
            "LAVA_REPEAT": "0.2",
            "SCRATCH": str(folder),
            **(env or {}),
        }
        runner = [self.shell.command, f"{top}/bin/lava-test-runner", str(top)]
        master, slave = pty.openpty()
        if then:
            runner = [self.shell.command, "-c", f'"$@"; {then}', "sh", *runner]
        if user is not None:
            # What login does on a console.
            os.fchown(slave, user, -1)
            os.chown(folder, user, -1)
            runner = [
                shutil.which("setpriv") or "setpriv",
                f"--reuid={user}",
                f"--regid={user}",
                "--clear-groups",
                "--",
                *runner,
            ]
        process = subprocess.Popen(
            runner,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd=folder,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(slave)
        os.set_blocking(master, False)
        node = Node(plan, folder, self.shell, process, master, Scanner(output=True))
        self.nodes[name] = node
        return node

    def run(self, seconds: float = 60) -> None:
        """Play the lab until every runner has ended."""
        deadline = time.monotonic() + seconds
        while any(not node.exited for node in self.nodes.values()):
            assert time.monotonic() < deadline, "\n".join(
                f"--- {name}\n{node.text[-3000:]}" for name, node in self.nodes.items() if not node.exited
            )
            self.turn()

    def run_until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "\n".join(
                f"--- {name}\n{node.text[-3000:]}" for name, node in self.nodes.items()
            )
            self.turn()

    def turn(self) -> None:
        """Take what the consoles say and type what there is to type."""
        for node in self.nodes.values():
            node.process.poll()  # a runner that is dead must not look alive to its helpers
        with selectors.DefaultSelector() as selector:
            for node in self.nodes.values():
                if not node.exited:
                    events = selectors.EVENT_READ | (selectors.EVENT_WRITE if node.to_type else 0)
                    selector.register(node.master, events, node)
            for key, mask in selector.select(0.2):
                node = key.data
                if mask & selectors.EVENT_WRITE and node.to_type:
                    written = os.write(node.master, node.to_type[:256])
                    del node.to_type[:written]
                if mask & selectors.EVENT_READ:
                    self._read(node)
        if self.refuse_deadlocks and (why := self.group.stuck()):
            self._apply(self.group.refuse_all(why, time.time()))

    def _read(self, node: Node) -> None:
        try:
            data = os.read(node.master, 65536)
        except OSError:
            data = b""
        if not data:
            node.process.wait(timeout=20)
            os.close(node.master)
            node.exited = True
            return
        data = self.noise[node.plan.name](data) if node.plan.name in self.noise else data
        node.output += data
        for one in node.scanner.feed(data):
            node.seen.append(one)
            self.on_signal(node, one)
            if isinstance(one, signals.Answer):
                self._type(node, one.lines)
            elif isinstance(one, signals.Request):
                self._apply(self.group.handle(node.plan.index, one, time.time()))

    def close(self, name: str, reason: str) -> None:
        index = next(plan.index for plan in self.plans if plan.name == name)
        self._apply(self.group.close(index, reason, time.time()))

    def _apply(self, effects: Sequence[object]) -> None:
        for effect in effects:
            if isinstance(effect, Reply):
                node = next(node for node in self.nodes.values() if node.plan.index == effect.node)
                self._type(node, effect.lines)
            elif isinstance(effect, Happened):
                self.facts.append(effect.fact)
            elif isinstance(effect, StartVms):
                self.vms_started += 1

    def _type(self, node: Node, lines: Sequence[str]) -> None:
        for line in lines:
            assert len(line) < 1000
            if not self.drop_answer(line):
                node.to_type += self.damage_answer(line).encode("ascii") + b"\n"

    def stop(self) -> None:
        for node in self.nodes.values():
            if not node.exited:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(node.process.pid, signal.SIGKILL)
                node.process.wait()
                os.close(node.master)
                node.exited = True


def _take_terminal() -> None:
    """Make the pty the controlling terminal, as a login on a console does."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def definition(*steps: str, name: str = "t", install: Sequence[str] = (), extra: str = "") -> str:
    """Return the YAML of a small test definition."""
    body: dict[str, object] = {
        "metadata": {"name": name, "format": "Lava-Test Test Definition 1.0"},
        "run": {"steps": list(steps)},
    }
    if install:
        body["install"] = {"steps": list(install)}
    return yaml.safe_dump(body) + extra


def left_behind(folder: Path) -> list[str]:
    """Return the command lines of processes that still run below `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if re.search(re.escape(str(folder)), command):
                found.append(command)
    return found
