"""Device types that are based on others, and what depends on them."""

from __future__ import annotations

import pytest

from devices import board_commands, queries, type_commands
from lab.eventstore.store import store
from lab.kernel.errors import NotFound, Rejected
from tests.support.inventory import HOST, HOST_TYPE, register_board, register_types

pytestmark = pytest.mark.django_db


def based_types() -> None:
    register_types()
    type_commands.register_device_type(
        "rack", "board", "", {"ssh": {"user": "root"}}, base="ssh-host", actor="lab"
    )
    type_commands.register_device_type("big", "vm", "", {"memory": 4096}, base="kvm", actor="lab")


def test_a_board_has_what_its_type_and_the_types_below_say() -> None:
    based_types()
    register_board(device_type="rack")
    config = queries.effective_config("b1")
    assert (config.ssh.user, config.ssh.host, config.runs) == ("root", "127.0.0.1", ("kvm",))
    assert queries.board("b1").runs == ("kvm",)
    assert queries.vm_type_config("big").memory == 4096
    assert queries.vm_type_config("big").qemu == queries.vm_type_config("kvm").qemu
    assert {view.name: view.runs for view in queries.board_types()}["rack"] == ("kvm",)


def test_a_change_far_below_that_would_break_a_board_or_a_type_is_refused_with_its_name() -> None:
    based_types()
    type_commands.change_device_type("ssh-host", config={**HOST_TYPE, **HOST}, actor="lab")
    board_commands.register_board("b1", "rack", "default", [], "", {}, actor="lab")
    with pytest.raises(Rejected, match=r"board b1 of the type could not be used: ssh\.host: this is missing"):
        type_commands.change_device_type("ssh-host", config=HOST_TYPE, actor="lab")
    with pytest.raises(Rejected, match=r"board b1 of the type could not be used: ssh\.host: this is missing"):
        type_commands.change_device_type("rack", base="", actor="lab")
    type_commands.change_device_type("big", config={"memory": 4096, "launch": None}, actor="lab")
    with pytest.raises(
        Rejected, match="device type big of the type could not be used: qemu: this is missing"
    ):
        type_commands.change_device_type("kvm", config={"launch": ["./start"]}, actor="lab")
    head = store.head()
    type_commands.change_device_type("rack", description="more", actor="lab")
    assert store.head() == head + 1


def test_a_type_that_another_is_based_on_is_not_retired() -> None:
    based_types()
    with pytest.raises(Rejected, match="Device type kvm is what other types are based on"):
        type_commands.retire_device_type("kvm", "old", actor="lab")
    type_commands.retire_device_type("big", "old", actor="lab")
    type_commands.retire_device_type("kvm", "old", actor="lab")


def test_an_unknown_base_is_refused() -> None:
    with pytest.raises(NotFound, match="There is no device type 'nix'"):
        type_commands.register_device_type("t", "board", "", {}, base="nix", actor="lab")


def test_types_that_are_based_on_each_other_at_once_make_no_circle() -> None:
    type_commands.register_device_type("a", "board", "", {}, actor="lab")
    type_commands.register_device_type("b", "board", "", {}, base="a", actor="lab")
    with pytest.raises(Rejected, match="a would be based on itself"):
        type_commands.change_device_type("a", base="b", actor="lab")
