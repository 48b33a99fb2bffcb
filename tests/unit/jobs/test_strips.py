"""A day of a board as paths of SVG."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.strips import KINDS, MOST, WIDTH, strip

DAY = 86_400.0
MINUTE = 60.0
Block = tuple[str, float, float]
"""Kind, begin and end in seconds."""


def by_kind(blocks: Iterable[Block]) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for kind, since, until in blocks:
        found.setdefault(kind, []).append((since, until))
    return found


def paths(*blocks: Block) -> dict[str, str]:
    return {one.kind: one.d for one in strip(by_kind(blocks), 0, DAY)}


def spans(d: str) -> list[tuple[int, int]]:
    """Where the lines of a path begin and end."""
    found, at = [], 0
    for move, x, length in re.findall(r"([Mm])(-?\d+) \d+h(\d+)", d):
        at = int(x) if move == "M" else at + int(x)
        found.append((at, at + int(length)))
        at += int(length)
    return found


def block(kind: str, first: float, last: float) -> Block:
    return kind, first * MINUTE, last * MINUTE


def test_a_minute_is_a_unit_and_each_kind_has_a_path() -> None:
    found = paths(block("used", 10, 40), block("used", 60, 90), block("fail", 100, 101))
    assert found == {"used": "M10 6h30m20 0h30", "fail": "M100 6h1"}


def test_what_is_outside_is_cut_off_and_the_shortest_is_still_seen() -> None:
    found = paths(block("offline", -50, 10), block("run", 1439.9, 5000), block("used", 2000, 2001))
    assert found == {"offline": "M0 6h10", "run": "M1439 6h1"}


def test_nothing_is_nothing() -> None:
    assert strip({}, 0, DAY) == []


blocks = st.lists(
    st.tuples(st.sampled_from(KINDS), st.floats(-2000, 2000), st.floats(0.01, 300)).map(
        lambda one: block(one[0], one[1], one[1] + one[2])
    ),
    max_size=400,
)


@given(blocks)
def test_whatever_happened_a_strip_is_small_and_within_its_bounds(found: list[Block]) -> None:
    drawn = strip(by_kind(found), 0, DAY)
    assert sum(len(one.d) for one in drawn) <= MOST
    assert [one.kind for one in drawn] == [
        kind for kind in KINDS if any(b[0] == kind and b[2] > 0 and b[1] < DAY for b in found)
    ]
    for one in drawn:
        lines = spans(one.d)
        assert lines == sorted(lines)
        assert all(0 <= first < last <= WIDTH for first, last in lines)
        shown = [b for b in found if b[0] == one.kind and b[2] > 0 and b[1] < DAY]
        for b in shown:  # to the grain of an hour at worst, everything that happened is there
            x = max(0.0, b[1] / MINUTE)
            assert any(first - 60 <= x <= last + 60 for first, last in lines)
