"""What differs between two runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.comparison import difference
from jobs.domain.comparing import Spent, measured, normalised, pairs, spent
from jobs.views.compare import nice_ticks


def row(case: str, result: str = "pass", *, measurement: str | None = None, **fields: Any) -> dict[str, Any]:
    known = {
        "node": "host",
        "suite": "s",
        "set": "",
        "case": case,
        "result": result,
        "units": "",
        "message": "",
    }
    return {**known, "measurement": measurement, **fields}


def changes(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(pair.case, pair.change) for pair in pairs(a, b) if pair.change]


def test_what_changed_is_said_in_words() -> None:
    a = [row("same"), row("broke"), row("mended", "fail"), row("gone"), row("skipped")]
    b = [row("new", "fail"), row("same"), row("broke", "fail"), row("mended"), row("skipped", "skip")]
    assert changes(a, b) == [
        ("new", "new, failed"),
        ("broke", "fails now"),
        ("mended", "passes now"),
        ("skipped", "skipped now"),
        ("gone", "not reported any more"),
    ]


def test_the_same_case_on_another_node_in_another_suite_or_set_is_another_case() -> None:
    a = [row("x"), row("x", node="server"), row("x", suite="t"), row("x", set="u")]
    assert len(pairs(a, a)) == 4
    assert changes(a, a) == []


def test_a_case_that_comes_twice_is_compared_in_order() -> None:
    assert changes([row("x"), row("x", "fail")], [row("x"), row("x")]) == [("x", "passes now")]
    assert changes([row("x")], [row("x"), row("x", "fail")]) == [("x", "new, failed")]


def test_measurements_are_compared_where_both_are_numbers_of_the_same_unit() -> None:
    a = [
        row("a", measurement="4", units="ms"),
        row("b", measurement="4", units="ms"),
        row("c"),
        row("d", measurement="0"),
    ]
    b = [
        row("a", measurement="3", units="ms"),
        row("b", measurement="4", units="s"),
        row("c"),
        row("d", measurement="1"),
    ]
    assert [(one.pair.case, one.percent) for one in measured(pairs(a, b))] == [("a", -25.0), ("d", None)]


def test_durations_are_sums_by_node_and_phase() -> None:
    a = [{"node": "host", "phase": "test", "start": 0.0, "end": 10.0}]
    b = [
        {"node": "host", "phase": "test", "start": 0.0, "end": 20.0},
        {"node": "host", "phase": "test", "start": 30.0, "end": 31.5},
        {"node": "host", "phase": "wait", "start": 31.5, "end": None},
    ]
    found = spent(a, b)
    assert found == [Spent(node="host", phase="test", a=10.0, b=21.5)]
    assert found[0].longer
    assert not Spent(node="host", phase="test", a=1.0, b=10.0).longer, "a few seconds are no matter"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "[    2.168400] virtio_blk virtio0: ready",
            "[   12.1] virtio_blk virtio0: ready".replace("12.1", "12.168999"),
        ),
        ("Sun Nov 22 20:57:18 UTC 2026 up", "Mon Nov 23 01:00:00 UTC 2026 up"),
        ("2026-11-22T20:57:18.123Z started", "2026-11-23 01:02:03 started"),
        ("from 10.0.2.15:40112", "from 192.168.77.11:9"),
        ("link 52:54:00:12:34:56", "link 52:54:00:aa:bb:cc"),
        ("port 5201, pid 77", "port 5202, pid 12345"),
        ("sshd[812]: ok", "sshd[1]: ok"),
        ("at 0xffff8000 in", "at 0xdeadbeef in"),
        ("took 12 ms", "took 3.5 ms"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("cd /lava-57.1/tests", "cd /lava-58.1/tests"),
    ],
)
def test_what_differs_from_run_to_run_is_not_compared(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RESULT=pass", "RESULT=fail"),
        ("MEASUREMENT=11.8 UNITS=percent", "MEASUREMENT=0.03 UNITS=percent"),
        ("deadbeef", "facade"),
        ("Linux 6.1.0", "Linux 6.2.0"),
    ],
)
def test_what_was_found_out_is_compared(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@given(line=st.text(max_size=300))
def test_a_normalised_line_is_still_one_line_and_normal(line: str) -> None:
    once = normalised(line.replace("\n", ""))
    assert "\n" not in once


def test_a_difference_shows_the_lines_as_they_were_with_their_numbers() -> None:
    a = ["[ 1.000] boot", "same", "old"]
    b = ["[ 2.000] boot", "same", "new", "more"]
    plain = ([normalised(line) for line in a], [normalised(line) for line in b])
    found = difference(a, b, plain=plain)
    assert [(line.kind, line.a, line.b, line.text) for line in found.lines] == [
        ("@", None, None, "line 1 of A, line 1 of B"),
        (" ", 1, 1, "[ 2.000] boot"),
        (" ", 2, 2, "same"),
        ("-", 3, None, "old"),
        ("+", None, 3, "new"),
        ("+", None, 4, "more"),
    ]
    assert found.changed == 3


def test_equal_texts_do_not_differ_and_lines_may_look_like_a_diff() -> None:
    odd = ["--- a", "+++ b", "@@ -1 +1 @@", "\\ No newline", "diff --git", "\x00\x01", "ümlaut"]
    assert difference(odd, odd).lines == ()
    found = difference(odd, [*odd, "-- more"])
    assert [(line.kind, line.text) for line in found.lines if line.kind in "+-"] == [("+", "-- more")]
    assert difference([], ["x"]).changed == 1
    assert difference(["x"], []).changed == 1


@given(
    a=st.lists(st.sampled_from("abc-+@ "), max_size=12), b=st.lists(st.sampled_from("abc-+@ "), max_size=12)
)
def test_taking_away_and_adding_what_differs_makes_one_text_of_the_other(a: list[str], b: list[str]) -> None:
    found = difference(a, b)
    gone = {line.a for line in found.lines if line.kind == "-"}
    came = {line.b for line in found.lines if line.kind == "+"}
    kept_a = [text for at, text in enumerate(a, 1) if at not in gone]
    kept_b = [text for at, text in enumerate(b, 1) if at not in came]
    assert kept_a == kept_b


@pytest.mark.parametrize(
    ("low", "high"), [(0.41, 3.2), (0, 0), (-5, 5), (1e-9, 1e-8), (400, 413), (7, 7), (-3, -3)]
)
def test_ticks_are_round_and_span_the_values(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 13
