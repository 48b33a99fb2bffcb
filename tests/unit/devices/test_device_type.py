"""Given events, when a command, then events or a refusal in words: device types."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from devices.domain import board as boards
from devices.domain import device_type as types
from devices.domain.device_type import DeviceType
from devices.domain.events import DeviceTypeChanged, DeviceTypeRegistered, DeviceTypeRetired
from devices.domain.parse_config import BadConfig
from lab.kernel.aggregate import fold
from lab.kernel.errors import NotFound, Rejected
from lab.kernel.events import Event

VM: dict[str, Any] = {"qemu": "qemu-system-arm", "machine": "virt", "cpu": "cortex-a15"}
REGISTERED = DeviceTypeRegistered(name="arm", kind="vm", description="32 bits", config=VM)
RETIRED = DeviceTypeRetired(reason="slow")


def given(*events: Event) -> DeviceType:
    return fold(types.apply, DeviceType(), events)


def refused(words: str) -> Any:
    return pytest.raises(Rejected, match=re.escape(words))


NOTHING = DeviceType()


def register(state: DeviceType = NOTHING, **changed: Any) -> list[Event]:
    told: dict[str, Any] = {"name": "arm", "kind": "vm", "description": "32 bits", "config": VM}
    return types.register(state, **(told | changed))


def test_a_new_type_is_registered() -> None:
    assert register() == [REGISTERED]
    assert given(REGISTERED).config == VM


def test_a_name_is_given_once() -> None:
    with refused("There is a device type arm already: change that one, or choose another name."):
        register(given(REGISTERED))
    with refused("Device type arm was retired (slow) and its history stays: choose another name."):
        register(given(REGISTERED, RETIRED))
    with refused("is no name for a device type"):
        register(name="arm v7")


def test_a_type_is_of_boards_or_of_virtual_machines() -> None:
    with refused("'host' is no kind of device type: it is either 'board' or 'vm'."):
        register(kind="host")


def test_a_board_type_may_leave_the_rest_to_its_boards() -> None:
    config = {"ssh": {"user": "lab"}, "kvm": "never"}
    (event,) = register(kind="board", config=config)
    assert isinstance(event, DeviceTypeRegistered)
    assert event.config == config
    with pytest.raises(BadConfig, match=re.escape("ssh.user: this is the number 3")):
        register(kind="board", config={"ssh": {"user": 3}})


def test_a_vm_type_must_be_complete() -> None:
    with pytest.raises(BadConfig, match="machine: this is missing"):
        register(config={"qemu": "x", "cpu": "max"})


def test_only_what_differs_is_changed() -> None:
    assert types.change(given(REGISTERED), description="32 bits", config=dict(VM)) == []
    assert types.change(given(REGISTERED), description="ARMv7") == [
        DeviceTypeChanged(changes={"description": "ARMv7"})
    ]
    changed = types.change(given(REGISTERED), config=VM | {"memory": 256}, reason="kernel grew")
    assert changed == [DeviceTypeChanged(changes={"config": VM | {"memory": 256}}, reason="kernel grew")]
    assert given(REGISTERED, *changed).config["memory"] == 256
    with pytest.raises(BadConfig):
        types.change(given(REGISTERED), config={})


def test_a_type_is_retired_with_a_reason_when_nothing_is_of_it() -> None:
    assert types.retire(given(REGISTERED), "slow") == [RETIRED]
    with refused("a reason is needed to retire device type arm"):
        types.retire(given(REGISTERED), "")
    types.check_unused("arm", [])
    with refused("Device type arm has boards in use (b1, b2): retire them, or give them another type first."):
        types.check_unused("arm", ["b1", "b2"])


def test_nothing_about_a_retired_type_changes() -> None:
    retired = given(REGISTERED, RETIRED)
    words = "Device type arm is retired (slow): nothing about it can change any more."
    with refused(words):
        types.change(retired, description="x")
    with refused(words):
        types.retire(retired, "x")


def test_a_type_that_nobody_registered_is_not_found() -> None:
    assert types.exists(given(REGISTERED), "arm").name == "arm"
    with pytest.raises(NotFound, match="There is no device type 'mips'"):
        types.exists(DeviceType(), "mips")


def test_boards_and_types_of_one_name_have_streams_of_their_own() -> None:
    assert (types.stream("x"), boards.stream("x")) == ("device-type/x", "board/x")


def test_events_of_others_leave_it_alone() -> None:
    assert types.apply(DeviceType(), Event()) == DeviceType()


# -- based on others -----------------------------------------------------------------------------


QEMU = DeviceType(name="qemu", kind="vm", config={"qemu": "q", "machine": "virt", "memory": 64})
BIG = DeviceType(name="big", kind="vm", base="qemu", config={"memory": 512})


def based(*bases: DeviceType, **changed: Any) -> list[Event]:
    return register(**{"config": {"cpu": "max"}, "bases": bases, **changed})


def test_a_type_says_only_where_it_differs_from_what_it_is_based_on() -> None:
    (event,) = based(BIG, QEMU)
    assert isinstance(event, DeviceTypeRegistered)
    assert (event.base, event.config) == ("big", {"cpu": "max"})
    state = types.apply(NOTHING, event)
    whole = types.whole([state, BIG, QEMU])
    assert whole.config == {"qemu": "q", "machine": "virt", "memory": 512, "cpu": "max"}


def test_it_must_be_right_together_with_what_it_is_based_on() -> None:
    with pytest.raises(BadConfig, match="cpu: this is missing"):
        based(BIG, QEMU, config={})
    bad = replace(QEMU, config={"qemu": "q", "machine": "virt", "memory": 1})
    with pytest.raises(
        BadConfig, match=r"memory: 1 is out of range \(from 16 to 1048576\), set by device type qemu"
    ):
        based(bad)


def test_no_type_is_based_on_itself() -> None:
    arm = given(REGISTERED)
    with refused("Device type arm would be based on itself (arm → big → arm): choose another one."):
        types.change(arm, bases=[replace(BIG, base="arm"), arm])
    with refused("Device type arm would be based on itself (arm → arm)"):
        types.change(arm, bases=[arm])


def test_the_base_must_be_of_the_same_kind_and_in_use() -> None:
    with refused("Device type rack is a type of boards, and arm one of virtual machines"):
        based(DeviceType(name="rack", kind="board"))
    with refused("Device type qemu is retired (old): base arm on another one."):
        based(replace(QEMU, retired="old"))
    arm = replace(given(REGISTERED), base="qemu")
    assert types.change(arm, bases=[replace(QEMU, retired="old")], config=dict(VM)) == []


def test_types_are_not_based_on_each_other_without_end() -> None:
    with refused("are more than 8 types, one based on the other"):
        based(*[replace(QEMU, name=f"t{number}") for number in range(9)])


def test_the_base_can_be_changed_and_taken_away() -> None:
    arm = given(REGISTERED)
    assert types.change(arm, bases=[QEMU]) == [DeviceTypeChanged(changes={"base": "qemu"})]
    small = replace(arm, base="qemu", config={"cpu": "max"})
    with pytest.raises(BadConfig, match="machine: this is missing"):
        types.change(small, bases=[])
    assert types.change(small, config={"cpu": "qemu64"}, under=[QEMU]) == [
        DeviceTypeChanged(changes={"config": {"cpu": "qemu64"}})
    ]


def test_a_type_that_others_are_based_on_is_not_retired() -> None:
    with refused(
        "Device type qemu is what other types are based on (big, small): retire them, or base them on"
    ):
        types.check_unused("qemu", [], ["big", "small"])
