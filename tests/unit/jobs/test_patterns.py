"""Results by regular expression, and expressions that run away."""

from __future__ import annotations

import time

import pytest

from jobs.domain.patterns import (
    STRIKES,
    ParsedResult,
    PatternFault,
    PatternTooSlow,
    ResultFinder,
    ResultPattern,
)


@pytest.mark.parametrize(
    ("line", "case", "result"),
    [
        ("boot : pass", "boot", "pass"),
        ("  a case with blanks :  FAIL", "a case with blanks", "fail"),
        ("x : SKIP because", "x", "skip"),
        ("x : unknown", "x", "unknown"),
    ],
)
def test_the_default_pattern_finds_a_colon_and_a_word(line: str, case: str, result: str) -> None:
    assert ResultPattern.default().search(line) == ParsedResult(case=case, result=result)  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["boot: pass", "boot : passed", "boot : maybe", " : pass", "http://x : y"])
def test_the_default_pattern_leaves_other_lines_alone(line: str) -> None:
    assert ResultPattern.default().search(line) is None


def test_words_are_translated_and_unknown_ones_are_unknown() -> None:
    pattern = ResultPattern(r"(?P<test_case_id>\w+) (?P<result>\w+)", {"OK": "pass", "TFAIL": "fail"})
    verdicts = [
        found.result for line in ("a OK", "a TFAIL", "a PASS", "a CONF") if (found := pattern.search(line))
    ]
    assert verdicts == ["pass", "fail", "pass", "unknown"]


def test_a_measurement_alone_is_a_pass() -> None:
    pattern = ResultPattern(r"(?P<test_case_id>\w+): (?P<measurement>\S+)(?: (?P<units>\S+))?")
    assert pattern.search("speed: 1.50 MB/s") == ParsedResult(
        case="speed", result="pass", measurement="1.50", units="MB/s"
    )
    assert pattern.search("speed: fast MB/s") == ParsedResult(case="speed", result="unknown")


def test_a_case_without_a_name_is_none() -> None:
    assert ResultPattern(r"(?P<test_case_id>\w*)=(?P<result>\w+)").search("=pass") is None


@pytest.mark.parametrize(
    ("source", "fixups", "words"),
    [
        ("(", {}, "no regular expression"),
        ("x" * 2001, {}, "at most 2000"),
        ("(?P<result>x)", {}, "test_case_id"),
        ("(?P<test_case_id>x)", {"a": "b"}, "turns 'a' into 'b'"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused(source: str, fixups: dict[str, str], words: str) -> None:
    with pytest.raises(PatternFault, match=words):
        ResultPattern(source, fixups)


def test_a_pattern_that_runs_away_is_stopped_and_given_up() -> None:
    finder = ResultFinder(ResultPattern(r"(?P<test_case_id>(x+x+)+)y"))
    line = "x" * 200
    begun = time.monotonic()
    for _ in range(STRIKES - 1):
        assert finder.search(line) is None
    with pytest.raises(PatternTooSlow, match="no more results are looked for"):
        finder.search(line)
    assert finder.search("xxy") is None
    assert time.monotonic() - begun < 20
