"""The inventory at a terminal."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from devices import type_commands
from devices.management.cli import operator
from devices.models import Board
from lab.eventstore.store import store
from tests.support.inventory import register_board, register_types

pytestmark = pytest.mark.django_db


def manage(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_boards_are_listed_for_people() -> None:
    assert manage("boards") == "There are no boards. Register one in the admin, under Inventory.\n"
    register_types()
    register_board("b1", tags=["fast", "sata"])
    register_board("long-name")
    manage("board", "long-name", "offline", "--reason", "dust")
    assert manage("boards").splitlines() == [
        "BOARD      TYPE      SITE     STATE    HEALTH   TAGS        WHY NOT FREE",
        "b1         ssh-host  default  free     unknown  fast, sata",
        "long-name  ssh-host  default  offline  unknown  fast        offline: dust",
        "",
        "1 of 2 free.",
    ]


def test_boards_are_listed_for_programs() -> None:
    register_types()
    register_board("b1")
    register_board("b2")
    manage("board", "b2", "retire", "--reason", "burnt")
    (board,) = json.loads(manage("boards", "--json"))
    assert (board["name"], board["state"], board["runs"], board["tags"]) == ("b1", "free", ["kvm"], ["fast"])
    assert [board["name"] for board in json.loads(manage("boards", "--json", "--all"))] == ["b1", "b2"]


def test_a_board_goes_offline_and_comes_back() -> None:
    register_types()
    register_board("b1")
    assert manage("board", "b1", "offline", "--reason", "dust") == (
        "Board b1 is offline (offline: dust), health unknown.\n"
    )
    assert manage("board", "b1", "health", "bad", "--reason", "no prompt") == (
        "Board b1 is offline (offline: dust), health bad: no prompt.\n"
    )
    assert "unhealthy" in manage("board", "b1", "online")
    assert manage("board", "b1", "health", "good") == "Board b1 is free, health good.\n"
    meta = store.read("board/b1")[-1].meta
    assert meta.actor.startswith("cli:")
    assert meta.cause == "cli"


def test_what_is_refused_ends_with_the_reason() -> None:
    register_types()
    register_board("b1")
    with pytest.raises(CommandError, match="There is no board 'nix'"):
        manage("board", "nix", "offline", "--reason", "dust")
    with pytest.raises(CommandError, match="Say why: a reason is needed to take board b1 offline"):
        manage("board", "b1", "offline", "--reason", "")
    with pytest.raises(CommandError, match="Board b1 is online already"):
        manage("board", "b1", "online")
    with pytest.raises(CommandError, match="There is no board 'nix'"):
        manage("board", "nix", "show")


def test_a_board_whose_configuration_is_no_longer_allowed_is_shown_with_the_problems() -> None:
    register_types()
    register_board("b1")
    Board.objects.update(config={"ssh": {"host": "b1"}, "kvm": "once allowed"}, held_by=57)
    Board.objects.update(held_since=timezone.now())
    assert "  cannot be used: kvm: 'once allowed' is not known here (one of auto, never)" in manage(
        "board", "b1", "show"
    )
    told = json.loads(manage("board", "b1", "show", "--json"))
    assert (told["config"], len(told["problems"]), told["held_by_job"]) == (None, 1, 57)


def test_who_has_no_name_is_still_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert operator() == "cli:unknown"


def test_a_device_type_is_shown_with_what_it_is_based_on() -> None:
    register_types()
    register_board("b1")
    type_commands.register_device_type(
        "big", "vm", "More\nmemory.", {"memory": 4096}, base="kvm", actor="lab"
    )
    shown = manage("device_type", "big", "show").splitlines()
    assert shown[:3] == ["big: a type of virtual machines", "  based on    kvm", "  about       More"]
    assert any(line.split() == ["memory", "4096", "device", "type", "big"] for line in shown)
    assert any(line.split() == ["machine", "pc", "device", "type", "kvm"] for line in shown)
    assert any(
        line.split() == ["bus", "pci", "default"]
        for line in manage("device_type", "big", "show", "--effective").splitlines()
    )
    assert "  based on it big" in manage("device_type", "kvm", "show").splitlines()
    assert "  boards      b1" in manage("device_type", "ssh-host", "show").splitlines()
    told = json.loads(manage("device_type", "big", "show", "--json"))
    assert (told["chain"], told["settings"][0]["source"]) == (["big", "kvm"], "device type kvm")
    with pytest.raises(CommandError, match="There is no device type 'nix'"):
        manage("device_type", "nix", "show")


def test_a_board_is_retired_for_good() -> None:
    register_types()
    register_board("b1")
    assert manage("board", "b1", "retire", "--reason", "burnt").startswith(
        "Board b1 is retired (retired: burnt)"
    )


def test_a_board_is_shown_with_its_configuration_and_events() -> None:
    register_types()
    register_board("b1")
    manage("board", "b1", "offline", "--reason", "dust")
    shown = manage("board", "b1", "show").splitlines()
    assert shown[0] == "Board b1 is offline (offline: dust), health unknown."
    assert "  runs     kvm" in shown
    assert "  ssh.host  127.0.0.1  board b1" in shown
    assert "  ssh.port  2222       board b1, instead of 22 of device type ssh-host" in shown
    assert not any("work_dir" in line for line in shown)
    effective = manage("board", "b1", "show", "--effective").splitlines()
    assert any(line.split() == ["work_dir", "/tmp/labbook", "default"] for line in effective)
    assert "Last events, of 2:" in shown
    assert any("taken offline: dust" in line for line in shown)
    told = json.loads(manage("board", "b1", "show", "--json"))
    assert told["config"]["ssh"]["port"] == 2222
    assert [event["type"] for event in told["events"]] == ["board.taken_offline", "board.registered"]
