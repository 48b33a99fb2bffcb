"""A small lab for tests of runs: an sshd of the test's own, and what a run reports."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from devices.domain.config import BoardConfig, VmTypeConfig
from jobs.domain.definition.model import (
    Action,
    Definition,
    DummyDeploy,
    Host,
    TestShell,
    TestSource,
    Vm,
)
from jobs.domain.events import CleanedUp, Fact, NodeClosed, NodePlan, NoteTaken, PhaseStarted, ResultReported
from jobs.execution.boards.equipment import Equipment
from jobs.execution.boards.lab import LAB
from jobs.execution.hands import Hands
from jobs.execution.ports import Assignment, Cancellation, Ending, Superseded, Workplace
from jobs.execution.runner import run_job
from lab.demo.images import GuestImages
from lab.demo.sshd import SshServer
from lab.kernel.deadline import Deadline
from tests.support.sshd import ssh_config

F = TypeVar("F")

SHELL = VmTypeConfig(qemu="sh", machine="none", cpu="none", network=False, boot_timeout=30)
"""A "VM" that is a shell on the host: everything but the machine is real, and it boots at once."""
A_SHELL = ("stty sane -echo", "exec sh -i")


def x86(images: GuestImages) -> VmTypeConfig:
    """Return the type of a real VM."""
    return VmTypeConfig(
        qemu="qemu-system-x86_64",
        machine="pc",
        cpu="qemu64",
        memory=192,
        kernel=images.kernel.as_uri(),
        ramdisk=images.initramfs.as_uri(),
        boot_timeout=100,
    )


def suite(name: str, *steps: str, **params: str) -> TestSource:
    """Return an inline test definition."""
    lines = [f"metadata: {{name: {name}, format: Lava-Test Test Definition 1.0}}", "run:", "  steps:"]
    for step in steps:
        lines += ["  - |", *(f"      {line}" for line in step.splitlines())]
    return TestSource(inline="\n".join([*lines, ""]), parameters=params)


def shell_action(role: str, *sources: TestSource, timeout: int | None = 60, **more: Any) -> TestShell:
    return TestShell(command="lava_test_shell", index=0, role=role, sources=sources, timeout=timeout, **more)


@dataclass
class Ran:
    """What came of a run."""

    ending: Ending
    facts: list[Fact]
    consoles: dict[int, bytes]
    attachments: dict[str, bytes]
    seconds: float

    def of(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def results(self, suite: str | None = None, node: int | None = None) -> dict[str, str]:
        return {
            one.case: one.result
            for one in self.of(ResultReported)
            if suite in (None, one.suite) and node in (None, one.node)
        }

    def closed(self) -> list[int]:
        return [one.node for one in self.of(NodeClosed)]

    def phases(self, node: int) -> list[str]:
        return [f"{one.phase} {one.what}" for one in self.of(PhaseStarted) if one.node == node]

    def notes(self) -> str:
        return "\n".join(one.text for one in self.of(NoteTaken))

    def text(self, node: int) -> str:
        return self.consoles.get(node, b"").decode(errors="replace")


@dataclass
class Watching:
    """Takes what a run reports, and lets a test act on it."""

    react: Callable[[Fact], None] | None = None
    supersede_after: int | None = None
    facts: list[Fact] = field(default_factory=list)
    consoles: dict[int, bytes] = field(default_factory=dict)
    attachments: dict[str, bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def report(self, *facts: Fact) -> None:
        with self.lock:
            if self.supersede_after is not None and len(self.facts) >= self.supersede_after:
                raise Superseded
            self.facts += facts
        for fact in facts:
            if self.react is not None:
                self.react(fact)

    def write(self, node: int, data: bytes) -> int:
        with self.lock:
            offset = len(self.consoles.get(node, b""))
            self.consoles[node] = self.consoles.get(node, b"") + data
            return offset

    def keep(self, content: BinaryIO) -> tuple[str, int]:
        data = content.read()
        digest = hashlib.sha256(data).hexdigest()
        self.attachments[digest] = data
        return digest, len(data)


class Lab:
    """Runs jobs on a host of the test's own."""

    def __init__(self, server: SshServer, folder: Path, roots: Sequence[Path] = ()) -> None:
        self.server, self.folder = server, folder
        self.board = BoardConfig(
            ssh=ssh_config(server), work_dir=str(folder / "work"), kvm="never", connect_timeout=20
        )
        self.vm_types = {"shell": SHELL}
        self.place = Workplace(
            cache=folder / "cache", scratch=folder / "scratch", file_roots=(folder, *roots)
        )
        self.jobs = 0

    def run(
        self,
        *actions: Action,
        vms: Sequence[Vm] = (),
        auto_start: bool = True,
        timeout: int = 240,
        react: Callable[[Fact], None] | None = None,
        cancel: Cancellation | None = None,
        watching: Watching | None = None,
        deadline: Deadline | None = None,
        hands: Hands | None = None,
        equipment: Equipment = LAB,
        installed: bool = True,
    ) -> Ran:
        """Run a job of these actions. Shell "VMs" are named ``a``, ``b`` … unless `vms` are given.

        `installed`: the host's system is used as it is.
        """
        self.jobs += 1
        (self.folder / "scratch").mkdir(exist_ok=True)
        dummy = DummyDeploy(command="dummy_deploy", index=0, role="host", target_type="debian")
        numbered = tuple(
            replace(one, index=index) for index, one in enumerate((*([dummy] if installed else []), *actions))
        )
        definition = Definition(
            job_name="test",
            timeout=timeout,
            host=Host(device_type="ssh-host", role="host"),
            vms=tuple(vms),
            actions=numbered,
            auto_start_vms=auto_start,
        )
        watching = watching or Watching(react=react)
        started = time.monotonic()
        ending = run_job(
            Assignment(
                job=self.jobs,
                definition=definition,
                nodes=self._nodes(definition),
                board_name="board-1",
                board=self.board,
                vm_types=self.vm_types,
            ),
            report=watching,
            consoles=watching,
            files=watching,
            cancel=cancel or Cancellation(),
            deadline=deadline or Deadline.after(timeout, "the job"),
            workplace=self.place,
            hands=hands,
            equipment=equipment,
        )
        return Ran(
            ending=ending,
            facts=watching.facts,
            consoles=watching.consoles,
            attachments=watching.attachments,
            seconds=time.monotonic() - started,
        )

    def shell_vm(self, role: str, **more: Any) -> Vm:
        """Return a "VM" that is a shell on the host."""
        return Vm(
            **{"device_type": "shell", "role": role, "image": self.an_image(), "launch_with": A_SHELL, **more}
        )

    def an_image(self) -> str:
        path = self.folder / "an.img"
        if not path.exists():
            path.write_bytes(b"\0" * 510 + b"\x55\xaa")
        return path.as_uri()

    def roots(self) -> str:
        """Return where the tests of shell "VMs" may lie."""
        path = self.folder / "tests"
        path.mkdir(exist_ok=True)
        return str(path)

    def _nodes(self, definition: Definition) -> tuple[NodePlan, ...]:
        nodes = [NodePlan(index=0, name="host", role="host", device_type="ssh-host")]
        for vm in definition.vms:
            for number in range(vm.count):
                name = vm.role if vm.count == 1 else f"{vm.role}-{number + 1}"
                nodes.append(NodePlan(index=len(nodes), name=name, role=vm.role, device_type=vm.device_type))
        return tuple(nodes)

    def assert_host_is_clean(self, ran: Ran | None = None) -> None:
        """Look at the host with our own eyes."""
        jobs = self.folder / "work" / "jobs"
        assert not jobs.exists() or list(jobs.iterdir()) == []
        assert "labbook-" not in self.server.authorized_keys.read_text().replace("labbook-demo", "")
        if ran is not None:
            assert ran.ending.clean, ran.ending.dirt
            (evidence,) = ran.of(CleanedUp)
            assert evidence.clean
            assert all(check.ok for check in evidence.checks)
        assert [
            t.name
            for t in threading.enumerate()
            if t.name.startswith(("vm ", "console ", "typist ", "watch "))
        ] == []
