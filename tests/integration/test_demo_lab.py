"""The inventory of the demo lab, and its examples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from devices import board_commands, queries
from jobs.domain.definition.validate import validate
from jobs.lab_view import lab_view
from lab.actors import LAB
from lab.demo import lab
from lab.demo.images import ARCHITECTURES, GuestImages
from lab.demo.sshd import SshServer
from lab.eventstore.store import store

pytestmark = pytest.mark.django_db

SERVER = SshServer(
    port=2222,
    user="lab",
    key_file=Path("/srv/demo/id"),
    host_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPpLo6O4M0s7Bt8ExeiBhK2Tt5f8XMHcGuJzDBuOJ3wr",
    authorized_keys=Path("/srv/demo/authorized_keys"),
)
IMAGES = {
    name: GuestImages(architecture=architecture, folder=Path("/srv/images"))
    for name, architecture in ARCHITECTURES.items()
}


def seed(server: SshServer = SERVER) -> None:
    lab.seed(server, IMAGES, Path("/srv/demo/host"))


def test_seeding_gives_one_free_board_that_runs_every_vm_type() -> None:
    seed()
    board = queries.board(lab.BOARD)
    assert board.free
    assert set(board.runs) == set(lab.VM_TYPES) <= {view.name for view in queries.vm_types()}


def test_its_vm_types_are_the_ready_made_ones_with_the_guests_kernel_on_top() -> None:
    seed()
    config = queries.vm_type_config("kvm-arm")
    assert (config.qemu, config.cpu, config.console) == ("qemu-system-arm", "cortex-a15", "ttyAMA0")
    assert config.kernel == "file:///srv/images/guest-armhf.vmlinuz"


def test_seeding_again_changes_nothing() -> None:
    seed()
    head = store.head()
    seed()
    assert store.head() == head


def test_a_new_port_is_the_only_change() -> None:
    seed()
    head = store.head()
    seed(replace(SERVER, port=2223))
    assert [recorded.event.type for recorded in store.read_all(after=head)] == ["board.changed"]
    assert queries.effective_config(lab.BOARD).ssh.port == 2223


def test_a_board_taken_offline_stays_offline() -> None:
    seed()
    board_commands.take_board_offline(lab.BOARD, "I need it myself", actor="lab")
    seed()
    assert not queries.board(lab.BOARD).free


@pytest.mark.parametrize("name", ["vm-groups.json", "vm-groups-x86.json"])
def test_the_examples_are_valid_definitions(name: str) -> None:
    seed()
    definition = validate(lab.example(name, settings.VAR_DIR / "images"), lab_view(LAB))
    assert [vm.role for vm in definition.vms] == ["server", "client"]
    assert not definition.warnings
