"""Whoever is told what a board does: a run, which records it, or nobody, when only the board matters."""

from __future__ import annotations

from typing import Protocol

from jobs.domain.events import Level, Phase, Verdict
from jobs.execution.run import Run


class Witness(Protocol):
    """Takes what a board does and prints. Thread-safe."""

    def phase(self, phase: Phase, what: str) -> None: ...

    def note(self, level: Level, text: str) -> None: ...

    def result(
        self,
        case: str,
        verdict: Verdict,
        *,
        seconds: float | None = None,
        message: str = "",
        offset: int | None = None,
    ) -> None: ...

    def record(self, data: bytes) -> int:
        """Keep what the console printed; returns where it lies."""


class Recorded:
    """A run's host, in its journal."""

    def __init__(self, run: Run) -> None:
        self._journal, self._record = run.journal, run.recorder(0)

    def phase(self, phase: Phase, what: str) -> None:
        self._journal.phase(0, phase, what)

    def note(self, level: Level, text: str) -> None:
        self._journal.note(0, level, text)

    def result(
        self,
        case: str,
        verdict: Verdict,
        *,
        seconds: float | None = None,
        message: str = "",
        offset: int | None = None,
    ) -> None:
        self._journal.result(0, case, verdict, seconds=seconds, message=message, offset=offset)

    def record(self, data: bytes) -> int:
        return self._record(data)


class Unrecorded:
    """Nobody: the job is over, its record is closed."""

    def __init__(self) -> None:
        self._printed = 0

    def phase(self, phase: Phase, what: str) -> None:
        pass

    def note(self, level: Level, text: str) -> None:
        pass

    def result(
        self,
        case: str,
        verdict: Verdict,
        *,
        seconds: float | None = None,
        message: str = "",
        offset: int | None = None,
    ) -> None:
        pass

    def record(self, data: bytes) -> int:
        self._printed += len(data)
        return self._printed - len(data)
