"""What all parts of one run share: its job, its journal, when to stop, and what went wrong first."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from devices.drivers.shell import ConnectionLost
from jobs.domain.definition.model import Vm
from jobs.domain.events import ErrorKind, Fact, Failure, NodePlan
from jobs.domain.hands_events import ConsoleClosed, ConsoleOpened
from jobs.execution.hands import Hands, Typewriter
from jobs.execution.journal import Journal
from jobs.execution.ports import Assignment, Cancellation, ConsoleFull, Consoles, Files, Superseded, Workplace
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Canceled, JobError, TestFault

KINDS: Mapping[str, ErrorKind] = {"infrastructure": "infrastructure", "job": "job", "test": "test"}

logger = logging.getLogger(__name__)


class Ended(JobError):
    """The group has ended for a reason that is recorded elsewhere: whoever still waits gives up."""


class Run:
    """One run of a job. Thread-safe."""

    def __init__(
        self,
        assignment: Assignment,
        journal: Journal,
        consoles: Consoles,
        files: Files,
        cancel: Cancellation,
        deadline: Deadline,
        workplace: Workplace,
        hands: Hands | None = None,
    ) -> None:
        self.assignment, self.journal, self.files, self.workplace = assignment, journal, files, workplace
        self.deadline = Deadline(deadline.at, "the job", deadline.clock, self._why_stop)
        """The whole job's; ends every wait when the run is cancelled or lost."""
        self._consoles, self._cancel = consoles, cancel
        self.hands = hands or Hands()
        self._lock = threading.Lock()
        self._ended = ""
        self.failure: Failure | None = None
        """The first thing that went wrong."""
        self._lost = False
        self._known: list[Exception] = []
        """What was recorded already: an error may come by two ways."""
        self.superseded = False
        self.interrupted = False
        """Whether the cancellation kept something from being done."""

    @property
    def definition_vms(self) -> dict[str, Vm]:
        return {vm.role: vm for vm in self.assignment.definition.vms}

    @property
    def host(self) -> NodePlan:
        return self.assignment.nodes[0]

    @property
    def vms(self) -> tuple[NodePlan, ...]:
        return self.assignment.nodes[1:]

    @property
    def canceled(self) -> bool:
        return self._cancel.requested

    @property
    def cancel_reason(self) -> str:
        return self._cancel.reason

    def _why_stop(self) -> Exception | None:
        if self._cancel.requested:
            return Canceled(self._cancel.reason)
        return Ended(self._ended) if self._ended else None

    def grace(self, seconds: float, what: str) -> Deadline:
        """Return a deadline of its own, for what must be found out even when the job's time is over."""
        return Deadline.after(seconds, what, stop=self._why_stop)

    def recorder(self, node: int) -> Callable[[bytes], int]:
        """Return the function that records what a node prints."""
        return lambda data: self._consoles.write(node, data)

    @contextmanager
    def typed_on(self, node: int, console: Typewriter) -> Iterator[None]:
        """While inside, people may type on this console."""
        self.attach(node, console)
        try:
            yield
        finally:
            self.detach(node, console)

    def attach(self, node: int, console: Typewriter) -> None:
        """From now on people may type on this console of a node, until `detach`."""
        if self.hands.attach(node, console):
            self._tell(ConsoleOpened(node=node, at=self.journal.now()))

    def detach(self, node: int, console: Typewriter | None) -> None:
        """Nobody may type on this console any more."""
        if console is not None and self.hands.detach(node, console):
            self._tell(ConsoleClosed(node=node, at=self.journal.now()))

    def _tell(self, fact: Fact) -> None:
        try:
            if not self.superseded:
                self.journal.facts(fact)
        except Superseded:
            self.superseded = True

    @property
    def failed(self) -> bool:
        """Whether something went wrong until now, or a result says so."""
        return self.failure is not None or self.journal.failures > 0

    @property
    def to_be_held(self) -> bool:
        """Whether somebody wants it held; where that depends on how it ends, it may still come to that."""
        return self.hands.wanted(failed=True) is not None

    def end(self, reason: str) -> None:
        """Make everybody who waits give up."""
        with self._lock:
            self._ended = self._ended or reason

    def fail(self, error: Exception, node: int | None, action: str = "") -> None:
        """Record what went wrong, if it is the first such thing, in the log of the run and for its ending."""
        failure = self._failure_of(error, node, action)
        if failure is None:
            return
        with self._lock:
            if any(known is error for known in self._known):
                return
            self._known.append(error)
            first = self.failure is None
            if first:
                self.failure = failure
                self._lost = isinstance(error, ConnectionLost)
        if not self.superseded:
            try:
                self.journal.note(failure.node, "error", failure.message)
            except Superseded:
                self.superseded = True

    def explain_loss(self, why: str) -> None:
        """Add why the line to the host was lost, if that is how the run has failed."""
        with self._lock:
            if self.failure is None or not self._lost:
                return
            self.failure = replace(self.failure, message=f"{self.failure.message}; {why}")
        self.journal.note(0, "error", why)

    def _failure_of(self, error: Exception, node: int | None, action: str) -> Failure | None:
        if isinstance(error, Superseded):
            self.superseded = True
            self.end("another worker has taken over")
            return None
        if isinstance(error, Canceled | Ended):
            self.interrupted = self.interrupted or isinstance(error, Canceled)
            return None
        if isinstance(error, ConsoleFull):
            error = TestFault(str(error))
        if isinstance(error, JobError):
            words = str(error)
            if self.deadline.expired and not isinstance(error, TestFault):
                words = f"the job's time of {self.assignment.definition.timeout} s ran out: {words}"
            return Failure(
                kind=KINDS.get(error.kind, "bug"),
                message=words,
                node=0 if isinstance(error, ConnectionLost) else node if error.node is None else error.node,
                action=error.action or action,
            )
        logger.error("a bug ended part of job %s", self.assignment.job, exc_info=error)
        return Failure(kind="bug", message=f"{type(error).__name__}: {error}", node=node, action=action)
