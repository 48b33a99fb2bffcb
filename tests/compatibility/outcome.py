"""What came of a definition, by whichever way it ran, and how two such outcomes compare."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

VERDICTS = ("pass", "fail", "skip", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Verdict:
    """One reported result. What is measured differs from run to run: only that it was measured counts."""

    set: str
    case: str
    result: str
    measured: bool = False
    units: str = ""

    def __str__(self) -> str:
        where = f"{self.set}/{self.case}" if self.set else self.case
        return f"{where} {self.result}" + (
            f" (measured{', ' + self.units if self.units else ''})" * self.measured
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one definition."""

    verdicts: tuple[Verdict, ...]
    status: int
    """Exit status of its steps."""
    ended: bool = True
    """Whether it came to an end at all."""

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(verdict.result for verdict in self.verdicts)
        return {result: found[result] for result in VERDICTS}

    @property
    def summary(self) -> str:
        counts = "/".join(str(self.counts[result]) for result in VERDICTS)
        end = "" if self.ended and not self.status else f", exit {self.status}" if self.ended else ", cut off"
        return counts + end


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One definition run both ways."""

    path: str
    guest: str
    hand: Outcome
    labbook: Outcome

    @property
    def differences(self) -> list[str]:
        """Say what is not the same, in words; empty if nothing."""
        found = []
        by_hand, by_us = Counter(self.hand.verdicts), Counter(self.labbook.verdicts)
        found += [f"only by hand: {one}" for one in sorted((by_hand - by_us).elements())]
        found += [f"only by Labbook: {one}" for one in sorted((by_us - by_hand).elements())]
        if (self.hand.ended, self.hand.status) != (self.labbook.ended, self.labbook.status):
            found.append(f"ended {_end(self.hand)} by hand, {_end(self.labbook)} by Labbook")
        return found


def _end(outcome: Outcome) -> str:
    return f"with status {outcome.status}" if outcome.ended else "too early"
