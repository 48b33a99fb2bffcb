"""The order in which a VM gets its disks and network cards."""

from __future__ import annotations

import pytest

from devices.domain.config import VmTypeConfig
from jobs.domain.definition.model import Vm
from jobs.execution.images import BootFiles
from jobs.execution.network import Network
from jobs.execution.spec import VmSpec
from jobs.execution.vms import qemu_command


@pytest.mark.parametrize(
    ("bus", "order"),
    [("pci", ["disk", "overlay", "group", "user"]), ("device", ["user", "group", "overlay", "disk"])],
)
def test_the_guest_finds_its_disk_first_and_the_groups_card_first(bus: str, order: list[str]) -> None:
    spec = VmSpec(
        node=1,
        name="server",
        vm=Vm(device_type="kvm", role="server"),
        config=VmTypeConfig(qemu="qemu-system-arm", machine="virt", cpu="cortex-a15", bus=bus),
        files=BootFiles(disk="/host/disk.qcow2", kernel="/host/vmlinuz"),
        network=Network.of("x"),
        kvm=False,
        overlay="/host/overlay.tar",
    )
    command = qemu_command(spec, "/host/vm-1.qcow2")
    fronts = [command[at + 1] for at, word in enumerate(command) if word == "-device"]
    assert [front.split("=")[1].split(",")[0] for front in fronts] == order
