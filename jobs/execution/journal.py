"""What a run says about itself, as facts: phases, results of the suite ``lava``, notes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from jobs.domain.events import (
    Fact,
    Level,
    NodeClosed,
    NoteTaken,
    Phase,
    PhaseEnded,
    PhaseStarted,
    ResultReported,
    Verdict,
)
from jobs.execution.ports import Reporter

SUITE = "lava"
"""The suite of Labbook's own results."""


class Journal:
    """Writes facts with the time of now. Thread-safe."""

    def __init__(self, report: Reporter, clock: Callable[[], float] = time.time) -> None:
        self._report, self.now = report, clock
        self._lock = threading.Lock()
        self._cases: Counter[tuple[int, str]] = Counter()
        self.failures = 0
        """Results that were reported as failed."""

    def facts(self, *facts: Fact) -> None:
        self.failures += sum(isinstance(fact, ResultReported) and fact.result == "fail" for fact in facts)
        self._report.report(*facts)

    def phase(self, node: int, phase: Phase, what: str) -> None:
        """A node begins something; what it did before ends with it."""
        self.facts(PhaseStarted(node=node, phase=phase, what=what, at=self.now()))

    def phase_end(self, node: int) -> None:
        self.facts(PhaseEnded(node=node, at=self.now()))

    def note(self, node: int | None, level: Level, text: str) -> None:
        self.facts(NoteTaken(node=node, level=level, text=text, at=self.now()))

    def result(
        self,
        node: int,
        case: str,
        verdict: Verdict,
        *,
        seconds: float | None = None,
        message: str = "",
        measurement: str | None = None,
        units: str = "",
        offset: int | None = None,
    ) -> None:
        """Report a result of Labbook's own. A case that comes again on a node is numbered."""
        with self._lock:
            self._cases[node, case] += 1
            times = self._cases[node, case]
        self.facts(
            ResultReported(
                node=node,
                suite=SUITE,
                case=case if times == 1 else f"{case}-{times}",
                result=verdict,
                measurement=measurement,
                units=units,
                message=message[:2000],
                offset=offset,
                seconds=None if seconds is None else round(seconds, 3),
                at=self.now(),
            )
        )

    def closed(self, node: int, reason: str, *, ok: bool) -> None:
        self.facts(NodeClosed(node=node, reason=reason, ok=ok, at=self.now()))
