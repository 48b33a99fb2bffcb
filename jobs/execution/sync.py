"""The group at work: requests from all consoles to its rules, and its answers back to the consoles."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from devices.drivers.expect import Console
from jobs.domain.events import Fact, NodePlan, PhaseStarted, WaitEnded, WaitStarted
from jobs.domain.multinode import Effect, Group, Happened, Reply
from jobs.domain.signals import Request
from jobs.execution.journal import Journal
from jobs.execution.ports import Superseded
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError, JobError


class Typist:
    """Types answers into a console, in order, from a thread of its own: a console may be slow to take."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"typist {console.name}", daemon=True)
        self._thread.start()

    def type(self, lines: Sequence[str]) -> None:
        """Type lines, soon."""
        self._lines.put("".join(f"{line}\n" for line in lines).encode())

    def close(self) -> None:
        self._stopping = True
        self._lines.put(None)
        self._thread.join(self._console.waits.typing)

    def _run(self) -> None:
        while (data := self._lines.get()) is not None:
            try:
                within = Deadline.after(self._console.waits.typing, "typing", stop=self._stopped)
                self._console.send(data, within)
            except JobError:
                return  # the console's reader finds out, and says so

    def _stopped(self) -> JobError | None:
        return InfrastructureError("the console is closed") if self._stopping else None


class Sync:
    """`jobs.domain.multinode.Group`, thread-safe, with consoles, a journal and an eye on deadlocks."""

    def __init__(
        self,
        nodes: Sequence[NodePlan],
        journal: Journal,
        *,
        auto_start: bool,
        start_vms: Callable[[], None],
        deadlocked: Callable[[str], None],
        stuck_for: float = 3,
    ) -> None:
        self._group = Group(nodes, auto_start=auto_start)
        self._names = {node.index: node.name for node in nodes}
        self._journal, self._start_vms, self._deadlocked = journal, start_vms, deadlocked
        self._lock = threading.RLock()
        self._typists: dict[int, Typist] = {}
        self._doing: dict[int, str] = {}
        self._waiting: dict[int, int] = {}
        self._closed: set[int] = set()
        self._alarm: threading.Timer | None = None
        self._stuck_for = stuck_for
        self._gate = threading.Event()
        if self._group.gate_open:
            self._gate.set()

    # -- what nodes do -------------------------------------------------------------------------------

    def attach(self, node: int, typist: Typist) -> None:
        """From now on answers to `node` go to this typist."""
        with self._lock:
            self._typists[node] = typist

    def doing(self, node: int, what: str) -> None:
        """A node runs this test: it goes back to it after a wait."""
        with self._lock:
            self._doing[node] = what
        self._journal.phase(node, "test", what)

    def request(self, node: int, request: Request) -> None:
        """Act on what a node asks for."""
        with self._lock:
            self._apply(self._group.handle(node, request, self._journal.now()))

    def shell_ended(self, node: int, reason: str) -> None:
        """The node's test shell is over; answers have nowhere to go."""
        with self._lock:
            self._typists.pop(node, None)
            self._doing.pop(node, None)
            self._apply(self._group.shell_ended(node, reason, self._journal.now()))

    def close(self, node: int, reason: str, *, ok: bool) -> None:
        """The node is closed: it is reported, and whoever needs it is released."""
        with self._lock:
            if node in self._closed:
                return
            self._closed.add(node)
            self._journal.closed(node, reason, ok=ok)
            self._apply(self._group.close(node, reason, self._journal.now()))
            if self._group.gate_open:
                self._gate.set()

    # -- the gate ------------------------------------------------------------------------------------

    @property
    def gate_problem(self) -> str | None:
        """Why the host would wait at the gate in vain, if it would."""
        with self._lock:
            return self._group.gate_problem()

    @property
    def gate_open(self) -> bool:
        return self._gate.is_set()

    def pass_gate(self, deadline: Deadline) -> None:
        """Wait, as the host, until every VM is closed."""
        with self._lock:
            self._apply(self._group.wait_at_gate(self._journal.now()))
        self.wait_open(deadline)

    def wait_open(self, deadline: Deadline) -> None:
        """Wait until every VM is closed."""
        while not self._gate.wait(max(0.01, deadline.tick)):
            deadline.check()

    def stop(self, reason: str) -> None:
        """End all waits: nobody is going to be served any more."""
        with self._lock:
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
            self._apply(self._group.refuse_all(reason, self._journal.now()))

    # -- effects -------------------------------------------------------------------------------------

    def _apply(self, effects: Sequence[Effect]) -> None:
        facts: list[Fact] = []
        for effect in effects:
            if isinstance(effect, Happened):
                facts += self._with_phases(effect.fact)
            elif isinstance(effect, Reply):
                if (typist := self._typists.get(effect.node)) is not None:
                    typist.type(effect.lines)
            else:
                self._start_vms()
        if facts:
            self._journal.facts(*facts)
        self._watch()

    def _with_phases(self, fact: Fact) -> list[Fact]:
        """Return the fact and the change of phase that it means."""
        if isinstance(fact, WaitStarted):
            self._waiting[fact.node] = self._waiting.get(fact.node, 0) + 1
            what = "VMs to close" if fact.kind == "vms" else f"{fact.kind} {fact.id}"
            return [fact, PhaseStarted(node=fact.node, phase="wait", what=what, at=fact.at)]
        if isinstance(fact, WaitEnded):
            self._waiting[fact.node] = max(0, self._waiting.get(fact.node, 0) - 1)
            if not self._waiting[fact.node] and (doing := self._doing.get(fact.node)) is not None:
                return [fact, PhaseStarted(node=fact.node, phase="test", what=doing, at=fact.at)]
        return [fact]

    # -- deadlocks -----------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Set or lift the alarm."""
        stuck = self._stuck()
        if stuck is None and self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        elif stuck is not None and self._alarm is None:
            self._alarm = threading.Timer(self._stuck_for, self._break_up)
            self._alarm.daemon = True
            self._alarm.start()

    def _stuck(self) -> str | None:
        if (stuck := self._group.stuck()) is not None:
            return stuck
        if self._waiting.get(0) and not self._group.vms_wanted:
            return f"{self._names[0]} waits for the group, but {self._group.gate_problem()}"
        return None

    def _break_up(self) -> None:
        with self._lock:
            self._alarm = None
            stuck = self._stuck()
            if stuck is not None:
                with suppress(Superseded):  # whoever reports next finds out
                    self._deadlocked(stuck)
                    self._apply(self._group.refuse_all(stuck, self._journal.now()))
