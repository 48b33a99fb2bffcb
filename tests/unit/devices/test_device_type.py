"""Given events, when a command, then events or a refusal in words: device types."""

from __future__ import annotations

import re
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
