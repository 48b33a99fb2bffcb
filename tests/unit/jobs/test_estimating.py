"""When queued jobs will start, as far as it can be told."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.estimating import MOST_AHEAD, starts, usual
from jobs.domain.scheduling import Candidate, Waiting

NOW = 1_000_000.0


def job(number: int, **asks: object) -> Waiting:
    return Waiting(job=number, host_type="bench", **asks)  # type: ignore[arg-type]


def board(name: str, *, held: bool = True, **more: object) -> Candidate:
    why = "reserved for job 1" if held else ""
    return Candidate(name=name, device_type="bench", unavailable=why, **more)  # type: ignore[arg-type]


def told(
    queue: list[Waiting], boards: list[Candidate], free_in: dict[str, float], takes: dict[int, float]
) -> dict[int, float]:
    """In seconds from now."""
    free_at = {name: NOW + seconds for name, seconds in free_in.items()}
    found = starts(queue, boards, free_at=free_at, takes=takes, now=NOW)
    return {number: at - NOW for number, at in found.items()}


def test_the_usual_time_is_the_median_of_the_last_runs_if_there_are_some() -> None:
    assert usual([]) is None
    assert usual([60.0]) is None
    assert usual([60.0, 80.0]) == 70.0
    assert usual([1.0, 2.0, 90.0, 3.0, 4.0, 1000.0, 1000.0]) == 3.0


def test_jobs_start_one_after_the_other_when_boards_come_free() -> None:
    queue = [job(2), job(3), job(4)]
    boards = [board("a"), board("b")]
    assert told(queue, boards, {"a": 60, "b": 100}, {2: 600, 3: 600}) == {2: 60, 3: 100, 4: 660}
    assert told(queue, boards, {"a": 60, "b": 100}, {2: 20, 3: 20}) == {2: 60, 3: 80, 4: 100}


def test_the_order_is_that_of_the_scheduler() -> None:
    queue = [job(2), job(3, priority=90), job(4, health_check=True, board="a")]
    assert told(queue, [board("a")], {"a": 60}, {3: 10, 4: 5}) == {4: 60, 3: 65, 2: 75}


def test_what_is_not_known_is_not_told() -> None:
    assert told([job(2)], [board("a")], {}, {}) == {}
    # It runs longer than usual: nobody knows how much longer.
    assert told([job(2)], [board("a")], {"a": -5}, {}) == {}
    # Nobody knows how long job 2 takes.
    assert told([job(2), job(3)], [board("a")], {"a": 60}, {}) == {2: 60}
    assert told([job(2), job(3)], [board("a"), board("b")], {"a": 60, "b": 90}, {}) == {2: 60, 3: 90}


def test_only_boards_that_fit_count() -> None:
    boards = [board("a"), board("b", tags=frozenset({"usb"}))]
    asks = job(2, tags=frozenset({"usb"}))
    assert told([asks], boards, {"a": 10, "b": 90}, {}) == {2: 90}
    assert told([job(2, board="b")], boards, {"a": 10, "b": 90}, {}) == {2: 90}
    assert told([Waiting(job=2, host_type="other")], boards, {"a": 10}, {}) == {}


def test_of_a_job_that_starts_at_once_nothing_is_told_but_others_wait_for_it() -> None:
    assert told([job(2), job(3)], [board("a", held=False)], {}, {2: 30}) == {3: 30}


def test_far_behind_nothing_is_told() -> None:
    queue = [job(number) for number in range(1, MOST_AHEAD + 20)]
    found = told(queue, [board("a")], {"a": 60}, {one.job: 60 for one in queue})
    assert len(found) == MOST_AHEAD


@given(st.lists(st.integers(1, 600), min_size=1, max_size=12), st.lists(st.integers(1, 600), max_size=4))
def test_the_order_of_the_inputs_plays_no_part_and_nobody_starts_before_a_board_is_free(
    lasts: list[int], frees: list[int]
) -> None:
    queue = [job(number) for number in range(1, len(lasts) + 1)]
    boards = [board(f"b{number}") for number in range(len(frees))]
    free_in = {f"b{number}": float(seconds) for number, seconds in enumerate(frees)}
    takes = {number: float(seconds) for number, seconds in enumerate(lasts, start=1)}
    found = told(queue, boards, free_in, takes)
    mixed = random.Random(1)
    mixed.shuffle(queue)
    mixed.shuffle(boards)
    assert told(queue, boards, free_in, takes) == found
    if frees:
        assert set(found) == set(takes)
        assert min(found.values()) == min(frees)
    else:
        assert found == {}


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_board_that_should_be_free_by_now_is_waited_for_without_a_time(seconds: float) -> None:
    assert told([job(2)], [board("a")], {"a": seconds}, {2: 5.0}) == {}
