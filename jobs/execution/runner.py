"""Running a job: the order of things. Whatever happens, VMs end before the host does.

One thread for each VM, the caller's thread for the host, and readers for their consoles. Nothing here waits
without a deadline; a cancellation, or a failure that ends the whole group, ends every wait within 0.2 s.

A VM that fails is closed, and whoever waits for it is told so at once; the others go on with their actions,
because what they find out is worth keeping. Where people want the job held, its VMs go on to run until that
is over, though the group takes them for closed. What cannot be prepared, a host that cannot be reached, the
end of the job's time and a cancellation end everything.
"""

from __future__ import annotations

import re
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from devices.drivers.shell import ConnectionLost
from jobs.domain.definition.model import Action
from jobs.domain.events import CleanedUp, NodePlan
from jobs.execution.arrival import Arrival
from jobs.execution.boards.equipment import Equipment
from jobs.execution.boards.lab import LAB
from jobs.execution.boards.leaving import Evidence, Leaving
from jobs.execution.boards.machine import Machine
from jobs.execution.boards.witness import Recorded
from jobs.execution.hands import Hands
from jobs.execution.holding import Holding
from jobs.execution.host import Place, new_handle
from jobs.execution.host_node import HostNode
from jobs.execution.images import Library
from jobs.execution.journal import Journal
from jobs.execution.network import Network
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
from jobs.execution.preparing import Preparation, result_of
from jobs.execution.run import Ended, Run
from jobs.execution.shells import ShellPlan, gate_action, is_shell
from jobs.execution.sync import Sync
from jobs.execution.vm_node import VmNode
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Canceled, JobError, TestFault


def run_job(
    assignment: Assignment,
    *,
    report: Reporter,
    consoles: Consoles,
    files: Files,
    cancel: Cancellation,
    deadline: Deadline,
    workplace: Workplace,
    hands: Hands | None = None,
    equipment: Equipment = LAB,
) -> Ending:
    """Run a job to its end, whatever that is, and leave its host as it was.

    Raises `Superseded`, and nothing else, when the run is not ours any more.
    """
    run = Run(assignment, Journal(report), consoles, files, cancel, deadline, workplace, hands)
    evidence = _Group(run, equipment).go()
    if run.superseded:
        raise Superseded
    failure = run.failure
    if run.interrupted:
        return Ending(outcome="canceled", clean=evidence.clean, dirt=evidence.dirt)
    if failure is not None:
        return Ending(outcome="incomplete", failure=failure, clean=evidence.clean, dirt=evidence.dirt)
    return Ending(outcome="complete", clean=evidence.clean, dirt=evidence.dirt)


class _Group:
    """The nodes of one run."""

    def __init__(self, run: Run, equipment: Equipment) -> None:
        self._run, self._job, self._journal = run, run.assignment, run.journal
        handle = new_handle()
        job = self._job
        self._machine = Machine(job.board, job.board_name, job.job, equipment, Recorded(run))
        self._arrival = Arrival(run, self._machine, handle)
        self._preparation = Preparation(run, Network.of(handle))
        self._holding = Holding(run, self._arrival)
        self._start = threading.Event()
        self._no_start = ""
        self._sync = Sync(
            self._job.nodes,
            self._journal,
            auto_start=self._job.definition.auto_start_vms,
            start_vms=self._start.set,
            deadlocked=lambda words: run.fail(TestFault(words), None, "lava_test_shell"),
            stuck_for=job.board.stuck_timeout,
        )

    def go(self) -> Evidence:
        """Run everything; returns what clean-up found."""
        threads: list[threading.Thread] = []
        pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="prepare")
        reason, late = "the job has ended", None
        try:
            self._all(pool, threads)
        except Exception as exc:  # noqa: BLE001 -- the runner's edge: every error becomes the job's ending
            reason = _reason(exc)
            if self._run.deadline.expired:
                late = exc  # what a VM was doing then says more
            else:
                self._run.fail(exc, None)
        if late is None:
            self._run.end(reason)
        for thread in threads:
            thread.join()
        if late is not None:
            self._run.fail(late, None)
        pool.shutdown(wait=True, cancel_futures=True)
        self._close_rest(reason)
        self._holding.hold()
        return self._leave()

    # -- the order of things -------------------------------------------------------------------------

    def _all(self, pool: ThreadPoolExecutor, threads: list[threading.Thread]) -> None:
        preparation, deadline = self._preparation, self._run.deadline
        loaded = pool.submit(preparation.load)
        fetched = [pool.submit(preparation.prefetch, node) for node in self._run.vms]
        early: list[Future[Any]] = [loaded, *fetched]
        for future in early:
            future.add_done_callback(self._fail_early)
        host = HostNode(self._run, self._sync, self._arrival, preparation.fetcher)
        actions = host.settle(preparation.actions(self._run.host.role))
        place = self._arrival.place
        plans = result_of(loaded, deadline)
        for future in fetched:
            if future.done():
                future.result()  # what is no good is better known before anything is started
        accelerations = {
            name: pool.submit(self._arrival.acceleration, place, config)
            for name, config in self._job.vm_types_used().items()
        }
        line = self._arrival.line
        library = Library(line, place, self._job.board, preparation.fetcher)
        for node in self._run.vms:
            arguments = (node, place, library, plans[node.index], accelerations[node.device_type])
            thread = threading.Thread(target=self._vm, args=arguments, name=f"vm {node.name}", daemon=True)
            threads.append(thread)
            thread.start()
        self._host(host, actions, plans[0])
        self._sync.wait_open(deadline)

    def _host(self, host: HostNode, actions: list[Action], plans: tuple[ShellPlan, ...]) -> None:
        """Do the host's actions that are left, start the VMs, keep the gate.

        When an action fails the host is closed, so that nobody waits for it, and the VMs come to their end.
        """
        try:
            host.prepare(plans)
            self._host_actions(host, actions, plans)
        except (Canceled, Ended):
            raise
        except JobError as exc:
            if self._run.deadline.expired:
                raise
            self._run.fail(exc, 0)
            self._refuse_start("the host's part of the job failed")
            self._sync.close(0, _reason(exc), ok=False)
        else:
            self._sync.close(0, "its actions are done", ok=True)

    def _host_actions(self, host: HostNode, actions: list[Action], plans: tuple[ShellPlan, ...]) -> None:
        remaining = iter(plans)
        first, passed = True, False
        # What is installed before the first test shell does not count: its VMs would be gone by then.
        gate = gate_action(actions)
        for action in actions:
            self._run.deadline.check()
            if not is_shell(action):
                if self._start.is_set() and not passed and host.interrupts(action):
                    self._pass_gate(action)
                    passed = True
                host.do(action)
                continue
            if first and self._job.definition.auto_start_vms:
                self._start.set()
            host.test(next(remaining))
            if action is gate and not passed:
                self._pass_gate(action)
                passed = True
            first = False
        if first:
            if self._job.definition.auto_start_vms:
                self._start.set()
            self._pass_gate(None)

    def _pass_gate(self, action: Action | None) -> None:
        """Wait for all VMs to be closed, once the host's first test shell is over."""
        problem = self._sync.gate_problem
        if problem is not None and action is None:
            problem = (
                "auto_start_vms is false, and the host has no test shell that could call lava-start-vms:"
                " its VMs can never be started"
            )
        if problem is not None:
            raise TestFault(problem, node=0, action=action.command if action is not None else "")
        self._sync.pass_gate(self._run.deadline)
        self._journal.phase_end(0)

    def _refuse_start(self, reason: str) -> None:
        """Close the VMs that have not been started."""
        if not self._start.is_set():
            self._no_start = reason
            self._start.set()

    def _fail_early(self, future: Future[Any]) -> None:
        """End everything when something that all needs is no good: a board may take minutes to come up."""
        if future.cancelled() or (error := future.exception()) is None:
            return
        if isinstance(error, JobError) and not isinstance(error, Canceled | Ended):
            self._run.fail(error, None)
            self._run.end(_reason(error))

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
        line = self._arrival.line
        ok, reason, prepared = False, "", False
        try:
            work = self._preparation.vm(line, node, place, library, plans, acceleration)
            prepared = True
            self._journal.phase(node.index, "wait", "the host's test environment")
            self._await_start()
            vm = VmNode(self._run, self._sync, line, node)
            self._holding.add(vm)
            vm.live(work)
            ok, reason = True, "its actions are done"
        except Exception as exc:  # noqa: BLE001 -- the thread's edge: every error becomes the job's ending
            self._run.fail(exc, node.index)
            reason = (isinstance(exc, ConnectionLost) and self._arrival.watch.dead) or _reason(exc)
            if not prepared:
                self._run.end(f"{node.name} could not be prepared")
        try:
            if not self._run.superseded:
                self._sync.close(node.index, reason, ok=ok)
        except Exception as exc:  # noqa: BLE001 -- as above
            self._run.fail(exc, node.index)
            self._run.end("the run is over")

    def _await_start(self) -> None:
        while not self._start.wait(max(0.01, self._run.deadline.tick)):
            self._run.deadline.check()
        if self._no_start:
            raise Ended(f"not started: {self._no_start}")

    # -- the end -------------------------------------------------------------------------------------

    def _close_rest(self, reason: str) -> None:
        """Close what is still open, VMs first."""
        try:
            for node in (*self._run.vms, self._run.host):
                if not self._run.superseded:
                    self._sync.close(node.index, reason, ok=False)
        except Superseded:
            self._run.superseded = True

    def _leave(self) -> Evidence:
        """Clean the host, with evidence, and hang up."""
        board, arrival = self._job.board, self._arrival
        evidence = Evidence(checks=())
        try:
            if self._run.superseded:
                return evidence
            self._sync.stop("the job has ended")
            self._machine.quiet()
            arrival.close_line()
            self._journal.phase(0, "close", "leave the host")
            within = Deadline.after(board.leave_timeout, "the clean-up")
            leaving = Leaving(
                self._machine, self._job.job, within, shell=arrival.board_line, dead=arrival.watch.dead
            )
            evidence = leaving.leave()
            self._explain_loss(evidence)
            now = self._journal.now()
            self._journal.facts(CleanedUp(checks=list(evidence.checks), clean=evidence.clean, at=now))
            self._journal.phase_end(0)
        except Superseded:
            self._run.superseded = True
        finally:
            self._machine.close()
            arrival.close()
        return evidence

    def _explain_loss(self, evidence: Evidence) -> None:
        """Say that the host was lost because it has booted anew, if that is so."""
        before = self._arrival.boot_id
        if before and evidence.boot_id and evidence.boot_id != before:
            self._run.explain_loss(
                f"{self._job.board_name} has booted anew in mid-test: it crashed, or was rebooted"
            )


def _reason(error: Exception) -> str:
    """Return why a node is closed: what a list has room for."""
    words = str(error) or type(error).__name__
    if isinstance(error, Canceled):
        return f"canceled: {words}"
    return re.split(r"; the (?:last it printed|lines around it)|\n", words, maxsplit=1)[0][:300]
