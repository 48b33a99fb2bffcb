"""Given events, when a command, then events or a refusal in words: boards."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from devices.domain import board as boards
from devices.domain.board import Board
from devices.domain.device_type import DeviceType
from devices.domain.events import (
    BoardBroughtOnline,
    BoardChanged,
    BoardHealthChanged,
    BoardPowerSwitched,
    BoardRegistered,
    BoardReleased,
    BoardReserved,
    BoardRetired,
    BoardTakenOffline,
)
from devices.domain.parse_config import BadConfig
from lab.kernel.aggregate import fold
from lab.kernel.errors import NotFound, Rejected
from lab.kernel.events import Event

TYPE = DeviceType(name="host", kind="board", config={"ssh": {"user": "lab"}, "runs": ["kvm"]})
OTHER = DeviceType(name="other", kind="board", config={})
CONFIG: dict[str, Any] = {"ssh": {"host": "10.0.0.7"}}
REGISTERED = BoardRegistered(
    name="b1", device_type="host", site="here", tags=["a", "b"], description="rack 1", config=CONFIG
)
RESERVED = BoardReserved(job=7)
RELEASED = BoardReleased(job=7, reason="done")
OFFLINE = BoardTakenOffline(reason="dust", quarantined=False)
QUARANTINED = BoardTakenOffline(reason="a qemu runs", quarantined=True)
ONLINE = BoardBroughtOnline(reason="")
BAD = BoardHealthChanged(health="bad", reason="no prompt")
RETIRED = BoardRetired(reason="burnt")


def given(*events: Event) -> Board:
    return fold(boards.apply, Board(), events)


def refused(words: str) -> Any:
    return pytest.raises(Rejected, match=re.escape(words))


# -- register -----------------------------------------------------------------------------------


NOBODY = Board()


def register(state: Board = NOBODY, of_type: DeviceType = TYPE, **changed: Any) -> list[Event]:
    told: dict[str, Any] = {
        "name": "b1",
        "site": "here",
        "tags": ["b", "a", "b"],
        "description": " rack 1\r\n",
        "config": CONFIG,
    }
    return boards.register(state, [of_type], **(told | changed))


def test_a_new_board_is_registered_with_its_tags_in_order() -> None:
    assert register() == [REGISTERED]


def test_a_new_board_is_free() -> None:
    board = given(REGISTERED)
    assert (board.state, board.refusal, board.health, board.tags) == ("free", "", "unknown", ("a", "b"))


def test_a_name_is_given_once() -> None:
    with refused("There is a board b1 already"):
        register(given(REGISTERED))


def test_the_name_of_a_retired_board_is_not_given_again() -> None:
    with refused("Board b1 was retired (burnt) and its history stays: choose another name."):
        register(given(REGISTERED, RETIRED))


@pytest.mark.parametrize("name", ["", " b1", "b/1", "-b1", ".b1", "b1\n", "é", "b" * 65])
def test_names_that_do_not_fit_addresses_are_refused(name: str) -> None:
    with refused("is no name for a board"):
        register(name=name)
    with refused("is no name for a site"):
        register(site=name)


@pytest.mark.parametrize("tag", ["", "a b", "a,b", "#a", "a" * 65])
def test_tags_are_words(tag: str) -> None:
    with refused("is no tag"):
        register(tags=["ok", tag])


def test_tags_are_not_many() -> None:
    with refused("101 tags are too many: the most is 100."):
        register(tags=[f"t{number}" for number in range(101)])


@pytest.mark.parametrize("description", ["x" * 4001, "bell \x07", "half \ud800"])
def test_descriptions_are_texts(description: str) -> None:
    with refused("The description h"):
        register(description=description)


def test_a_board_needs_a_type_of_boards_that_is_in_use() -> None:
    with refused("kvm is a type of virtual machines; a board needs a type of boards."):
        register(of_type=DeviceType(name="kvm", kind="vm"))
    with refused("Device type old is retired (slow): choose another."):
        register(of_type=DeviceType(name="old", retired="slow"))


def test_what_type_and_board_configure_together_must_be_complete() -> None:
    with pytest.raises(BadConfig) as caught:
        register(config={"ssh": {"port": 0}})
    assert [problem.path for problem in caught.value.problems] == ["ssh.port", "ssh.host"]


# -- change -------------------------------------------------------------------------------------


def test_only_what_differs_is_changed() -> None:
    changed = boards.change(
        given(REGISTERED),
        [TYPE],
        site="here",
        tags=["c", "a"],
        description="rack 2",
        config=dict(CONFIG),
        reason=" moved ",
    )
    assert changed == [BoardChanged(changes={"tags": ["a", "c"], "description": "rack 2"}, reason="moved")]
    board = given(REGISTERED, *changed)
    assert (board.tags, board.description, board.site) == (("a", "c"), "rack 2", "here")


def test_no_difference_is_no_event() -> None:
    assert boards.change(given(REGISTERED), [TYPE], tags=["b", "a"]) == []


def test_a_board_may_get_another_type_if_its_configuration_still_fits() -> None:
    assert boards.change(given(REGISTERED), [OTHER]) == [BoardChanged(changes={"device_type": "other"})]
    strange = DeviceType(name="strange", config={"kvm": "perhaps"})
    with pytest.raises(BadConfig, match="kvm: 'perhaps' is not known here"):
        boards.change(given(REGISTERED), [strange])


def test_a_board_may_not_get_a_retired_type_but_keeps_one() -> None:
    retired = DeviceType(name="host", retired="slow", config=TYPE.config)
    assert boards.change(given(REGISTERED), [retired], tags=[]) == [BoardChanged(changes={"tags": []})]
    with refused("Device type old is retired"):
        boards.change(given(REGISTERED), [DeviceType(name="old", retired="slow")])


def test_what_a_running_job_relies_on_does_not_change_under_it() -> None:
    board = given(REGISTERED, RESERVED)
    with refused("Board b1 is reserved for job 7, which relies on its device type and site: take the board"):
        boards.change(board, [OTHER], site="there")
    with refused("relies on its config:"):
        boards.change(board, [TYPE], config={"ssh": {"host": "10.0.0.8"}})
    assert boards.change(board, [TYPE], description="busy", tags=["x"]) == [
        BoardChanged(changes={"tags": ["x"], "description": "busy"})
    ]


# -- reserve, release, quarantine ---------------------------------------------------------------


def test_a_free_board_is_reserved() -> None:
    assert boards.reserve(given(REGISTERED), 7) == [RESERVED]
    board = given(REGISTERED, RESERVED)
    assert (board.state, board.refusal, board.held_by) == ("reserved", "reserved for job 7", 7)


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([RESERVED], "reserved for job 7"),
        ([OFFLINE], "offline: dust"),
        ([QUARANTINED], "quarantined: a qemu runs"),
        ([BAD], "unhealthy: no prompt"),
        ([RETIRED], "retired: burnt"),
        ([RESERVED, OFFLINE], "offline: dust"),
    ],
)
def test_a_board_that_is_not_free_is_not_reserved(events: list[Event], why: str) -> None:
    with refused(f"Board b1 cannot be reserved for job 8: it is {why}."):
        boards.reserve(given(REGISTERED, *events), 8)


def test_nobody_reserves_the_same_board_twice_even_for_the_same_job() -> None:
    with refused("it is reserved for job 7."):
        boards.reserve(given(REGISTERED, RESERVED), 7)


def test_a_board_that_is_not_there_is_not_reserved() -> None:
    with pytest.raises(NotFound):
        boards.reserve(Board(), 7)


def test_its_job_releases_it() -> None:
    assert boards.release(given(REGISTERED, RESERVED), 7, "done") == [RELEASED]
    assert given(REGISTERED, RESERVED, RELEASED).state == "free"


def test_nobody_else_releases_or_quarantines_it() -> None:
    for decide in (boards.release, boards.quarantine):
        with refused("Board b1 is not reserved for job 8: it is reserved for job 7."):
            decide(given(REGISTERED, RESERVED), 8, "mine")
        with refused("Board b1 is not reserved for job 8: it is free."):
            decide(given(REGISTERED), 8, "mine")


def test_a_board_that_is_not_clean_is_given_back_and_kept_away_at_once() -> None:
    released, offline = boards.quarantine(given(REGISTERED, RESERVED), 7, "a qemu runs")
    why = "not proven clean after job 7: a qemu runs"
    assert released == BoardReleased(job=7, reason=why)
    assert offline == BoardTakenOffline(reason=why, quarantined=True)
    board = given(REGISTERED, RESERVED, released, offline)
    assert (board.state, board.refusal) == ("quarantined", f"quarantined: {why}")


def test_a_quarantine_remembers_why_the_board_was_offline_before() -> None:
    *_, offline = boards.quarantine(given(REGISTERED, RESERVED, OFFLINE), 7, "a qemu runs")
    assert isinstance(offline, BoardTakenOffline)
    assert offline.reason.endswith("a qemu runs (it was offline before: dust)")


def test_who_cleans_up_after_a_job_knows_whether_the_board_waits_for_just_that() -> None:
    unclean = boards.quarantine(given(REGISTERED, RESERVED), 7, "a qemu runs")
    assert boards.is_quarantined_after(given(REGISTERED, RESERVED, *unclean), 7)
    assert not boards.is_quarantined_after(given(REGISTERED, RESERVED, *unclean), 70)
    assert not boards.is_quarantined_after(given(REGISTERED, RESERVED, *unclean, RETIRED), 7)
    assert not boards.is_quarantined_after(given(REGISTERED, OFFLINE), 7)
    also = boards.quarantine(given(REGISTERED, RESERVED, OFFLINE), 7, "a qemu runs")
    assert not boards.is_quarantined_after(given(REGISTERED, RESERVED, OFFLINE, *also), 7)


def test_reasons_that_programs_find_are_made_storable() -> None:
    (released,) = boards.release(given(REGISTERED, RESERVED), 7, "\x1b[31m" + "x" * 900)
    assert isinstance(released, BoardReleased)
    assert len(released.reason) == 500
    assert released.reason.startswith("\N{REPLACEMENT CHARACTER}[31mxxx")
    assert released.reason.endswith("x…")


# -- offline, online, health, retire ------------------------------------------------------------


def test_a_board_goes_offline_for_a_reason() -> None:
    assert boards.take_offline(given(REGISTERED), " dust ") == [OFFLINE]
    assert given(REGISTERED, OFFLINE).state == "offline"
    with refused("Say why: a reason is needed to take board b1 offline."):
        boards.take_offline(given(REGISTERED), " \n")
    with refused("The reason has 501 characters; the most is 500."):
        boards.take_offline(given(REGISTERED), "x" * 501)


def test_a_board_in_use_goes_offline_without_disturbing_its_job() -> None:
    board = given(REGISTERED, RESERVED, OFFLINE)
    assert (board.state, board.held_by, board.refusal) == ("reserved", 7, "offline: dust")
    assert given(REGISTERED, RESERVED, OFFLINE, RELEASED).state == "offline"


def test_the_reason_of_being_offline_may_change_but_not_a_quarantine() -> None:
    with refused("Board b1 is offline for that very reason already."):
        boards.take_offline(given(REGISTERED, OFFLINE), "dust")
    assert boards.take_offline(given(REGISTERED, OFFLINE), "mud") == [
        BoardTakenOffline(reason="mud", quarantined=False)
    ]
    assert boards.take_offline(given(REGISTERED, QUARANTINED), "mud") == [
        BoardTakenOffline(reason="mud", quarantined=True)
    ]


def test_a_board_comes_back_online() -> None:
    assert boards.bring_online(given(REGISTERED, OFFLINE), "") == [ONLINE]
    board = given(REGISTERED, OFFLINE, ONLINE)
    assert (board.state, board.offline) == ("free", "")
    with refused("Board b1 is online already."):
        boards.bring_online(given(REGISTERED), "")


def test_the_end_of_a_quarantine_needs_a_reason() -> None:
    with refused("a reason is needed to end the quarantine of board b1 (a qemu runs)."):
        boards.bring_online(given(REGISTERED, QUARANTINED), "")
    assert boards.bring_online(given(REGISTERED, QUARANTINED), "killed it") == [
        BoardBroughtOnline(reason="killed it")
    ]
    assert not given(REGISTERED, QUARANTINED, ONLINE).quarantined


def test_health_is_noted_once() -> None:
    assert boards.set_health(given(REGISTERED), "good", "", job=7) == [
        BoardHealthChanged(health="good", reason="", job=7)
    ]
    assert boards.set_health(given(REGISTERED, BAD), "bad", "no prompt") == []
    assert boards.set_health(given(REGISTERED, BAD), "bad", "no power")
    assert boards.set_health(given(REGISTERED), "unknown", "") == []
    with refused("a reason is needed to set the health of board b1 to bad"):
        boards.set_health(given(REGISTERED), "bad", "")
    with refused("'ill' is no health"):
        boards.set_health(given(REGISTERED), "ill", "")


def test_a_board_is_retired_when_no_job_has_it() -> None:
    assert boards.retire(given(REGISTERED, OFFLINE), "burnt") == [RETIRED]
    with refused("Board b1 is reserved for job 7: take it offline, and retire it when the job has ended"):
        boards.retire(given(REGISTERED, RESERVED), "burnt")
    with refused("a reason is needed to retire board b1."):
        boards.retire(given(REGISTERED), "")


@pytest.mark.parametrize(
    "decide",
    [
        lambda board: boards.change(board, [TYPE], tags=[]),
        lambda board: boards.take_offline(board, "dust"),
        lambda board: boards.bring_online(board, ""),
        lambda board: boards.set_health(board, "good", ""),
        lambda board: boards.retire(board, "again"),
    ],
)
def test_nothing_about_a_retired_board_changes(decide: Callable[[Board], list[Event]]) -> None:
    with refused("Board b1 is retired (burnt): nothing about it can change any more."):
        decide(given(REGISTERED, RETIRED))


def test_events_of_others_leave_it_alone() -> None:
    assert boards.apply(Board(), Event()) == Board()


def test_a_board_that_nobody_registered_is_not_found() -> None:
    assert boards.exists(given(REGISTERED), "b1").name == "b1"
    with pytest.raises(NotFound, match="There is no board 'b2'"):
        boards.exists(Board(), "b2")


def test_only_a_board_that_no_job_has_or_gets_is_left_to_hand() -> None:
    boards.leave_to_hand(given(REGISTERED, OFFLINE))

    with pytest.raises(Rejected, match="reserved for job 7, which switches its power itself"):
        boards.leave_to_hand(given(REGISTERED, RESERVED, OFFLINE))
    with pytest.raises(Rejected, match="take it offline first"):
        boards.leave_to_hand(given(REGISTERED))


def test_power_switched_by_hand_changes_nothing_else() -> None:
    board = given(REGISTERED, OFFLINE)
    events = boards.note_power(board, "cycle", "unknown")

    assert events == [BoardPowerSwitched(action="cycle", power="unknown")]
    assert fold(boards.apply, board, events) == board
