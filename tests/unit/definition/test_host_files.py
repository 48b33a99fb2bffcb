"""``host:`` files, roles without an image, metadata and addresses: rules of the definition."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from jobs.domain.definition.lab_view import BoardTypeView, BoardView, LabView
from jobs.domain.definition.model import Definition, Invalid
from jobs.domain.definition.nodes import plan_nodes
from jobs.domain.definition.validate import MAX_ADDRESSES, MAX_METADATA, read_accepted, validate

BOARD = BoardTypeView(name="bench", boards=(BoardView(name="one"),), runs=frozenset({"kvm", "own"}))
LAB = LabView(board_types={"bench": BOARD}, vm_types=frozenset({"kvm", "own"}), launched=frozenset({"own"}))
SHELL = {
    "command": "lava_test_shell",
    "parameters": {"testdef": "{metadata: {name: a}, run: {steps: [true]}}"},
}


def text(*actions: dict[str, Any], vm: dict[str, Any] | None = None, **top: Any) -> str:
    group = {
        "host": {"device_type": "bench", "role": "host"},
        "auto_start_vms": top.pop("auto_start_vms", False),
        "vms": [{"device_type": "kvm", "role": "guest", **(vm or {})}],
    }
    return json.dumps(
        {"job_name": "a", "timeout": 60, "vm_group": group, "actions": [*actions, SHELL], **top}
    )


def deploy(command: str = "deploy_linaro_image", **parameters: str) -> dict[str, Any]:
    return {"command": command, "parameters": {"role": "guest", **parameters}}


def problem(source: str, lab: LabView = LAB) -> str:
    with pytest.raises(Invalid) as caught:
        validate(source, lab)
    return str(caught.value)


def test_a_vm_may_boot_what_lies_on_the_host() -> None:
    assert validate(text(vm={"image": "host:built.qcow2"}), LAB).vms[0].image == "host:built.qcow2"
    kernel = deploy("deploy_linaro_kernel", kernel="host:/boot/vmlinuz", ramdisk="host:out/initramfs.gz")
    assert validate(text(kernel), LAB).warnings == ()


@pytest.mark.parametrize("url", ["host:", "host:../x", "host:a/../b", "host:a b", "host:/folder/", "host:-x"])
def test_odd_paths_are_refused(url: str) -> None:
    assert "does not name a file on the host" in problem(text(vm={"image": url}))


def test_what_cannot_be_meant_is_said() -> None:
    assert "is packed" in problem(text(vm={"image": "host:disk.img.xz"}))
    digest = deploy(image="host:a.img", sha256="0" * 64)
    assert "a file on the host is not checked" in problem(text(digest))
    everywhere = {"command": "deploy_linaro_image", "parameters": {"image": "host:a.img"}}
    assert "this action is also for the host" in problem(text(everywhere))
    tests = {"command": "lava_test_shell", "parameters": {"testdef_urls": ["host:/t.yaml"]}}
    assert "host: names a file on the host" in problem(text(tests, vm={"image": "host:a"}))


def test_a_file_that_the_hosts_test_makes_wants_the_vms_to_wait() -> None:
    found = validate(text(vm={"image": "host:made.img"}, auto_start_vms=True), LAB).warnings
    assert ["nobody has made this file" in one.message for one in found] == [True]
    found = validate(text(deploy(image="host:made.img"), auto_start_vms=True), LAB).warnings
    assert [one.path for one in found] == ["actions[0].parameters.image"]
    assert validate(text(vm={"image": "host:/srv/a.img"}, auto_start_vms=True), LAB).warnings == ()


def test_commands_of_ones_own_need_no_image() -> None:
    assert validate(text(vm={"launch_with": ["exec sh"]}), LAB).vms[0].image == ""
    own = text(vm={"device_type": "own"})
    assert validate(own, LAB).vms[0].image == ""
    assert read_accepted(own).vms[0].device_type == "own"
    assert "the role guest has nothing to boot" in problem(own, replace(LAB, launched=frozenset()))


def test_a_command_run_can_start_the_vms() -> None:
    run = {"command": "lava_command_run", "parameters": {"role": "host", "commands": ["lava-start-vms"]}}
    only = json.loads(text(run, vm={"image": "host:a"}))
    only["actions"].pop()
    assert validate(json.dumps(only), LAB).auto_start_vms is False


def test_metadata_is_laid_over_each_other_role_by_role() -> None:
    definition: Definition = validate(
        text(
            {"command": "dummy_deploy", "parameters": {"role": "host"}, "metadata": {"on": "host", "n": 1}},
            {**deploy(image="host:a"), "metadata": {"n": [1, {"x": None}]}},
        ),
        LAB,
    )
    host, guest = plan_nodes(definition)
    assert (host.metadata, guest.metadata) == ({"on": "host", "n": 1}, {"n": [1, {"x": None}]})
    large = {**deploy(image="host:a"), "metadata": {"x": "y" * MAX_METADATA}}
    assert f"at most {MAX_METADATA}" in problem(text(large))


def test_there_are_not_too_many_addresses_and_each_once() -> None:
    many = [f"a{number}@example.org" for number in range(MAX_ADDRESSES + 1)]
    assert "a mailing list takes more" in problem(text(vm={"image": "host:a"}, notify=many))
    assert "listed twice" in problem(text(vm={"image": "host:a"}, notify=many[:1] * 2))
    (warning,) = validate(
        text(vm={"image": "host:a"}, notify=many[:1]), replace(LAB, sends_mail=False)
    ).warnings
    assert "this lab sends no mail" in warning.message


def test_old_definitions_with_install_lava_test_are_read() -> None:
    install = {"command": "lava_test_install", "parameters": {"tests": ["stream"], "install_lava_test": True}}
    (warning,) = validate(text(install, vm={"image": "host:a"}), LAB).warnings
    assert "lava-test is not installed" in warning.message
