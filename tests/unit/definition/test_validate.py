"""Rules that concern several parts of a definition, and how problems are told."""

from __future__ import annotations

import dataclasses

import pytest

from jobs.domain.definition.lab_view import LabView
from jobs.domain.definition.limits import MAX_PROBLEMS
from tests.unit.definition.changing import (
    DEPLOY,
    GONE,
    ONE_VM,
    SHELL,
    VMS,
    accepted,
    changed,
    problems,
)
from tests.unit.definition.sample import LAB, document, text


def test_all_problems_come_at_once_in_the_order_of_the_text() -> None:
    wrong = changed(
        ("timeout", 0), ("job_name", 1), (f"{VMS}[0].count", 0), ("actions[0].command", "x"), ("zz", 1)
    )
    found = problems(wrong)
    assert [p.path for p in found] == ["job_name", "timeout", f"{VMS}[0].count", "actions[0].command", "zz"]
    assert str(found[0]) == "line 2, column 15: job_name: must be a string, not the number 1"


def test_an_unreadable_value_is_reported_once_and_nothing_else_is_said_of_it() -> None:
    source = text(changed(("actions[0].metadata", {"a": "HERE"}))).replace('"HERE"', "1e999")
    assert [p.message for p in problems(source)] == ["the number 1e999 is too large"]
    source = text().replace("18000", "1" * 40)
    assert [(p.path, p.message) for p in problems(source)] == [("timeout", "a number of 40 characters")]


def test_an_unknown_key_may_be_of_any_length() -> None:
    (problem,) = problems(document() | {"x" * 500: 1})
    assert problem.path == '["' + "x" * 59 + '…"]'


def test_parameters_of_another_command_are_told_to_belong_there() -> None:
    found = problems(changed(("actions[1].command", "deploy_image")))
    assert [p.hint for p in found[1:]] == ["that belongs to deploy_linaro_kernel"] * 2


def test_test_definitions_that_are_too_long_together_belong_into_files() -> None:
    inline = "metadata: {name: x}\nrun: {steps: ['" + "x" * 50_000 + "']}"
    shell = {"command": "lava_test_shell", "parameters": {"testdef": inline}}
    actions = document()["actions"]
    (problem,) = problems(changed(("actions", [*actions, *[shell] * 4])))
    assert problem.path == "actions[6].parameters.testdef"
    assert problem.message == "the test definitions here have more than 131072 characters together"
    assert len(accepted(("actions", [*actions, *[shell] * 2])).actions) == 6


def test_very_many_problems_are_cut_short_with_their_number() -> None:
    found = problems(document() | {f"key{n}": n for n in range(300)})
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1].message == "and 200 more problems from here on"


@pytest.mark.parametrize("source", ["null", "[]", '"x"', "5", "just words"])
def test_what_is_no_object_is_said_to_be_none(source: str) -> None:
    (problem,) = problems(source)
    assert "must be an object with timeout, job_name, vm_group and actions" in problem.message
    assert (problem.path, problem.line, problem.column) == ("", 1, 1)


def test_two_roles_may_not_make_one_node_name() -> None:
    wrong = changed((VMS, [*document()["vm_group"]["vms"], {**ONE_VM[0], "role": "Client-1"}]))
    (problem,) = problems(wrong)
    assert problem.message == "the roles client and Client-1 both make a node named client-1"


def test_a_vm_may_not_have_the_hosts_role() -> None:
    wrong = changed(
        (f"{VMS}[0].role", "host"),
        ("actions", [{"command": "boot_image"}]),
        (f"{VMS}[0].image", "lab:server-arm"),
    )
    (problem,) = problems(wrong)
    assert problem.path == f"{VMS}[0].role"
    assert problem.message == "the role host is used twice"


def test_two_deploys_for_one_vm_are_an_error() -> None:
    second = {"command": "deploy_image", "parameters": {"image": "lab:server-arm", "role": "server"}}
    actions = document()["actions"]
    (problem,) = problems(changed(("actions", [*actions[:2], second, *actions[2:]])))
    assert problem.path == "actions[2].parameters.role"
    assert problem.message == "the role server has a deploy action already (action 2)"


def test_a_deploy_that_comes_after_the_test_is_an_error() -> None:
    actions = document()["actions"]
    (problem,) = problems(changed(("actions", [actions[0], actions[2], actions[1]])))
    assert problem.path == "actions[2].parameters.role"
    assert "comes too late for the role server: action 2 (lava_test_shell)" in problem.message


def test_a_deploy_overriding_an_image_is_a_warning() -> None:
    definition = accepted((f"{VMS}[0].image", "lab:server-arm"))
    (warning,) = definition.warnings
    assert warning.path == f"{VMS}[0].image"
    assert warning.message == "not used: action 2 deploys for the role server"


def test_a_deploy_for_the_host_of_a_board_with_an_installed_system_is_an_error() -> None:
    action = {"command": "deploy_linaro_image", "parameters": {"image": "lab:server-arm", "role": "host"}}
    (problem,) = problems(changed(("actions[0]", action)))
    assert problem.path == "actions[0].parameters.role"
    assert problem.message.startswith(
        "boards of the type arndale use their installed system: use dummy_deploy"
    )


def test_a_deploy_for_all_roles_says_that_it_means_the_host_too() -> None:
    action = {"command": "deploy_linaro_image", "parameters": {"image": "lab:server-arm"}}
    (problem,) = problems(changed(("actions", [action]), (VMS, [{"device_type": "kvm", "role": "v"}])))
    assert problem.path == "actions[0]"
    assert "This action is for all roles, so for the host host, too." in problem.message
    assert problem.hint == "give the action the role of a VM"


def test_a_board_with_a_deploy_method_takes_an_image() -> None:
    deploy = {"command": "deploy_image", "parameters": {"image": "lab:server-arm"}}
    vms = [{"device_type": "kvm-aarch64", "role": "v"}]
    definition = accepted(("vm_group.host.device_type", "juno"), (VMS, vms), ("actions", [deploy]))
    assert definition.actions[0].command == "deploy_linaro_image"


def test_dummy_deploy_without_a_role_would_mean_the_vms_too() -> None:
    (problem,) = problems(
        changed(("actions[0].parameters", GONE), (VMS, ONE_VM), ("actions[1]", {"command": "boot_image"}))
    )
    assert problem.path == "actions[0]"
    assert problem.hint == "give the action the host's role"


def test_vms_that_nobody_would_start_are_an_error() -> None:
    wrong = changed(("vm_group.auto_start_vms", False), (f"{SHELL}.role", "server"))
    (problem,) = problems(wrong)
    assert problem.path == "vm_group.auto_start_vms"
    assert "no lava_test_shell or lava_command_run that could call lava-start-vms" in problem.message
    assert not accepted(("vm_group.auto_start_vms", False)).auto_start_vms


def test_a_pinned_board_must_have_the_tags() -> None:
    (problem,) = problems(changed(("vm_group.host.board", "arndale-02"), ("tags", ["lan"])))
    assert problem.message == 'the board arndale-02 does not have the tag "lan"'
    definition = accepted(("vm_group.host.board", "arndale-01"), ("tags", ["lan", "hdd"]))
    assert (definition.host.board, definition.tags) == ("arndale-01", ("lan", "hdd"))


def test_a_pinned_board_that_does_not_exist_makes_no_further_noise() -> None:
    (problem,) = problems(changed(("vm_group.host.board", "x"), ("tags", ["nope"])))
    assert problem.hint == "one of arndale-01 or arndale-02"


def test_roles_that_cannot_be_read_make_no_further_noise() -> None:
    found = problems(changed((f"{VMS}[0].role", 5), ("vm_group.host.role", [])))
    assert [p.path for p in found] == ["vm_group.host.role", f"{VMS}[0].role"]
    found = problems(changed(("actions[1].parameters", None), ("actions[2].command", "x")))
    assert [p.path for p in found] == ["actions[1].parameters", "actions[2].command"]


def test_an_empty_lab_accepts_nothing_but_answers() -> None:
    found = problems(document(), LabView())
    assert [p.path for p in found] == [
        "vm_group.host.device_type",
        f"{VMS}[0].device_type",
        f"{VMS}[1].device_type",
    ]
    assert found[0].hint == "one of none"
    no_roots = dataclasses.replace(LAB, file_roots=())
    assert problems(document(), no_roots)[0].hint == "allowed below: none"


def test_unusual_things_are_warnings() -> None:
    definition = accepted(
        (f"{DEPLOY}.ramdisk", GONE),
        (f"{VMS}[1].launch_with", ["true &&", "qemu -daemonize"]),
        (f"{SHELL}.timeout", 50_000),
        ("actions[3].parameters.server", "localhost"),
    )
    assert [(w.path, w.message.split(":")[0]) for w in definition.warnings] == [
        (
            f"{VMS}[1].launch_with",
            "the last launch_with command goes into the background, but it has to stay on the console",
        ),
        (DEPLOY, "neither ramdisk nor rootfs is given"),
        (f"{SHELL}.timeout", "longer than the whole job may take (18000 s)"),
        (
            "actions[3].parameters",
            "results are kept in the lab; they go nowhere else, for server is not an http(s) URL",
        ),
    ]
    (warning,) = accepted((f"{VMS}[1].launch_with", ["qemu &"])).warnings
    assert "background" in warning.message
    assert not accepted((f"{VMS}[1].launch_with", ["setup &", "qemu"])).warnings
