"""What is accepted, and what is understood of it."""

from __future__ import annotations

import dataclasses
import json

import pytest
import yaml

from jobs.domain.definition.document import ROOT
from jobs.domain.definition.lab_view import BoardTypeView, BoardView
from jobs.domain.definition.model import (
    AddAptRepository,
    BootImage,
    CommandRun,
    DeployImage,
    DeployKernel,
    Invalid,
    Login,
    SubmitResults,
    TestInstall,
    TestShell,
    TestSource,
)
from jobs.domain.definition.reading import one_of
from jobs.domain.definition.validate import plan_nodes, read_accepted, validate
from tests.unit.definition.changing import (
    DEPLOY,
    VMS,
    accepted,
    changed,
    problems,
)
from tests.unit.definition.sample import LAB, document, text


def test_everything_the_format_has_is_understood() -> None:
    digest = "AB" * 32
    source = {
        "job_name": "all of it",
        "timeout": 60,
        "priority": "HIGH",
        "tags": [],
        "notify": ["a.b+c@example.org"],
        "notify_on_incomplete": ["root@localhost"],
        "visibility": ["qa", "kernel team"],
        "vm_group": {
            "host": {"device_type": "arndale", "role": "kvm_host"},
            "vms": [
                {
                    "device_type": "kvm",
                    "role": "v",
                    "memory": 256,
                    "cpus": 2,
                    "shell_prompt": "root@v:~# ",
                    "launch_with": ["mkdir -p x", "exec qemu"],
                },
                {"device_type": "kvm", "role": "w", "image": "file://localhost/srv/images/a%20b.img"},
            ],
        },
        "actions": [
            {
                "command": "deploy_image",
                "metadata": {"a": [1, {"b": None}]},
                "parameters": {
                    "image": "https://example.org:8443/x.img.gz",
                    "sha256": digest,
                    "role": "v",
                    "username": "root",
                    "login_commands": ["su"],
                    "password_prompt": "word:",
                    "password": "x",
                },
            },
            {"command": "boot_image", "parameters": {"options": ["a"], "boot_cmds": ["b"], "role": "v"}},
            {"command": "add_apt_repository", "parameters": {"arg": "deb http://x y", "role": "v"}},
            {"command": "add_apt_repository", "parameters": {"arg": ["a", "b"], "role": "w"}},
            {
                "command": "lava_test_install",
                "parameters": {"tests": ["stream"], "install_deb": ["gcc"], "timeout": 5},
            },
            {
                "command": "lava_command_run",
                "parameters": {
                    "commands": ["ls\n"],
                    "iterations": 2,
                    "fixupdict": ["a:b:PASS"],
                    "parser": "(?P<test_case_id>.*)",
                    "timeout": 7,
                },
            },
            {"command": "lava_command_run", "parameters": {"commands": ["ls"], "fixupdict": {"OK": "pass"}}},
            {
                "command": "lava_test_shell",
                "parameters": {
                    "skip_install": "deps, steps",
                    "lava_test_dir": "/data/lava",
                    "testdef": {"metadata": {"name": "t"}, "run": {"steps": ["true"]}},
                    "testdef_repos": [{"url": "http://x/y"}, {"git-repo": "git://x/y", "revision": "v1~2"}],
                },
            },
            {
                "command": "lava_test_shell",
                "parameters": {"testdef": "metadata: {name: t}\nrun:\n  steps: [a]\n", "role": "kvm_host"},
            },
            {"command": "submit_results_on_host"},
        ],
    }
    definition = validate(text(source), LAB)
    assert (definition.priority, definition.visibility) == (100, ("qa", "kernel team"))
    assert (definition.logging_level, definition.auto_start_vms) == ("INFO", True)
    assert [node.name for node in plan_nodes(definition)] == ["kvm-host", "v", "w"]
    deploy, boot, apt, apts, install, run, run2, shell, inline, submit = definition.actions
    assert isinstance(deploy, DeployImage)
    assert deploy.sha256 == digest.lower()
    assert deploy.metadata == {"a": [1, {"b": None}]}
    assert deploy.login == Login(
        username="root", login_commands=("su",), password_prompt="word:", password="x"
    )
    assert boot == BootImage(command="boot_linaro_image", index=1, role="v", options=("a",), boot_cmds=("b",))
    assert isinstance(apt, AddAptRepository)
    assert isinstance(apts, AddAptRepository)
    assert (apt.arg, apts.arg) == (("deb http://x y",), ("a", "b"))
    assert isinstance(install, TestInstall)
    assert (install.tests, install.install_deb, install.timeout) == (("stream",), ("gcc",), 5)
    assert isinstance(run, CommandRun)
    assert isinstance(run2, CommandRun)
    assert (run.fixupdict, run2.fixupdict) == ({"a:b": "pass"}, {"OK": "pass"})
    assert isinstance(shell, TestShell)
    assert [s.url or s.git_repo for s in shell.sources] == ["http://x/y", "git://x/y", ""]
    assert (shell.sources[1].testdef, shell.sources[1].revision) == ("lavatest.yaml", "v1~2")
    assert json.loads(shell.sources[2].inline)["run"] == {"steps": ["true"]}
    assert isinstance(inline, TestShell)
    assert inline.sources == (TestSource(inline="metadata: {name: t}\nrun:\n  steps: [a]\n"),)
    assert submit == SubmitResults(command="submit_results_on_host", index=9)
    assert inline.applies_to("kvm_host")
    assert not inline.applies_to("v")


def test_parameters_stay_as_they_were_written() -> None:
    source = yaml.safe_dump(document(), sort_keys=False).replace("VERSION: '1.10'", "VERSION: 1.10")
    assert source.count("VERSION: 1.10") == 1
    shell = validate(source, LAB).actions[2]
    assert isinstance(shell, TestShell)
    assert shell.sources[1].parameters == {"VERSION": "1.10", "LOOPS": "3", "FAST": "true"}


def test_a_kernel_may_come_with_everything() -> None:
    urls = {key: f"http://x/{key}" for key in ("kernel", "ramdisk", "dtb", "rootfs", "firmware")}
    sums = {f"{key}_sha256": "0" * 64 for key in urls}
    kernel = accepted((DEPLOY, {**urls, **sums, "role": "server", "boot_cmds": ["run x"]})).actions[1]
    assert isinstance(kernel, DeployKernel)
    assert kernel.firmware == "http://x/firmware"
    assert kernel.digests == dict.fromkeys(urls, "0" * 64)


def test_a_number_is_a_priority() -> None:
    assert accepted(("priority", 7)).priority == 7
    assert accepted(("priority", "low")).priority == 0
    assert accepted(("visibility", "private")).visibility == ("private",)


def test_what_was_accepted_once_can_be_read_in_a_lab_that_has_changed() -> None:
    source = text()
    assert read_accepted(source) == validate(source, LAB)
    with pytest.raises(Invalid):
        read_accepted("{}")
    groups = text(changed(("visibility", ["dissolved"]), ("timeout", 10**6)))
    assert read_accepted(groups).visibility == ("dissolved",)


def test_a_lab_without_a_list_of_images_or_roots_leaves_that_to_the_run() -> None:
    lab = dataclasses.replace(LAB, images=None, file_roots=None)
    wanted = changed((f"{VMS}[1].image", "lab:anything"), (f"{DEPLOY}.kernel", "file:///etc/x"))
    assert validate(text(wanted), lab).vms[1].image == "lab:anything"


def test_the_root_folder_can_be_allowed() -> None:
    lab = dataclasses.replace(LAB, file_roots=("/",))
    kernel = validate(text(changed((f"{DEPLOY}.kernel", "file:////etc//x"))), lab).actions[1]
    assert isinstance(kernel, DeployKernel)
    assert kernel.kernel == "file:////etc//x"


def test_a_host_type_whose_boards_run_nothing_is_told_in_words() -> None:
    types = {"bare": BoardTypeView(name="bare", boards=(BoardView(name="b"),))}
    found = problems(
        changed(("vm_group.host.device_type", "bare")), dataclasses.replace(LAB, board_types=types)
    )
    assert {p.hint for p in found} == {"they run none"}


def test_names_are_listed_as_a_phrase() -> None:
    assert one_of("abc") == "a, b or c"
    assert one_of("a") == "a"
    assert one_of([]) == "none"
    assert one_of("abcd", most=2) == "a, b and 2 more"


def test_the_path_of_the_whole_document_is_empty() -> None:
    assert str(ROOT) == ""
    assert str(ROOT / 0 / "a" / "b c") == '[0].a["b c"]'


def test_a_disk_that_boots_by_itself_needs_its_firmware_and_no_kernel() -> None:
    files = {"role": "server", "firmware": "lab:server-arm", "rootfs": "lab:client-arm"}
    definition = accepted((DEPLOY, files))
    action = definition.actions[1]
    assert isinstance(action, DeployKernel)
    assert (action.kernel, action.firmware, action.rootfs) == ("", "lab:server-arm", "lab:client-arm")

    without = {"role": "server", "firmware": "lab:server-arm", "ramdisk": "lab:client-arm"}
    (problem,) = problems(changed((DEPLOY, without)))
    assert problem.path == DEPLOY
    assert "kernel" in problem.message + problem.hint
