"""Whoever is told what a board does: a run, which records it, or nobody, when only the board matters."""

from __future__ import annotations

from typing import Protocol

from jobs.domain.events import Level, Phase, Verdict
from jobs.execution.hands import Typewriter
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

    def opened(self, console: Typewriter) -> None:
        """People may type on this console from now on."""

    def closed(self, console: Typewriter) -> None:
        """It is gone."""


class Recorded:
    """A run's host, in its journal."""

    def __init__(self, run: Run) -> None:
        self._run, self._journal, self._record = run, run.journal, run.recorder(0)

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

    def opened(self, console: Typewriter) -> None:
        self._run.attach(0, console)

    def closed(self, console: Typewriter) -> None:
        self._run.detach(0, console)


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

    def opened(self, console: Typewriter) -> None:
        pass

    def closed(self, console: Typewriter) -> None:
        pass
