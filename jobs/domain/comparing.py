"""What differs between two runs: results, measurements, how long things took, what consoles said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Row = Mapping[str, Any]
Key = tuple[str, str, str, str, int]
"""Node name, suite, set, case, and how often it came before in the same run."""

LONGER_BY, LONGER_SECONDS = 1.2, 10.0
"""What took longer by this factor and by more than so many seconds is worth a colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A test case in both runs; None where it was not reported."""

    node: str
    suite: str
    case: str
    set: str
    a: Row | None
    b: Row | None

    @property
    def change(self) -> str:
        """What became of it, in words; empty: the same."""
        if self.a is None:
            return f"new, {_SAID[self.b['result']]}" if self.b else ""
        if self.b is None:
            return "not reported any more"
        if self.a["result"] == self.b["result"]:
            return ""
        return {"pass": "passes now", "fail": "fails now", "skip": "skipped now"}.get(
            self.b["result"], "unknown now"
        )

    @property
    def worse(self) -> bool:
        """Whether a person should look at it first."""
        return (self.b is not None and self.b["result"] == "fail") or self.b is None

    @property
    def name(self) -> str:
        return f"{self.set}/{self.case}" if self.set else self.case


_SAID = {"pass": "passed", "fail": "failed", "skip": "skipped", "unknown": "unknown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A measurement that both runs have."""

    pair: Pair
    a: float
    b: float

    @property
    def units(self) -> str:
        return str(self.pair.b["units"] if self.pair.b else "")

    @property
    def percent(self) -> float | None:
        """How much more B has; None where A has nothing."""
        return 100 * (self.b - self.a) / abs(self.a) if self.a else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """How long a node was in a phase, in seconds."""

    node: str
    phase: str
    a: float
    b: float

    @property
    def longer(self) -> bool:
        return self.b > self.a * LONGER_BY and self.b - self.a > LONGER_SECONDS


def pairs(a: Sequence[Row], b: Sequence[Row]) -> list[Pair]:
    """Put the results of two runs side by side, in B's order, then what only A has.

    Rows are results as `jobs.rows.result` has them, with `node` the node's name.
    """
    left, right = _keyed(a), _keyed(b)
    keys = list(right) + [key for key in left if key not in right]
    return [Pair(node=k[0], suite=k[1], set=k[2], case=k[3], a=left.get(k), b=right.get(k)) for k in keys]


def _keyed(rows: Iterable[Row]) -> dict[Key, Row]:
    seen: Counter[tuple[str, str, str, str]] = Counter()
    found: dict[Key, Row] = {}
    for row in rows:
        name = (str(row["node"]), row["suite"], row["set"], row["case"])
        found[(*name, seen[name])] = row
        seen[name] += 1
    return found


def measured(all_pairs: Iterable[Pair]) -> list[Measured]:
    """Return the measurements that can be compared: numbers in the same units."""
    found = []
    for pair in all_pairs:
        if pair.a is None or pair.b is None or pair.a["units"] != pair.b["units"]:
            continue
        a, b = number(pair.a["measurement"]), number(pair.b["measurement"])
        if a is not None and b is not None:
            found.append(Measured(pair=pair, a=a, b=b))
    return found


def number(text: str | None) -> float | None:
    """Return a measurement's value, None if it has none that can be drawn."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def spent(a: Sequence[Row], b: Sequence[Row]) -> list[Spent]:
    """Return for each node and kind of phase how long it took in both runs.

    Open phases do not count, nor what people took for looking at a job that was held.
    """
    left, right = _sums(a), _sums(b)
    keys = list(dict.fromkeys([*right, *left]))
    return [Spent(node=k[0], phase=k[1], a=left.get(k, 0.0), b=right.get(k, 0.0)) for k in keys]


def _sums(phases: Iterable[Row]) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for row in phases:
        if row["end"] is not None and row["phase"] != "hold":
            key = (str(row["node"]), str(row["phase"]))
            found[key] = found.get(key, 0.0) + row["end"] - row["start"]
    return found


# -- consoles ------------------------------------------------------------------------------------

RULES: Sequence[tuple[str, re.Pattern[str], str]] = (
    ("control sequences", re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)"), ""),
    ("kernel times", re.compile(r"\[\s*\d+\.\d{3,}\]"), "[<time>]"),
    ("hardware addresses", re.compile(r"\b[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}\b"), "<mac>"),
    (
        "dates and times",
        re.compile(
            r"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\s+)?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s+\d{1,2}"
            r"(?:\s+\d{1,2}:\d{2}:\d{2})?(?:\s+[A-Z]{3,4})?(?:\s+\d{4})?\b"
            r"|\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
            r"|\b\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?\b"
        ),
        "<time>",
    ),
    ("unique identifiers", re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "<uuid>"),
    ("network addresses", re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?:[:/]\d{1,5}\b)?"), "<address>"),
    ("ports", re.compile(r"\b(port|pid|PID|tid|fd|id)([ :=]+)\d+\b"), r"\1\2<n>"),
    ("addresses in memory", re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"), "<x>"),
    ("process numbers", re.compile(r"(?<=[A-Za-z)])\[\d+\]"), "[<n>]"),
    ("durations", re.compile(r"\b\d+(?:\.\d+)?\s?(?:ns|us|µs|ms|s|sec|secs|seconds|jiffies)\b"), "<time>"),
    ("the lab's own numbers", re.compile(r"lava-\d+\.\d+|LABBOOK-[0-9a-f]+|\bseq=\d+\b"), "<lab>"),
)
"""What is not compared: in words, what it looks like, what stands for it. In the order they are applied."""


def normalised(line: str) -> str:
    """Return a console line without what differs from run to run.

    >>> normalised("[    2.168400] eth0: 10.0.2.15, 52:54:00:12:34:56")
    '[<time>] eth0: <address>, <mac>'
    """
    for _, pattern, instead in RULES:
        line = pattern.sub(instead, line)
    return line.rstrip()


# -- differences ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """A line of what differs: in both, only in A (``-``), only in B (``+``), or a gap (``@``)."""

    kind: Literal[" ", "-", "+", "@"]
    text: str
    a: int | None = None
    """Line number in A, from 1."""
    b: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All that differs between two texts."""

    lines: tuple[DiffLine, ...]
    changed: int
    """Lines that only one of them has, also those that are not in `lines`."""
    left_out: int = 0
    """Lines of the difference that are not in `lines`, to keep it readable."""


_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


def read_unified(diff: Iterable[str], a: Sequence[str], b: Sequence[str], most: int) -> Difference:
    """Read a unified diff of two texts, and show the lines as `a` and `b` have them.

    `diff` may be of other texts with the same lines, for example without what is not to be compared.
    """
    shown: list[DiffLine] = []
    changed = total = at = bt = 0
    for line in diff:
        if (hunk := _HUNK.match(line)) is not None:
            at, bt = int(hunk[1]), int(hunk[2])
            one = DiffLine(kind="@", text=f"line {at} of A, line {bt} of B")
        elif not at and not bt:
            continue  # the names of the files
        elif line.startswith("-"):
            one = DiffLine(kind="-", text=_line(a, at), a=at)
            at, changed = at + 1, changed + 1
        elif line.startswith("+"):
            one = DiffLine(kind="+", text=_line(b, bt), b=bt)
            bt, changed = bt + 1, changed + 1
        elif line.startswith(" "):
            one = DiffLine(kind=" ", text=_line(b, bt), a=at, b=bt)
            at, bt = at + 1, bt + 1
        else:
            continue  # "\ No newline at end of file"
        total += 1
        if len(shown) < most:
            shown.append(one)
    return Difference(lines=tuple(shown), changed=changed, left_out=total - len(shown))


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""
