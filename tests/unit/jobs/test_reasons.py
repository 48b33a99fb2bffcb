"""Why a job waits, in one sentence."""

from __future__ import annotations

from jobs.domain.reasons import sentence, served_before
from jobs.domain.scheduling import Candidate, Waiting, plan


def board(name: str, unavailable: str = "", **fields: object) -> Candidate:
    return Candidate(name=name, device_type="bench", unavailable=unavailable, **fields)  # type: ignore[arg-type]


def job(number: int = 1, **fields: object) -> Waiting:
    return Waiting(job=number, host_type="bench", **fields)  # type: ignore[arg-type]


def told(one: Waiting, *boards: Candidate, others: tuple[Waiting, ...] = ()) -> str:
    queue = [one, *others]
    return sentence(one, plan(queue, boards), served_before(one, queue))


BUSY = board("b1", "reserved for job 7")
OFFLINE = board("b2", "offline: dust")


def test_boards_that_are_busy_are_waited_for_in_turn() -> None:
    assert told(job(), BUSY, OFFLINE) == "First for bench: 1 busy, 1 offline."
    older = job(0)
    assert told(job(), BUSY, others=(older,)) == "1 job is ahead for bench: 1 busy."
    two = (older, job(2, priority=80))
    assert told(job(), BUSY, others=two) == "2 jobs are ahead for bench: 1 busy."


def test_where_no_board_can_be_had_that_is_said_first() -> None:
    assert told(job()) == "There is no board of type bench."
    assert told(job(), OFFLINE) == "No board of type bench is in service: 1 offline."
    assert told(job(tags=frozenset({"hdmi"})), BUSY) == "No board of type bench fits it."
    tagged = board("b3", "quarantined: disks", tags=frozenset({"hdmi"}))
    words = told(job(tags=frozenset({"hdmi"})), BUSY, tagged)
    assert words == "No board that fits it is in service: 1 quarantined, 1 not fitting."


def test_a_pinned_board_is_told_about_by_name() -> None:
    assert told(job(board="b1"), BUSY) == "b1 is reserved for job 7."
    assert told(job(board="b9"), BUSY) == "There is no board b9."
    first = job(0, board="b4")
    assert told(job(board="b4"), board("b4"), others=(first,)) == "b4 goes to job 0, which is served first."


def test_a_board_that_is_to_be_checked_serves_its_check_and_who_comes_next_waits_for_it() -> None:
    checked = board("b1", only_checked="waiting for its health check: repaired")
    assert told(job(), checked) == "First for bench: 1 to be checked."
    assert told(job(health_check=True), checked) == "It starts in a moment."


def test_who_gets_a_board_starts() -> None:
    assert told(job(), board("b1")) == "It starts in a moment."
