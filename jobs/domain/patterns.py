"""Results found in what a test prints, by the regular expression of its definition.

The expression is the test author's and may be a catastrophic one. Python's own ``re`` cannot be stopped, and
holds every other thread up meanwhile; so it is run by the ``regex`` module, which takes the same expressions,
has a timeout, and lets other threads run. Lines are cut, a search is given `TIMEOUT`, and after
`STRIKES` lines that took too long the expression is not tried any more.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import regex

from jobs.domain.attachments import decimal
from jobs.domain.events import Verdict
from jobs.domain.names import clean_name

TIMEOUT = 0.05
"""Seconds for one line. The module looks at its clock now and then only: up to a second may pass."""
STRIKES = 5
MAX_LINE = 1000
MAX_PATTERN = 2000

DEFAULT = r"^\s*(?P<test_case_id>\S[^:]*?)\s+:\s+(?P<result>PASS|pass|FAIL|fail|SKIP|skip|UNKNOWN|unknown)\b"
"""Where a definition has no pattern of its own: ``boot-time : pass``."""

_VERDICTS: Mapping[str, Verdict] = {"pass": "pass", "fail": "fail", "skip": "skip", "unknown": "unknown"}


class PatternFault(ValueError):
    """A pattern that cannot be used; the message says why."""


class PatternTooSlow(Exception):
    """The pattern took too long too often: it is not tried any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedResult:
    case: str
    result: Verdict
    measurement: str | None = None
    units: str = ""


class ResultPattern:
    """A pattern with the groups ``test_case_id``, ``result``, ``measurement``, ``units``.

    `fixups` translate what the test prints into pass, fail, skip, unknown. Raises `PatternFault`.

    >>> ResultPattern(r"(?P<test_case_id>\\w+)=(?P<result>\\w+)", {"OK": "pass"}).search("disk=OK").result
    'pass'
    """

    def __init__(self, source: str, fixups: Mapping[str, str] | None = None) -> None:
        self.source = source
        self.fixups = dict(fixups or {})
        if len(source) > MAX_PATTERN:
            raise PatternFault(f"the pattern has {len(source)} characters; at most {MAX_PATTERN} are allowed")
        for said, meant in self.fixups.items():
            if meant.lower() not in _VERDICTS:
                raise PatternFault(
                    f"fixupdict turns {said!r} into {meant!r}, not pass, fail, skip or unknown"
                )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._regex = regex.compile(source)
        except (regex.error, ValueError, OverflowError, RecursionError) as error:
            raise PatternFault(f"the pattern is no regular expression: {error}") from error
        if "test_case_id" not in self._regex.groupindex:
            raise PatternFault("the pattern has no group (?P<test_case_id>…)")

    @classmethod
    def default(cls, fixups: Mapping[str, str] | None = None) -> ResultPattern:
        return cls(DEFAULT, fixups)

    def search(self, line: str) -> ParsedResult | None:
        """Return the result that a line of output reports, if it does. Raises `TimeoutError`."""
        found = self._regex.search(line[:MAX_LINE], timeout=TIMEOUT, concurrent=True)
        if found is None:
            return None
        groups = {name: value or "" for name, value in found.groupdict().items()}
        case = clean_name(groups["test_case_id"])
        if not case:
            return None
        measurement: str | None = groups.get("measurement", "").strip()
        if not measurement or not decimal(measurement):
            measurement = None
        said = groups.get("result", "").strip()
        meant = self.fixups.get(said, said).lower()
        if not said and measurement is not None:
            meant = "pass"
        return ParsedResult(
            case=case,
            result=_VERDICTS.get(meant, "unknown"),
            measurement=measurement,
            units=clean_name(groups.get("units", "")) if measurement is not None else "",
        )


class ResultFinder:
    """Looks for results in one run of a test, and knows when to give up."""

    def __init__(self, pattern: ResultPattern) -> None:
        self.pattern = pattern
        self._strikes = 0

    def search(self, line: str) -> ParsedResult | None:
        """Return the result that a line of output reports, if it does.

        Raises `PatternTooSlow` once, when the pattern is given up.
        """
        if self._strikes >= STRIKES:
            return None
        try:
            return self.pattern.search(line)
        except TimeoutError:
            self._strikes += 1
            if self._strikes < STRIKES:
                return None
            raise PatternTooSlow(
                f"the pattern {self.pattern.source!r} took more than {TIMEOUT} s on {STRIKES} lines,"
                f" the last of them {line[:80]!r}: no more results are looked for with it"
            ) from None
