"""Running a job: the order of things (docs/architecture.md). Whatever happens, VMs end before the host does.

One thread for each VM, the caller's thread for the host, and readers for their consoles. Nothing here waits
without a deadline; a cancellation, or a failure that ends the whole group, ends every wait within 0.2 s.
"""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from devices.domain.config import VmTypeConfig
from devices.drivers import ssh
from jobs.domain.definition.model import Action, TestShell
from jobs.domain.events import Check, CleanedUp, NodePlan
from jobs.domain.overlay import GroupNetwork, NodeFacts, OverlayFile
from jobs.execution import delivery, kvm
from jobs.execution.cleanup import Evidence, clean_host
from jobs.execution.fetch import Fetcher
from jobs.execution.host import (
    JobKey,
    Place,
    connect_as_job,
    key_mark,
    make_place,
    new_handle,
)
from jobs.execution.host_node import HostNode
from jobs.execution.images import BootFiles, Library, boot_arguments, boot_plan
from jobs.execution.journal import Journal
from jobs.execution.network import HOST_ADDRESS, USER_NETWORK, Network, mac, user_network_script
from jobs.execution.ports import (
    Assignment,
    Cancellation,
    Consoles,
    Ending,
    Files,
    Reporter,
    Superseded,
    Workplace,
)
from jobs.execution.run import Ended, Run
from jobs.execution.shells import Loaded, Loader, ShellPlan, is_shell, plan_shells
from jobs.execution.sources import Sources
from jobs.execution.sync import Sync
from jobs.execution.vm_node import VmNode, VmWork
from jobs.execution.vms import VmProcess, VmSpec
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError, JobError, TestFault


def run_job(
    assignment: Assignment,
    *,
    report: Reporter,
    consoles: Consoles,
    files: Files,
    cancel: Cancellation,
    deadline: Deadline,
    workplace: Workplace,
) -> Ending:
    """Run a job to its end, whatever that is, and leave its host as it was.

    Raises `Superseded`, and nothing else, when the run is not ours any more.
    """
    run = Run(assignment, Journal(report), consoles, files, cancel, deadline, workplace)
    evidence = _Group(run).go()
    if run.superseded:
        raise Superseded
    if run.canceled and (run.failure is None or run.interrupted):
        return Ending(outcome="canceled", clean=evidence.clean, dirt=evidence.dirt)
    outcome = "complete" if run.failure is None else "incomplete"
    return Ending(outcome=outcome, failure=run.failure, clean=evidence.clean, dirt=evidence.dirt)  # type: ignore[arg-type]


class _Group:
    """The nodes of one run."""

    def __init__(self, run: Run) -> None:
        self._run, self._job = run, run.assignment
        self._journal = run.journal
        self._handle = new_handle()
        self._network = Network.of(self._handle)
        self._start = threading.Event()
        self._no_start = ""
        self._sync = Sync(
            self._job.nodes,
            self._journal,
            auto_start=self._job.definition.auto_start_vms,
            start_vms=self._start.set,
            deadlocked=lambda words: run.fail(TestFault(words), None, "lava_test_shell"),
        )
        self._fetcher = Fetcher(run.workplace)
        self._board_line: ssh.SshHost | None = None
        self._line: ssh.SshHost | None = None
        self._touched = False
        """Whether anything may have been left on the host."""

    def go(self) -> Evidence:
        """Run everything; returns what clean-up found."""
        threads: list[threading.Thread] = []
        pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="prepare")
        try:
            self._all(pool, threads)
        except Exception as exc:  # noqa: BLE001 -- the runner's edge: every error becomes the job's ending
            self._run.fail(exc, 0, getattr(exc, "action", ""))
            self._run.end("the host's part has ended")
        for thread in threads:
            thread.join()
        pool.shutdown(wait=True, cancel_futures=True)
        return self._leave()

    # -- the order of things -------------------------------------------------------------------------

    def _all(self, pool: ThreadPoolExecutor, threads: list[threading.Thread]) -> None:
        loaded = pool.submit(self._load)
        fetched = [pool.submit(self._prefetch, url) for url in self._urls()]
        place = self._reach_host()
        assert self._line is not None
        plans = _result(loaded, self._run.deadline)
        self._note_faults(fetched)
        accelerations = {
            name: pool.submit(self._acceleration, place, config) for name, config in self._vm_types().items()
        }
        library = Library(self._line, place, self._job.board, self._fetcher)
        for node in self._run.vms:
            thread = threading.Thread(
                target=self._vm,
                args=(node, place, library, plans[node.index], accelerations[node.device_type]),
                name=f"vm {node.name}",
                daemon=True,
            )
            threads.append(thread)
            thread.start()
        self._host(HostNode(self._run, self._sync, self._line, place), plans[0])

    def _host(self, host: HostNode, plans: tuple[ShellPlan, ...]) -> None:
        """Do the host's actions, start the VMs, keep the gate."""
        remaining = iter(plans)
        try:
            host.prepare(plans)
            first = True
            for action in self._actions(self._run.host.role):
                self._run.deadline.check()
                if not is_shell(action):
                    host.do(action)
                    continue
                if first and self._job.definition.auto_start_vms:
                    self._start.set()
                host.test(next(remaining))
                if first:
                    self._pass_gate(action)
                first = False
            if first:
                if self._job.definition.auto_start_vms:
                    self._start.set()
                self._pass_gate(None)
        except JobError as exc:
            self._run.fail(exc, 0, exc.action)
            self._close_host(str(exc), ok=False)
            self._refuse_start("the host's part of the job failed")
            self._wait_for_vms()
        else:
            self._close_host("its actions are done", ok=True)

    def _pass_gate(self, action: Action | None) -> None:
        """Wait for all VMs to be closed, once the host's first test shell is over."""
        if (problem := self._sync.gate_problem) is not None and not self._start.is_set():
            if action is None:
                problem = (
                    "auto_start_vms is false, and the host has no test shell that could call lava-start-vms:"
                    " its VMs can never be started"
                )
            raise TestFault(problem, node=0, action=action.command if action is not None else "")
        self._sync.pass_gate(self._run.deadline)
        self._journal.phase_end(0)

    def _wait_for_vms(self) -> None:
        """Let the VMs come to their end after the host has failed, unless the whole run is to end."""
        try:
            self._sync.wait_open(self._run.deadline)
        except JobError as exc:
            self._run.fail(exc, None)
            self._run.end("the job has ended")

    def _refuse_start(self, reason: str) -> None:
        """Close the VMs that have not been started."""
        if not self._start.is_set():
            self._no_start = reason
            self._start.set()

    def _close_host(self, reason: str, *, ok: bool) -> None:
        if not self._run.superseded:
            self._sync.close(0, _short(reason), ok=ok)

    # -- the host ------------------------------------------------------------------------------------

    def _reach_host(self) -> Place:
        """Connect, authorise the job's own key, connect with it, see what the host can do."""
        board, journal = self._job.board, self._journal
        journal.phase(0, "deploy", f"connect to {self._job.board_name}")
        started = time.monotonic()
        within = self._run.deadline.within(board.connect_timeout, f"the connection to {self._job.board_name}")
        try:
            self._board_line = ssh.connect(board.ssh, within)
        except InfrastructureError as exc:
            journal.result(0, "ssh", "fail", message=str(exc), seconds=time.monotonic() - started)
            raise
        journal.result(0, "ssh", "pass", seconds=time.monotonic() - started)
        journal.phase(0, "deploy", "look at the host")
        self._touched = True
        command = self._run.deadline.within(board.command_timeout, "a command on the host")
        programs = {config.qemu for config in self._vm_types().values()}
        key = JobKey.generate(key_mark(board, self._job.job) + self._handle)
        place = make_place(self._board_line, board, self._job.job, self._handle, key, programs, command)
        self._line = connect_as_job(board, key, within)
        self._check_requirements(place)
        return place

    def _check_requirements(self, place: Place) -> None:
        assert self._line is not None
        started = time.monotonic()
        try:
            content = io.BytesIO(b"Labbook was here.\n")
            self._line.put(content, place.path("sftp"), self._run.deadline)
        except InfrastructureError as exc:
            self._journal.result(0, "sftp", "fail", message=str(exc))
            raise
        self._journal.result(0, "sftp", "pass", seconds=time.monotonic() - started)
        needed = {
            self._job.vm_types[vm.device_type].qemu for vm in self._job.definition.vms if not vm.launch_with
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

    def _acceleration(self, place: Place, config: VmTypeConfig) -> bool:
        """Find out whether VMs of a type can use KVM, and say so."""
        assert self._line is not None
        found = kvm.look(self._line, place, config, self._job.board.kvm, self._run.deadline)
        case = f"kvm-{config.qemu.rsplit('/', 1)[-1].removeprefix('qemu-system-')}"
        self._journal.result(0, case, "pass" if found.usable else "skip", message=found.words)
        if found.surprising:
            self._journal.note(0, "warning", f"VMs are emulated, which is slow: {found.words}")
        return found.usable

    # -- what is prepared ----------------------------------------------------------------------------

    def _actions(self, role: str) -> list[Action]:
        return [action for action in self._job.definition.actions if action.applies_to(role)]

    def _vm_types(self) -> dict[str, VmTypeConfig]:
        return {node.device_type: self._job.vm_types[node.device_type] for node in self._run.vms}

    def _load(self) -> dict[int, tuple[ShellPlan, ...]]:
        """Fetch and read all test definitions, and plan the shells of all nodes."""
        loader = Loader(Sources(self._run.workplace, self._fetcher))
        loaded: dict[int, tuple[Loaded, ...]] = {}
        for action in self._job.definition.actions:
            if is_shell(action):
                loaded[action.index] = loader.load(action, self._run.deadline)
        return {
            node.index: plan_shells(
                self._facts(node),
                node.index,
                [(a, loaded[a.index]) for a in self._actions(node.role) if a.index in loaded],
            )
            for node in self._job.nodes
        }

    def _facts(self, node: NodePlan) -> NodeFacts:
        network = GroupNetwork()
        if node.index and self._job.vm_types[node.device_type].network:
            names = {self._network.address(vm.index): vm.name for vm in self._run.vms}
            network = GroupNetwork(
                mac=mac(self._network, node.index, 0),
                address=self._network.address(node.index),
                names={
                    **{name: address for address, name in names.items()},
                    self._run.host.name: HOST_ADDRESS,
                },
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

    def _urls(self) -> list[tuple[str, str, bool]]:
        """Return (URL, expected digest, whether it is unpacked) of what VMs boot."""
        found = []
        for vm in self._job.definition.vms:
            plan = boot_plan(self._job.definition, vm)
            for wanted in (plan.disk, plan.kernel, plan.dtb, plan.firmware):
                if wanted is not None:
                    found.append((wanted.url, wanted.sha256, True))
            if plan.ramdisk is not None:
                found.append((plan.ramdisk.url, plan.ramdisk.sha256, False))
        return list(dict.fromkeys(found))

    def _prefetch(self, wanted: tuple[str, str, bool]) -> None:
        url, sha256, unpack = wanted
        self._fetcher.get(url, self._run.deadline, sha256=sha256, unpack=unpack)

    def _note_faults(self, fetched: list[Future[None]]) -> None:
        """Give up before anything is started, if a file that is fetched already is no good."""
        for future in fetched:
            if future.done():
                future.result()

    # -- the VMs -------------------------------------------------------------------------------------

    def _vm(
        self,
        node: NodePlan,
        place: Place,
        library: Library,
        plans: tuple[ShellPlan, ...],
        acceleration: Future[bool],
    ) -> None:
        """See one VM through. Runs in its thread; everything that goes wrong is the node's failure."""
        ok, reason, prepared = False, "", False
        try:
            work = self._prepare(node, place, library, plans, acceleration)
            prepared = True
            self._journal.phase(node.index, "wait", "the host's test environment")
            self._await_start()
            vm = self._run.definition_vms[node.role]
            assert self._line is not None
            config = self._job.vm_types[node.device_type]
            VmNode(self._run, self._sync, self._line, node, vm, config).live(work)
            ok, reason = True, "its actions are done"
        except Exception as exc:  # noqa: BLE001 -- the thread's edge: every error becomes the job's ending
            self._run.fail(exc, node.index, getattr(exc, "action", ""))
            reason = str(exc) or type(exc).__name__
            if not prepared:
                self._run.end(f"{node.name} could not be prepared")
        try:
            if not self._run.superseded:
                self._sync.close(node.index, _short(reason), ok=ok)
        except Exception as exc:  # noqa: BLE001
            self._run.fail(exc, node.index)
            self._run.end("the run is over")

    def _await_start(self) -> None:
        while not self._start.wait(max(0.01, self._run.deadline.tick)):
            self._run.deadline.check()
        if self._no_start:
            raise Ended(f"not started: {self._no_start}")

    def _prepare(
        self,
        node: NodePlan,
        place: Place,
        library: Library,
        plans: tuple[ShellPlan, ...],
        acceleration: Future[bool],
    ) -> VmWork:
        """Bring what a VM boots, and its tests, to the host."""
        assert self._line is not None
        run, definition = self._run, self._job.definition
        config, vm = self._job.vm_types[node.device_type], run.definition_vms[node.role]
        plan = boot_plan(definition, vm)
        started = time.monotonic()
        try:
            files = library.bring(
                plan, config, run.deadline, lambda what: self._journal.phase(node.index, "deploy", what)
            )
        except JobError as exc:
            exc.node, exc.action = node.index, plan.action or "image"
            raise
        for note in files.notes:
            self._journal.note(node.index, "warning", note)
        stamp = delivery.new_stamp()
        tar = self._overlay(node, plans, stamp)
        overlay = place.path(f"vm-{node.index}.tar") if tar else ""
        if tar:
            self._line.put(io.BytesIO(tar), overlay, run.deadline)
        spec = VmSpec(
            node=node.index,
            name=node.name,
            vm=vm,
            config=config,
            files=_with_arguments(files, boot_arguments(definition, node.role)),
            network=self._network,
            kvm=_result(acceleration, run.deadline),
            overlay=overlay,
        )
        process = VmProcess(self._line, place, spec)
        command = process.prepare(run.deadline)
        self._journal.result(node.index, plan.action or "image", "pass", seconds=time.monotonic() - started)
        roots = tuple(
            p.action.lava_test_dir
            for p in plans
            if isinstance(p.action, TestShell) and p.action.lava_test_dir
        )
        return VmWork(
            process=process,
            command=command,
            login=plan.login,
            tar=tar,
            stamp=stamp,
            shells=plans,
            roots=roots,
        )

    def _overlay(self, node: NodePlan, plans: tuple[ShellPlan, ...], stamp: str) -> bytes:
        if not plans:
            return b""
        script = user_network_script(self._network, node.index)
        extra = OverlayFile(path=USER_NETWORK, content=script.encode(), mode=0o755)
        folders = {plan.folder: (*plan.files, extra) for plan in plans}
        return delivery.pack(folders, stamp)

    # -- the end -------------------------------------------------------------------------------------

    def _leave(self) -> Evidence:
        """Clean the host, with evidence, and hang up."""
        board = self._job.board
        evidence = Evidence(checks=())
        try:
            if self._run.superseded:
                return evidence
            self._sync.stop("the job has ended")
            if self._line is not None:
                self._line.close()
            if self._touched:
                self._journal.phase(0, "close", "clean the host")
                within = Deadline.after(board.cleanup_timeout, "the clean-up")
                evidence = clean_host(board, self._job.job, within, shell=self._board_line)
            else:
                evidence = Evidence(checks=(Check(what="the host", found="was not touched", ok=True),))
            self._journal.facts(
                CleanedUp(checks=list(evidence.checks), clean=evidence.clean, at=self._journal.now())
            )
            self._journal.phase_end(0)
        except Superseded:
            self._run.superseded = True
        finally:
            for line in (self._line, self._board_line):
                if line is not None:
                    line.close()
        return evidence


def _with_arguments(files: BootFiles, arguments: tuple[str, ...]) -> BootFiles:
    return replace(files, arguments=(*files.arguments, *arguments))


T = TypeVar("T")


def _result(future: Future[T], deadline: Deadline) -> T:
    """Wait for a future, but not past a cancellation."""
    while True:
        try:
            return future.result(timeout=max(0.01, deadline.tick))
        except TimeoutError:
            deadline.check()


def _short(reason: str) -> str:
    """Return the first sentence of an error: what a list has room for."""
    return reason.split("; the last it printed", 1)[0].split("\n", 1)[0][:300]
