"""A board's power, switched by a person at a terminal."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from devices import board_commands, by_hand, queries, type_commands
from devices.drivers.power import outlet
from lab.kernel.errors import NotPermitted, Rejected
from tests.support.jobs import BOARD_CONFIG, make_user
from tests.support.switches import Relay

pytestmark = pytest.mark.django_db


@pytest.fixture
def relay(tmp_path: Path) -> Relay:
    found = Relay(tmp_path)
    power = found.board.power
    switch = {"method": "command", "on": power.on, "off": power.off, "status": power.status}
    fast = {"off_seconds": 0, "retry_delay": 0, "attempts": 1}
    register({**switch, **fast})
    return found


def register(power: dict[str, Any]) -> None:
    type_commands.register_device_type(
        "bench", "board", "", {**BOARD_CONFIG, "power": power, "runs": []}, actor="lab"
    )
    board_commands.register_board("alpha", "bench", "default", [], "", {}, actor="lab")


def manage(*words: str) -> str:
    out = io.StringIO()
    call_command("board", "alpha", "power", *words, stdout=out)
    return out.getvalue()


def test_the_power_of_a_board_that_is_offline_is_switched_and_recorded(relay: Relay) -> None:
    board_commands.take_board_offline("alpha", "new cable", actor="lab")

    assert manage("on") == "Board alpha: done; power is on.\n"
    assert relay.powered()
    assert manage("status") == "Board alpha: power is on.\n"
    assert manage("cycle") == "Board alpha: done; power is on.\n"
    assert manage("off") == "Board alpha: done; power is off.\n"
    assert not relay.powered()
    assert relay.asked == ["on", "off", "on", "off"]
    latest = queries.board_history("alpha")[:3]
    assert [entry.text for entry in latest] == [
        "power switched off by hand, is off",
        "power switched off and on again by hand, is on",
        "power switched on by hand, is on",
    ]
    assert queries.board("alpha").state == "offline"


def test_the_power_of_a_board_that_a_job_could_get_is_left_alone(relay: Relay) -> None:
    with pytest.raises(CommandError, match="could be given to a job at any moment: take it offline first"):
        manage("off")
    assert manage("status") == "Board alpha: power is off.\n"


def test_a_board_that_is_brought_online_meanwhile_is_left_alone(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    board_commands.take_board_offline("alpha", "new cable", actor="lab")

    def bring_online(*_: object) -> None:
        board_commands.bring_board_online("alpha", actor="lab")

    monkeypatch.setattr(outlet, "pause", bring_online)  # between off and on
    with pytest.raises(CommandError, match="could be given to a job at any moment"):
        manage("cycle")
    assert relay.asked == ["off"]


def test_a_switch_that_fails_says_why_and_nothing_is_recorded(relay: Relay) -> None:
    board_commands.take_board_offline("alpha", "new cable", actor="lab")
    relay.be("refuse")

    with pytest.raises(
        CommandError, match=r"Board alpha: the power switch .* exit status 4: the relay is stuck"
    ):
        manage("on")
    with pytest.raises(
        CommandError, match=r"Board alpha: the power switch .* did not tell .*: the relay is stuck"
    ):
        manage("status")
    assert queries.board_history("alpha")[0].text.startswith("taken offline")


def test_a_board_without_a_switch_says_so() -> None:
    register({})
    board_commands.take_board_offline("alpha", "new cable", actor="lab")

    with pytest.raises(
        CommandError, match=r"Board alpha has no power switch: its configuration has no power\."
    ):
        manage("on")


def test_only_who_keeps_boards_switches_them(relay: Relay) -> None:
    board_commands.take_board_offline("alpha", "new cable", actor="lab")

    with pytest.raises(NotPermitted):
        by_hand.switch_power("alpha", "on", actor=make_user("guest"))
    with pytest.raises(Rejected, match="'explode' is nothing to do with power: it is on, off, cycle"):
        by_hand.switch_power("alpha", "explode", actor="lab")
    assert not (relay.folder / "asked").exists()
