"""Who may do what with a board: rules without a database."""

from __future__ import annotations

import pytest

from devices.domain import board as boards
from devices.domain import device_type as types
from devices.domain.access import (
    RIGHTS,
    Person,
    Right,
    Rules,
    allows,
    checked_access,
    granted_by,
    named,
    resolve,
)
from devices.domain.events import BoardAccessChanged, DeviceTypeAccessChanged
from lab.kernel.errors import Rejected

VISITOR = Person(reads=True)
SHUT_OUT = Person()


def user(*entries: str, boards: frozenset[Right] = frozenset()) -> Person:
    name = entries[0].partition(":")[2] if entries else "otto"
    return Person(
        name=name, entries=frozenset(entries or ("user:otto",)), known=True, reads=True, boards=boards
    )


def rights(rules: Rules, who: Person, *, own: bool = False) -> set[Right]:
    return {right for right in RIGHTS if allows(rules, right, who, everywhere=who.boards, own=own)}


OTTO, ERIKA, KERNEL = user("user:otto"), user("user:erika"), user("user:kim", "group:kernel")
ALL = set(RIGHTS)

TABLE = [
    # What the lists say, who, in a job of their own, the rights.
    ({}, SHUT_OUT, False, set()),
    ({}, VISITOR, True, {"view"}),
    ({}, OTTO, False, {"view", "use"}),
    ({}, OTTO, True, {"view", "use", "console"}),
    ({}, user("user:root", boards=frozenset(RIGHTS)), False, ALL),
    ({"view": ["group:kernel"]}, VISITOR, False, set()),
    ({"view": ["group:kernel"]}, OTTO, True, set()),
    ({"view": ["group:kernel"]}, KERNEL, False, {"view", "use"}),
    ({"view": ["group:kernel"]}, user("user:staff", boards=frozenset({"view"})), False, {"view", "use"}),
    ({"view": ["nobody"]}, KERNEL, True, set()),
    ({"view": ["everybody"]}, VISITOR, False, {"view"}),
    ({"view": ["everybody"]}, SHUT_OUT, False, set()),
    ({"view": ["group:kernel"], "use": ["user:erika"]}, ERIKA, False, {"view", "use"}),
    ({"view": ["group:kernel"], "use": ["user:erika"]}, KERNEL, False, {"view"}),
    ({"view": ["group:kernel"], "use": ["everybody"]}, OTTO, False, set()),
    ({"use": ["group:kernel"]}, OTTO, True, {"view", "console"}),
    ({"use": ["nobody"]}, OTTO, False, {"view"}),
    ({"use": ["everybody"]}, VISITOR, False, {"view"}),
    ({"console": ["group:kernel"]}, OTTO, True, {"view", "use"}),
    ({"console": ["group:kernel"]}, KERNEL, False, {"view", "use", "console"}),
    ({"console": ["everybody"]}, OTTO, False, {"view", "use", "console"}),
    ({"handle": ["user:erika"]}, ERIKA, False, {"view", "use", "handle"}),
    ({"handle": ["everybody"]}, VISITOR, False, {"view"}),
    ({"view": ["nobody"], "administer": ["user:erika"]}, ERIKA, False, ALL),
    ({"view": ["nobody"], "administer": ["everybody"]}, OTTO, False, ALL),
    ({"view": ["nobody"], "administer": ["everybody"]}, VISITOR, False, set()),
]


@pytest.mark.parametrize(("access", "who", "own", "expected"), TABLE)
def test_lists_say_who_may(
    access: dict[str, list[str]], who: Person, own: bool, expected: set[Right]
) -> None:
    assert rights(resolve([access]), who, own=own) == expected


def test_what_a_board_leaves_out_its_type_says_and_then_the_lab() -> None:
    board, type_ = {"use": ["user:erika"]}, {"use": ["user:otto"], "console": ["group:kernel"]}
    lab = {"view": ["everybody"], "console": ["nobody"], "handle": ["group:keepers"]}
    found = resolve([board, {}, type_, {"handle": []}, lab])
    assert found == Rules(
        view=("everybody",), use=("user:erika",), console=("group:kernel",), handle=("group:keepers",)
    )


def test_a_refusal_can_say_who_helps() -> None:
    assert granted_by(Rules()) == "the lab's administrators"
    rules = Rules(administer=("group:kernel", "user:erika", "nobody"))
    assert granted_by(rules) == "the group kernel, erika or the lab's administrators"


def test_lists_are_kept_sorted_and_without_what_says_nothing() -> None:
    given = {"use": ["user:otto", "group:a, b", "user:otto"], "view": [], "console": None}
    assert checked_access(given) == {"use": ["group:a, b", "user:otto"]}
    assert named(checked_access(given), "user") == {"otto"}
    assert named(checked_access(given), "group") == {"a, b"}


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ({"fly": ["user:otto"]}, "'fly' is no right: they are view, use, console, handle, administer"),
        ({"use": "user:otto"}, "access.use: write a list"),
        ({"use": ["otto"]}, "'otto' names nobody"),
        ({"use": ["user:"]}, "names nobody"),
        ({"use": [7]}, "'7' names nobody"),
        ({"use": ["user:a\nb"]}, "names nobody"),
        ({"use": [f"user:u{number}" for number in range(201)]}, "name a group instead"),
    ],
)
def test_what_cannot_be_a_list_is_refused_with_what_can(access: dict[str, object], words: str) -> None:
    with pytest.raises(Rejected, match=words):
        checked_access(access)


def test_changing_to_the_same_lists_is_no_news_and_nothing_retired_changes() -> None:
    board = boards.Board(name="b1", device_type="bench", access={"use": ["user:otto"]})
    assert boards.change_access(board, {"use": ["user:otto", "user:otto"]}) == []
    told = boards.change_access(board, {"view": ["group:kernel"]}, " lent ")
    assert told == [BoardAccessChanged(access={"view": ["group:kernel"]}, reason="lent")]
    assert boards.apply(board, told[0]).access == {"view": ["group:kernel"]}
    with pytest.raises(Rejected, match="retired"):
        boards.change_access(boards.Board(name="b1", retired="burnt"), {})

    type_ = types.DeviceType(name="bench")
    assert types.change_access(type_, {}) == []
    assert types.change_access(type_, {"use": ["nobody"]}) == [
        DeviceTypeAccessChanged(access={"use": ["nobody"]})
    ]
    with pytest.raises(Rejected, match="retired"):
        types.change_access(types.DeviceType(name="bench", retired="old"), {})
