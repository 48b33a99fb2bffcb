"""Runs with real virtual machines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devices.domain.parse_config import checked_vm_type_config, overlay
from devices.ready_made import ready_made
from jobs.domain.definition.model import DeployImage, DeployKernel, Vm
from jobs.domain.events import ResultReported, VmStarted
from lab.demo.images import GuestImages
from lab.demo.lab import VM_TYPES, vm_type
from lab.demo.sshd import SshServer
from tests.integration.execution.lab import Lab, shell_action, suite, x86

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


@pytest.fixture
def images(guest_images: Callable[[str], GuestImages]) -> GuestImages:
    return guest_images("amd64")


@pytest.fixture
def vms(sshd: SshServer, tmp_path: Path, images: GuestImages) -> Lab:
    lab = Lab(sshd, tmp_path, [images.folder])
    lab.vm_types = {"kvm": x86(images)}
    return lab


def test_two_vms_and_their_host(vms: Lab, images: GuestImages) -> None:
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in (images.disk, images.rootfs)}
    everywhere = suite(
        "net",
        "if [ $(lava-role) != host ]; then echo mine >/root/written; sync; fi",
        "lava-sync up",
        "if [ $(lava-role) = client ]; then lava-test-case by-name --shell ping -c 2 -w 30 server; fi",
        "if [ $(lava-role) = client ]; then lava-test-case the-host --shell ping -c 2 -w 30 host; fi",
        "lava-sync done",
    )
    again = suite(
        "again",
        "lava-test-case kept --shell test -e /root/written",
        "lava-test-case fresh-boot --shell 'test $(cut -d. -f1 /proc/uptime) -lt 300'",
    )
    ran = vms.run(
        DeployImage(command="deploy_linaro_image", index=0, role="server", image=images.disk.as_uri()),
        DeployImage(command="deploy_linaro_image", index=0, role="client", image=images.rootfs.as_uri()),
        shell_action("", everywhere, timeout=200),
        shell_action("client", again, timeout=200),
        vms=[Vm(device_type="kvm", role="server"), Vm(device_type="kvm", role="client")],
        timeout=390,
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert ran.results("net")["by-name"] == "pass", ran.text(2)
    assert ran.results("net")["the-host"] == "pass", ran.text(2)
    assert ran.results("again") == {"kept": "pass", "fresh-boot": "pass", "lava-test-shell-run": "pass"}
    assert "read from a drive" in ran.notes()
    assert len(ran.of(VmStarted)) == 3
    assert all(one.pid for one in ran.of(VmStarted))
    milestones = [one for one in ran.of(ResultReported) if one.node == 2 and one.suite == "lava"]
    assert {"kernel-started", "shell-prompt", "deploy_linaro_image", "lava_test_shell"} <= {
        one.case for one in milestones
    }
    assert all(one.seconds for one in milestones if one.case in ("kernel-started", "shell-prompt"))
    after = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in before}
    assert after == before, "nothing that a VM writes reaches the image"
    vms.assert_host_is_clean(ran)


def test_a_kernel_that_panics(vms: Lab, images: GuestImages) -> None:
    ran = vms.run(
        DeployKernel(command="deploy_linaro_kernel", index=0, role="a", kernel=images.kernel.as_uri()),
        shell_action("a", suite("vm", "true")),
        vms=[Vm(device_type="kvm", role="a")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node, failure.action) == ("job", 1, "lava_test_shell")
    assert "panic" in failure.message
    assert "Unable to mount root fs" in failure.message
    vms.assert_host_is_clean(ran)


def test_a_vm_that_powers_itself_off_in_mid_test(vms: Lab, images: GuestImages) -> None:
    ran = vms.run(
        DeployKernel(
            command="deploy_linaro_kernel",
            index=0,
            role="a",
            kernel=images.kernel.as_uri(),
            ramdisk=images.initramfs.as_uri(),
        ),
        shell_action("a", suite("dies", "lava-test-case x --result pass", "poweroff -f"), timeout=120),
        shell_action(
            "host", suite("waits", "lava-wait never || lava-test-case told --result pass"), timeout=200
        ),
        vms=[Vm(device_type="kvm", role="a")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("test", 1)
    assert "the console of a ended (exit status 0)" in failure.message
    assert ", in dies; 1 result until then" in failure.message
    assert ran.results("waits")["told"] == "pass"


def test_tests_are_typed_into_a_guest_that_gets_no_drive(vms: Lab, images: GuestImages) -> None:
    without = (
        'eval "exec $(printf %s "$LABBOOK_COMMAND" | sed "s/-device virtio-blk-pci,drive=overlay[^ ]*//")"',
    )
    ran = vms.run(
        DeployKernel(
            command="deploy_linaro_kernel",
            index=0,
            role="a",
            kernel=images.kernel.as_uri(),
            ramdisk=images.initramfs.as_uri(),
        ),
        shell_action("a", suite("typed", "lava-test-case x --result pass"), timeout=200),
        vms=[Vm(device_type="kvm", role="a", launch_with=without)],
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert "typed into the console" in ran.notes()
    assert ran.results("typed")["x"] == "pass"


def test_a_host_with_a_kvm_of_whatever_worth(vms: Lab, images: GuestImages) -> None:
    vms.board = replace(vms.board, kvm="auto")
    ran = vms.run(vms=[Vm(device_type="kvm", role="a", image=images.rootfs.as_uri())])

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert ran.results("lava", 0)["kvm-x86_64"] in ("pass", "skip")


@pytest.mark.parametrize("name", ["kvm-arm", "kvm-aarch64"])
def test_other_machines(
    sshd: SshServer, tmp_path: Path, guest_images: Callable[[str], GuestImages], name: str
) -> None:

    images = guest_images(VM_TYPES[name])
    lab = Lab(sshd, tmp_path, [images.folder])
    ready = ready_made()
    base = ready[ready[name].base].config
    lab.vm_types = {name: checked_vm_type_config(overlay(base, vm_type(images)))}
    ran = lab.run(
        shell_action("a", suite("arm", "lava-test-case x --result pass"), timeout=200),
        vms=[Vm(device_type=name, role="a", image=images.rootfs.as_uri())],
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert ran.results("arm")["x"] == "pass"
