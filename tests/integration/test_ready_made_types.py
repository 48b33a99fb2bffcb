"""The device types that come with Labbook, and how they get into the inventory."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from devices import board_commands, queries, ready_made, type_commands
from devices.domain.config import BoardConfig, VmTypeConfig
from devices.domain.parse_config import checked_board_config
from devices.domain.placeholders import named
from lab.eventstore.store import store

pytestmark = pytest.mark.django_db

WHAT_A_BOARD_ADDS = {
    "ssh": {"host": "10.0.0.7", "key_file": "/etc/labbook/keys/board"},
    "console": {"url": "socket://10.0.0.8:4007"},
    "power": {"method": "qmp", "socket": "unix:/run/board.qmp"},
    "qemu": {"folder": "/srv/board"},
    "netboot": {"folder": "/srv/tftp", "server": "10.0.0.1"},
}


def load(*words: str) -> str:
    out = io.StringIO()
    call_command("load_device_types", *words, stdout=out)
    return out.getvalue()


def test_all_are_loaded_and_valid_and_a_second_time_changes_nothing() -> None:
    assert set(load().split("\n")[:-1]) == {f"{name}: added" for name in ready_made.ready_made()}
    head = store.head()
    assert set(load().split("\n")[:-1]) == {f"{name}: as it is" for name in ready_made.ready_made()}
    assert store.head() == head
    assert {"kvm", "kvm-arm", "kvm-aarch64", "kvm-aarch32"} <= {view.name for view in queries.vm_types()}
    assert {"ssh-host", "qemu-arm64", "qemu-x86-64", "arndale", "vexpress-tc2"} <= {
        view.name for view in queries.board_types()
    }


@pytest.mark.parametrize(
    "name", [one.name for one in ready_made.ready_made().values() if one.kind == "board"]
)
def test_a_board_of_each_type_needs_to_say_only_where_it_is(name: str) -> None:
    load(name)
    board_commands.register_board("b1", name, "default", [], "", WHAT_A_BOARD_ADDS, actor="lab")
    config = queries.effective_config("b1")
    assert isinstance(config, BoardConfig)
    if name.endswith("-board") or name == "u-boot-arm":
        return  # bases: what is missing is said by types that are based on them
    values = {*config.extra, "server", "kernel", "ramdisk", "dtb"}
    for step in config.boot.loader:
        assert set(named(step.send)) <= values, step


@pytest.mark.parametrize("name", [one.name for one in ready_made.ready_made().values() if one.kind == "vm"])
def test_each_vm_type_can_be_started(name: str) -> None:
    load(name)
    config = queries.vm_type_config(name)
    assert isinstance(config, VmTypeConfig)
    assert config.qemu.startswith("qemu-system-") or config.launch


def test_named_ones_come_with_what_they_are_based_on_and_run() -> None:
    assert load("arndale").split("\n") == [
        "u-boot-arm: added",
        "qemu-vm-arm: added",
        "kvm-arm: added",
        "arndale: added",
        "",
    ]


def test_a_dry_run_says_what_would_be_done_and_does_nothing() -> None:
    assert "kvm: added" in load("kvm", "--dry-run")
    assert store.head() == 0


def test_a_list_tells_what_there_is() -> None:
    assert "kvm             vm    qemu-vm-x86-64" in load("--list", "kvm")
    assert store.head() == 0


def test_what_an_administrator_changed_is_kept_and_told_unless_it_shall_be_replaced() -> None:
    load("kvm")
    type_commands.change_device_type(
        "qemu-vm-x86-64", config={"qemu": "q", "machine": "m", "cpu": "c"}, actor="lab"
    )
    told = load("kvm")
    assert "qemu-vm-x86-64: kept, for somebody has changed it; --replace would change" in told
    assert "    config.machine: m → pc" in told
    assert queries.vm_type_config("kvm").machine == "m"
    assert "qemu-vm-x86-64: replaced" in load("kvm", "--replace")
    assert queries.vm_type_config("kvm").machine == "pc"
    assert "as it is" in load("qemu-vm-x86-64")


def test_a_newer_file_updates_a_type_that_nobody_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    load("kvm")
    types = ready_made.ready_made()
    newer = ready_made.ReadyMade(**{**types["kvm"].shown(), "name": "kvm", "description": "Better."})
    (done,) = ready_made.load([newer], actor="lab")
    assert (done.doing, [str(change) for change in done.changes]) == (
        "updated",
        [f"description: {types['kvm'].description} → Better."],
    )


def test_a_type_that_an_administrator_made_under_the_same_name_is_kept() -> None:
    type_commands.register_device_type("ssh-host", "board", "Mine.", {"kvm": "never"}, actor="lab")
    assert "kept" in load("ssh-host")
    type_commands.register_device_type("kvm", "board", "Not what you think.", {}, actor="lab")
    with pytest.raises(CommandError, match=r"Could not be loaded: kvm"):
        load("kvm", "--replace")


def test_what_is_retired_stays_retired() -> None:
    type_commands.register_device_type("ssh-host", "board", "Mine.", {}, actor="lab")
    type_commands.retire_device_type("ssh-host", "no longer", actor="lab")
    with pytest.raises(CommandError, match="ssh-host"):
        load("ssh-host")


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        CommandError, match=r"No ready-made device type is named kvn: there are arndale, kvm,"
    ):
        load("kvn")


def test_the_board_types_need_no_more_than_they_say() -> None:
    for one in ready_made.ready_made().values():
        if one.kind == "board":
            checked_board_config(one.config, partial=True)
