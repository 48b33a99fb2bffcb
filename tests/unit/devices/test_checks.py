"""Health checks of a board: given events, when a command, then events or a refusal in words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from devices.domain import board as boards
from devices.domain import checks
from devices.domain.board import Board
from devices.domain.checks import ATTEMPTS, Verdict
from devices.domain.events import (
    BoardBroughtOnline,
    BoardCheckQueued,
    BoardCheckRequested,
    BoardCheckUndecided,
    BoardHealthChanged,
    BoardRegistered,
    BoardReserved,
    BoardRetired,
    BoardTakenOffline,
)
from lab.kernel.aggregate import fold
from lab.kernel.errors import Rejected
from lab.kernel.events import Event

REGISTERED = BoardRegistered(name="b1", device_type="host", site="s", tags=[], description="", config={})
ASKED = BoardCheckRequested(reason="ada asked for it", first=False)
REPAIRED = BoardCheckRequested(reason="it was repaired: new cable", first=True)
QUEUED = BoardCheckQueued(job=7)
BAD = BoardHealthChanged(health="bad", reason="no prompt", job=3)
OFFLINE = BoardTakenOffline(reason="dust", quarantined=False)
QUARANTINED = BoardTakenOffline(reason="a qemu runs", quarantined=True)
PASSED, FAILED = Verdict(result="passed"), Verdict(result="failed", reason="no prompt")
CANCELED, LOST = Verdict(result="canceled", reason="enough"), Verdict(result="interrupted", reason="silent")


def given(*events: Event) -> Board:
    return fold(boards.apply, Board(), [REGISTERED, *events])


def refused(words: str) -> Any:
    return pytest.raises(Rejected, match=re.escape(words))


def test_a_check_is_asked_for_once() -> None:
    assert checks.request(given(), "ada asked for it") == [ASKED]
    with refused("Board b1 waits for a health check already: ada asked for it."):
        checks.request(given(ASKED), "me too")
    with refused("Board b1 is being checked already, by job 7."):
        checks.request(given(ASKED, QUEUED), "me too")


def test_a_board_that_no_job_gets_cannot_be_checked() -> None:
    with refused("Board b1 is offline (dust), and no job gets it: bring it online."):
        checks.request(given(OFFLINE), "")
    with refused("Board b1 is retired (burnt): it is not checked any more."):
        checks.request(given(BoardRetired(reason="burnt")), "")


def test_one_job_is_queued_for_a_request() -> None:
    assert checks.queue(given(ASKED), 7) == [QUEUED]
    for state in (given(), given(ASKED, QUEUED)):
        with refused("Board b1 does not wait for a health check."):
            checks.queue(state, 8)


def test_a_board_that_is_only_asked_about_stays_free_for_others() -> None:
    board = given(ASKED, QUEUED)
    assert (board.state, board.refusal) == ("free", "")
    assert boards.reserve(board, 8) == [BoardReserved(job=8)]


def test_a_repaired_board_takes_its_health_check_only() -> None:
    board = given(REPAIRED)
    assert (board.state, board.closed) == ("unchecked", "")
    assert board.refusal == "waiting for its health check: it was repaired: new cable"
    board = given(REPAIRED, QUEUED)
    assert board.refusal == "waiting for its health check, job 7: it was repaired: new cable"
    assert boards.reserve(board, 7) == [BoardReserved(job=7)]
    with refused("Board b1 cannot be reserved for job 8: it is waiting for its health check, job 7"):
        boards.reserve(board, 8)


def test_an_unhealthy_board_takes_its_health_check_too() -> None:
    board = given(BAD, ASKED, QUEUED)
    assert (board.state, board.health_job) == ("unhealthy", 3)
    assert boards.reserve(board, 7) == [BoardReserved(job=7)]
    with refused("it is unhealthy: no prompt"):
        boards.reserve(board, 8)


def test_nothing_but_its_end_frees_a_reserved_board_for_its_check() -> None:
    with refused("it is reserved for job 5"):
        boards.reserve(given(BoardReserved(job=5), ASKED, QUEUED), 7)


def test_a_check_that_passed_makes_the_board_free() -> None:
    events = checks.conclude(given(BAD, REPAIRED, QUEUED), 7, PASSED)
    assert events == [BoardHealthChanged(health="good", reason="", job=7)]
    board = given(BAD, REPAIRED, QUEUED, *events)
    assert (board.state, board.check, board.check_job, board.check_first) == ("free", "", None, False)


def test_a_check_that_failed_takes_the_board_out_with_reason_and_job() -> None:
    events = checks.conclude(given(ASKED, QUEUED), 7, FAILED)
    assert events == [BoardHealthChanged(health="bad", reason="health check failed: no prompt", job=7)]
    board = given(ASKED, QUEUED, *events)
    assert (board.state, board.health_job, board.check) == ("unhealthy", 7, "")


def test_a_canceled_check_changes_nothing_unless_it_had_to_come_first() -> None:
    undecided = BoardCheckUndecided(job=7, reason="enough", again=False)
    assert checks.conclude(given(ASKED, QUEUED), 7, CANCELED) == [undecided]
    assert given(ASKED, QUEUED, undecided) == given()
    why = "not checked after repair: its health check, job 7, was canceled: enough"
    out = BoardTakenOffline(reason=why, quarantined=True)
    assert checks.conclude(given(REPAIRED, QUEUED), 7, CANCELED) == [undecided, out]
    unclean = BoardTakenOffline(reason=f"{why} (a qemu runs)", quarantined=True)
    assert checks.conclude(given(REPAIRED, QUEUED, QUARANTINED), 7, CANCELED) == [undecided, unclean]


def test_a_check_that_was_lost_is_made_again_but_not_for_ever() -> None:
    history: list[Event] = [REPAIRED]
    for attempt in range(1, ATTEMPTS + 1):
        history.append(BoardCheckQueued(job=attempt))
        events = checks.conclude(given(*history), attempt, LOST)
        if attempt < ATTEMPTS:
            assert events == [BoardCheckUndecided(job=attempt, reason="silent", again=True)]
        history += events
        assert given(*history).refusal
    assert history[-1] == BoardHealthChanged(health="bad", reason="health check failed: silent", job=ATTEMPTS)


def test_a_job_that_is_not_its_check_concludes_nothing() -> None:
    assert checks.conclude(given(ASKED, QUEUED), 8, FAILED) == []
    assert checks.conclude(given(ASKED, QUEUED, BoardRetired(reason="burnt")), 7, FAILED) == []


def test_a_check_that_cannot_be_made_is_dropped_and_keeps_a_repaired_board_out() -> None:
    dropped = BoardCheckUndecided(job=None, reason="bad text", again=False)
    assert checks.drop(given(ASKED), "bad text") == [dropped]
    out = BoardTakenOffline(reason="not checked after repair: bad text", quarantined=True)
    assert checks.drop(given(REPAIRED), "bad text") == [dropped, out]
    assert checks.drop(given(ASKED, QUEUED), "bad text") == []


def test_the_end_of_a_quarantine_asks_for_a_check_where_there_is_one() -> None:
    online = BoardBroughtOnline(reason="new cable")
    assert boards.bring_online(given(QUARANTINED), "new cable", has_check=True) == [online, REPAIRED]
    assert boards.bring_online(given(QUARANTINED), "new cable") == [online]
    assert boards.bring_online(given(OFFLINE), "new cable", has_check=True) == [online]


def test_an_unhealthy_board_comes_back_by_its_check() -> None:
    assert boards.bring_online(given(BAD), "new cable", has_check=True) == [REPAIRED]
    assert boards.bring_online(given(BAD), "", has_check=True) == [
        BoardCheckRequested(reason="it was repaired", first=True)
    ]
    with refused("Board b1 is online already: set its health, for its type names no health check."):
        boards.bring_online(given(BAD), "")
    with refused("Board b1 is online already."):
        boards.bring_online(given(), "", has_check=True)
    assert boards.bring_online(given(BAD, REPAIRED), "", has_check=True) == []


def test_somebody_who_sets_the_health_lifts_the_wait_for_the_check() -> None:
    (event,) = boards.set_health(given(REPAIRED), "good", "I looked")
    assert given(REPAIRED, event).state == "free"
    board = given(REPAIRED, QUEUED, event)
    assert (board.state, board.check_job) == ("free", 7), "the job that is queued still runs"
    (event,) = checks.conclude(board, 7, FAILED)
    assert boards.apply(board, event).state == "unhealthy"
