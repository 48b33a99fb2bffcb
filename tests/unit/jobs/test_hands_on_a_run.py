"""Hands on a run: how long it is held, and what becomes of a keyboard whose socket closes too early."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jobs import hand_commands
from jobs.domain.hands import Keyboard
from jobs.domain.hands_events import HoldEnded
from jobs.execution import holding
from jobs.execution.hands import Hands, HoldWish
from jobs.execution.holding import Holding
from jobs.keyboard_socket import KeyboardConsumer
from lab.kernel.errors import Rejected


def wish(until: float | None) -> HoldWish:
    return HoldWish(user="erika", seconds=600, reason="", if_failed=False, until=until)


def test_what_is_asked_for_at_the_last_moment_holds_the_run_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "LOOK_EVERY", 0)
    hands = Hands()
    facts: list[object] = []
    clock = iter(range(1000, 9000, 100))
    now = [0.0]

    def tick() -> float:
        now[0] = next(clock)
        return now[0]

    wishes = iter([wish(None), wish(4000)])
    hands.look = lambda: hands.want(next(wishes, wish(4000)))
    run = SimpleNamespace(
        hands=hands,
        journal=SimpleNamespace(now=tick, facts=facts.append),
        superseded=False,
        canceled=False,
        failed=False,
    )
    arrival = SimpleNamespace(machine=SimpleNamespace(quiet=lambda: None), connected=False)
    Holding(cast(Any, run), cast(Any, arrival)).hold()
    ended = facts[-1]
    assert isinstance(ended, HoldEnded)
    assert ended.reason == "its time is over"
    assert ended.at >= 4000


def test_a_hold_that_was_let_go_and_asked_for_anew_as_it_began_lasts_as_long_as_the_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holding, "LOOK_EVERY", 0)
    hands = Hands()
    facts: list[object] = []

    def fact(one: object) -> None:
        facts.append(one)
        hands.want(replace(wish(None), seconds=3600))

    clock = iter(range(1000, 9000, 100))
    hands.want(wish(None))
    run = SimpleNamespace(
        hands=hands,
        journal=SimpleNamespace(now=lambda: float(next(clock)), facts=fact),
        superseded=False,
        canceled=False,
        failed=False,
    )
    arrival = SimpleNamespace(machine=SimpleNamespace(quiet=lambda: None), connected=False)
    Holding(cast(Any, run), cast(Any, arrival)).hold()
    ended = facts[-1]
    assert isinstance(ended, HoldEnded)
    assert ended.at >= 4600


def test_a_hold_that_is_wanted_for_a_failure_only_just_as_it_begins_ends() -> None:
    hands = Hands()
    facts: list[object] = []

    def fact(one: object) -> None:
        facts.append(one)
        hands.want(replace(wish(4000), if_failed=True))

    hands.want(wish(None))
    run = SimpleNamespace(
        hands=hands,
        journal=SimpleNamespace(now=lambda: 1000.0, facts=fact),
        superseded=False,
        canceled=False,
        failed=False,
    )
    arrival = SimpleNamespace(machine=SimpleNamespace(quiet=lambda: None), connected=False)
    Holding(cast(Any, run), cast(Any, arrival)).hold()
    ended = facts[-1]
    assert isinstance(ended, HoldEnded)
    assert ended.reason == "it has not failed"


@pytest.mark.parametrize("refused", [False, True])
def test_a_keyboard_taken_for_a_socket_that_has_closed_is_given_back(
    refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = threading.Event(), threading.Event()
    given = []

    def take(number: int, node: int, **_: object) -> Keyboard:
        asked.set()
        assert go_on.wait(20)
        if refused:
            raise Rejected("not now")
        return Keyboard(node=node, user="erika", ticket=12, since=1)

    def give(number: int, node: int, *, ticket: int, **_: object) -> bool:
        given.append((number, node, ticket))
        return True

    async def nobody() -> None:
        return None

    async def story() -> None:
        socket = cast(Any, KeyboardConsumer())
        socket.scope = {"url_route": {"kwargs": {"job": "7", "node": "1"}}}
        socket.hub = SimpleNamespace(head=0)
        socket._current_user = nobody
        socket._stream = asyncio.create_task(socket.start({}))
        await asyncio.to_thread(asked.wait, 20)
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        await socket.disconnect(1006)

    monkeypatch.setattr(hand_commands, "take_keyboard", take)
    monkeypatch.setattr(hand_commands, "give_keyboard", give)
    asyncio.run(story())
    assert given == ([] if refused else [(7, 1, 12)])
