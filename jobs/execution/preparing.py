"""Preparing a run: its test shells read and planned, what its VMs boot fetched and brought to the host."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from devices.drivers.shell import HostShell
from jobs.domain.definition.model import Action, TestShell
from jobs.domain.events import NodePlan
from jobs.domain.overlay import GroupNetwork, NodeFacts, OverlayFile
from jobs.execution import delivery
from jobs.execution.fetch import Fetcher
from jobs.execution.host import Place
from jobs.execution.images import BootFiles, BootPlan, Library, boot_arguments, boot_plan, prefetch
from jobs.execution.network import HOST_ADDRESS, USER_NETWORK, Network, mac, user_network_script
from jobs.execution.progress import Teller
from jobs.execution.run import Run
from jobs.execution.shells import Loaded, Loader, ShellPlan, is_shell, plan_shells
from jobs.execution.sources import Sources
from jobs.execution.spec import VmSpec
from jobs.execution.vm_node import VmWork
from jobs.execution.vms import VmProcess
from lab.kernel.deadline import Deadline
from lab.kernel.errors import JobError

T = TypeVar("T")


def result_of(future: Future[T], deadline: Deadline) -> T:
    """Wait for a future, but not past a cancellation."""
    while True:
        try:
            return future.result(timeout=max(0.01, deadline.tick))
        except TimeoutError:
            if future.done():
                return future.result()
            deadline.check()


class Preparation:
    """What is done for all nodes before they start. Thread-safe."""

    def __init__(self, run: Run, network: Network) -> None:
        self._run, self._job, self._journal = run, run.assignment, run.journal
        self._network = network
        self.fetcher = Fetcher(run.workplace)
        self._tellers = {node.index: Teller(self._journal, node.index) for node in self._job.nodes}

    def actions(self, role: str) -> list[Action]:
        """Return what a role has to do, in order."""
        return [action for action in self._job.definition.actions if action.applies_to(role)]

    def load(self) -> dict[int, tuple[ShellPlan, ...]]:
        """Fetch and read all test definitions, and plan the shells of all nodes."""
        loader = Loader(Sources(self._run.workplace, self.fetcher))
        loaded: dict[int, tuple[Loaded, ...]] = {}
        for action in self._job.definition.actions:
            if is_shell(action):
                loaded[action.index] = loader.load(action, self._run.deadline)
        return {
            node.index: plan_shells(
                self._facts(node),
                node.index,
                [(a, loaded[a.index]) for a in self.actions(node.role) if a.index in loaded],
            )
            for node in self._job.nodes
        }

    def _facts(self, node: NodePlan) -> NodeFacts:
        network = GroupNetwork()
        if node.index and self._job.vm_types[node.device_type].network:
            names = {vm.name: self._network.address(vm.index) for vm in self._run.vms}
            network = GroupNetwork(
                mac=mac(self._network, node.index, 0),
                address=self._network.address(node.index),
                names={**names, self._run.host.name: HOST_ADDRESS},
            )
        return NodeFacts(
            job=self._job.job,
            name=node.name,
            role=node.role,
            host=node.index == 0,
            group=tuple((one.name, one.role) for one in self._job.nodes),
            network=network,
            host_address=HOST_ADDRESS if node.index else "127.0.0.1",
            debug=self._job.definition.logging_level == "DEBUG",
        )

    def prefetch(self, node: NodePlan) -> None:
        """Fetch to the worker what a VM boots, while the host is being reached."""
        plan = self._boot_plan(node)
        wanted = [(one, True) for one in (plan.disk, plan.kernel, plan.dtb, plan.firmware)]
        teller = self._tellers[node.index]
        with self._blamed(node, plan.action or "image"):
            for one, unpack in (*wanted, (plan.ramdisk, False)):
                if one is not None and not one.on_host:
                    prefetch(self.fetcher, one, self._run.deadline, teller, unpack=unpack)

    @contextmanager
    def _blamed(self, node: NodePlan, action: str) -> Iterator[None]:
        """Say of what goes wrong in the block which node and action it belongs to."""
        try:
            yield
        except JobError as exc:
            exc.node, exc.action = node.index, action
            raise

    def _boot_plan(self, node: NodePlan) -> BootPlan:
        vm = self._run.definition_vms[node.role]
        return boot_plan(self._job.definition, vm, own=self._starts_itself(node))

    def _starts_itself(self, node: NodePlan) -> bool:
        """Whether commands of the definition's or the VM type's own start it."""
        launch = self._job.vm_types[node.device_type].launch
        return bool(self._run.definition_vms[node.role].launch_with or launch)

    # -- a VM ----------------------------------------------------------------------------------------

    def vm(
        self,
        line: HostShell,
        node: NodePlan,
        place: Place,
        library: Library,
        plans: tuple[ShellPlan, ...],
        acceleration: Future[bool],
    ) -> VmWork:
        """Bring what a VM boots, and its tests, to the host."""
        run = self._run
        vm, plan = run.definition_vms[node.role], self._boot_plan(node)
        started = time.monotonic()
        stamp = delivery.new_stamp()
        tar = self._overlay(node, plans, stamp)
        action = plan.action or "image"
        with self._blamed(node, action):
            chosen = library.choose(
                plan,
                self._job.vm_types[node.device_type],
                run.deadline,
                self._tellers[node.index],
                own=self._starts_itself(node),
            )
        # What is large takes its time; what is small, and whether KVM works, is seen to meanwhile.
        with ThreadPoolExecutor(1, thread_name_prefix=f"small files of {node.name}") as aside:
            small = aside.submit(self._process, line, node, place, chosen.files, tar, acceleration)
            with self._blamed(node, action):
                library.copy(chosen.contents, run.deadline, self._tellers[node.index])
            process = result_of(small, run.deadline)
        for note in chosen.files.notes:
            self._journal.note(node.index, "warning", note)
        if plan.action or vm.image:
            self._journal.result(node.index, action, "pass", seconds=time.monotonic() - started)
        roots = tuple(
            p.action.lava_test_dir
            for p in plans
            if isinstance(p.action, TestShell) and p.action.lava_test_dir
        )
        return VmWork(
            process=process,
            login=plan.login,
            tar=tar,
            stamp=stamp,
            shells=plans,
            roots=roots,
        )

    def _process(
        self,
        line: HostShell,
        node: NodePlan,
        place: Place,
        files: BootFiles,
        tar: bytes,
        acceleration: Future[bool],
    ) -> VmProcess:
        """Write what is made for the VM alone: its tests, its throw-away disk, its script."""
        run = self._run
        overlay = place.path(f"vm-{node.index}.tar") if tar else ""
        if tar:
            line.put(io.BytesIO(tar), overlay, run.deadline)
        arguments = boot_arguments(self._job.definition, node.role)
        spec = VmSpec(
            node=node.index,
            name=node.name,
            vm=run.definition_vms[node.role],
            config=self._job.vm_types[node.device_type],
            files=replace(files, arguments=(*files.arguments, *arguments)),
            network=self._network,
            kvm=result_of(acceleration, run.deadline),
            overlay=overlay,
        )
        process = VmProcess(line, place, spec)
        process.prepare(run.deadline)
        return process

    def _overlay(self, node: NodePlan, plans: tuple[ShellPlan, ...], stamp: str) -> bytes:
        if not plans:
            return b""
        script = user_network_script(self._network, node.index)
        extra = OverlayFile(path=USER_NETWORK, content=script.encode(), mode=0o755)
        folders = {plan.folder: (*plan.files, extra) for plan in plans}
        return delivery.pack(folders, stamp)
