"""Helpers' lines that are lost, and asked for again."""

from __future__ import annotations

import pytest

from jobs.domain import wire
from jobs.domain.scanner import Scanner
from jobs.domain.signals import (
    Answer,
    EndRun,
    Ignored,
    RunnerExited,
    Signal,
    StartCase,
    StartRun,
    TestCase,
)
from tests.unit.jobs.scanning import numbered, request


def fed(scanner: Scanner, *lines: str) -> list[Signal]:
    return [one for line in lines for one in scanner.feed(line.encode())]


RUN = [
    numbered("LAVA_SIGNAL_RUNNER s 7", 1, "s"),
    numbered("LAVA_SIGNAL_STARTRUN suite uuid", 2, "s"),
    numbered("LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass", 3, "s"),
    numbered("LAVA_SIGNAL_ENDRUN suite uuid", 4, "s"),
]


def results_of(found: list[Signal]) -> list[tuple[str, str]]:
    return [(one.suite, one.case) for one in found if isinstance(one, TestCase)]


def test_what_comes_behind_a_lost_line_waits_for_it_and_the_node_is_asked_once() -> None:
    scanner = Scanner()
    assert fed(scanner, RUN[0])
    found = fed(scanner, RUN[2], RUN[3])
    assert [type(one) for one in found] == [Answer]
    assert found == [Answer(offset=found[0].offset, lines=wire.again("s", "2"))]
    found = fed(scanner, RUN[1])
    assert [type(one) for one in found] == [StartRun, TestCase, EndRun]
    assert results_of(found) == [("suite", "a")]


def test_each_number_is_asked_for_once_only() -> None:
    scanner = Scanner()
    asked = [
        line
        for one in fed(scanner, RUN[0], RUN[3], *(numbered("LAVA_SIGNAL_ENDTC a", n, "s") for n in (5, 7)))
        if isinstance(one, Answer)
        for line in one.lines
    ]
    assert [line.split()[3:5] for line in asked] == [["again", "2-3"], ["again", "6"]]


def test_a_line_that_the_node_has_not_got_holds_nothing_up_for_ever() -> None:
    scanner = Scanner()
    fed(scanner, *RUN[:2], RUN[3])
    ask = [request("LAVA_JOURNAL 4", n, "s") for n in range(1, 7)]
    first, last = fed(scanner, *ask[:5]), fed(scanner, ask[5])
    assert all(isinstance(one, Answer) for one in first)
    assert [type(one) for one in last] == [Answer, EndRun]
    late = fed(scanner, RUN[2])
    assert results_of(late) == [("", "a")]
    assert not fed(scanner, RUN[2])


def test_what_waits_is_handed_out_when_nothing_more_comes() -> None:
    scanner = Scanner()
    fed(scanner, *RUN[:2], RUN[3])
    assert [type(one) for one in scanner.finish()] == [EndRun]
    assert scanner.finish() == []


def test_what_waits_is_handed_out_when_the_runner_exits() -> None:
    scanner = Scanner()
    fed(scanner, *RUN[:2], RUN[3])
    assert [type(one) for one in fed(scanner, "<LAVA_TEST_RUNNER>: exiting\n")] == [EndRun, RunnerExited]


def test_memory_for_what_waits_is_limited() -> None:
    scanner = Scanner()
    found = fed(scanner, *(numbered(f"LAVA_SIGNAL_STARTTC c{n}", n, "s") for n in range(2, 602)))
    assert len([one for one in found if isinstance(one, StartCase)]) == 600


@pytest.mark.parametrize(("sound", "damaged"), [(" #s", "#s"), (" #s", " s"), ("s1.3", "s13"), (".3.", ".3")])
def test_a_helpers_line_whose_number_is_damaged_is_not_taken_for_one_printed_by_hand(
    sound: str, damaged: str
) -> None:
    scanner = Scanner()
    fed(scanner, numbered("LAVA_SIGNAL_STARTRUN t u", 1))
    line = numbered("LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass", 3)
    found = fed(scanner, line.replace(sound, damaged))
    assert [type(one) for one in found] == [Ignored]
