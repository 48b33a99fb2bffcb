"""Every rule of the format: what breaks it, where that is said, and in which words."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from typing import Any

import pytest
import yaml

from jobs.domain.definition.document import ROOT
from jobs.domain.definition.lab_view import BoardTypeView, BoardView, LabView
from jobs.domain.definition.limits import MAX_PROBLEMS
from jobs.domain.definition.model import (
    AddAptRepository,
    BootImage,
    CommandRun,
    Definition,
    DeployImage,
    DeployKernel,
    Invalid,
    Login,
    Problem,
    SubmitResults,
    TestInstall,
    TestShell,
    TestSource,
)
from jobs.domain.definition.parse import parse
from jobs.domain.definition.reading import one_of
from jobs.domain.definition.validate import plan_nodes, read_accepted, validate
from tests.unit.definition.sample import LAB, document, text

GONE = object()
KEY = "at the key itself"


def changed(*changes: tuple[str, Any], of: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the sample with values set (or taken away: GONE) at paths such as ``vm_group.vms[0].count``."""
    whole = document() if of is None else copy.deepcopy(of)
    for path, value in changes:
        *steps, last = [int(s) if s.isdigit() else s for s in re.findall(r"[^.\[\]]+", path)]
        inner: Any = whole
        for step in steps:
            inner = inner[step]
        if value is GONE:
            del inner[last]
        else:
            inner[last] = value
    return whole


def problems(value: Any, lab: LabView = LAB) -> list[Problem]:
    with pytest.raises(Invalid) as caught:
        validate(value if isinstance(value, str) else text(value), lab)
    return caught.value.problems


def accepted(*changes: tuple[str, Any]) -> Definition:
    return validate(text(changed(*changes)), LAB)


VMS = "vm_group.vms"
DEPLOY = "actions[1].parameters"
SHELL = "actions[2].parameters"
REPO = f"{SHELL}.testdef_repos[0]"
ONE_VM = [{"device_type": "kvm", "role": "v", "image": "lab:server-arm"}]

AT_KEY = {'["<<"]', 'vm_group.host["rôle"]', f"{DEPLOY}.login_prompt"}

# (path, value to put there, path of the problem if it is another, words of message and hint)
WRONG: list[tuple[str, Any, str | None, str]] = [
    # the top level
    ("timeout", GONE, "", '"timeout" is missing'),
    ("timeout", 0, None, "must be 1 … 100000 seconds, not 0"),
    ("timeout", -3, None, "must be 1 … 100000 seconds, not -3"),
    ("timeout", 100_001, None, "must be 1 … 100000 seconds, not 100001"),
    ("timeout", "5", None, 'must be a whole number of seconds, 1 … 100000, not the string "5"'),
    ("timeout", 5.0, None, "not the number 5.0"),
    ("timeout", True, None, "not the boolean true"),
    ("timeout", None, None, "not null; leave the key out"),
    ("job_name", GONE, "", '"job_name" is missing'),
    ("job_name", "", None, "must not be empty"),
    ("job_name", "x" * 201, None, "is 201 characters long; at most 200"),
    ("job_name", "a\nb", None, "holds the character U+000A; only printable characters, on one line"),
    ("job_name", 5, None, "must be a string, not the number 5"),
    ("logging_level", "debug", None, '"debug" is not a logging level; did you mean "DEBUG"?'),
    ("logging_level", "LOUD", None, "one of DEBUG, INFO, WARNING, ERROR or CRITICAL"),
    ("priority", "urgent", None, '"urgent" is not a priority; low, medium, high or a number'),
    ("priority", 101, None, "must be 0 … 100, not 101"),
    ("priority", None, None, "must be a whole number, 0 … 100, not null"),
    ("tags", "usb", None, "must be a list of board tags, not the string"),
    ("tags", None, None, "not null; leave the key out for its default"),
    ("tags", ["usb", "usb"], "tags[1]", '"usb" is listed twice'),
    ("tags", [1], "tags[0]", "must be a string"),
    ("tags", ["usbb"], None, 'no board of this type has the tag "usbb"; did you mean "usb"?'),
    ("tags", ["zzz"], None, "tags there: hdd, lan or usb"),
    ("tags", ["usb", "lan"], None, "no board of this type has all of these tags at once"),
    ("notify", ["nobody"], "notify[0]", '"nobody" is not an e-mail address'),
    ("notify", ["a@b..c"], "notify[0]", "not an e-mail address"),
    ("notify_on_incomplete", "a@b.c", None, "must be a list of e-mail addresses"),
    ("visibility", "secret", None, '"secret" is not public, private or a list of groups'),
    ("visibility", [], None, "must not be empty"),
    (
        "visibility",
        ["qa", "kernel-team"],
        "visibility[1]",
        'no group "kernel-team"; did you mean "kernel team"?',
    ),
    ("visibility", ["public"], "visibility[0]", "public is not a group; write visibility: public"),
    ("visibility", {"a": 1}, None, "must be a list of group names, not an object"),
    ("job_nam", "x", KEY, 'unknown key "job_nam"; did you mean "job_name"?'),
    ("qqqqqqq", 1, KEY, 'unknown key "qqqqqqq"; known here: timeout, vm_group'),
    ("device_group", [], KEY, "device_group) cannot be run yet; describe one host and its VMs in vm_group"),
    ("target", "x", KEY, "a job is a VM group here; pin one board with vm_group.host.board"),
    ("group_size", 2, KEY, "the lab sets this by itself"),
    ("<<", {}, '["<<"]', 'unknown key "<<"'),
    # the host
    ("vm_group", GONE, "", '"vm_group" is missing; the host and its VMs'),
    ("vm_group", [], None, "must be an object with host and vms, not a list"),
    ("vm_group.host", GONE, "vm_group", '"host" is missing'),
    ("vm_group.host", "arndale", None, "must be an object with device_type and role"),
    ("vm_group.host.role", GONE, "vm_group.host", '"role" is missing; a name for the host in this group'),
    ("vm_group.host.role", "9lives", None, '"9lives" is not a role name; a letter, then up to 31'),
    ("vm_group.host.role", "h" * 33, None, "not a role name"),
    ("vm_group.host.role", "Localhost", None, "no node can have the name localhost"),
    ("vm_group.host.device_type", GONE, "vm_group.host", '"device_type" is missing'),
    ("vm_group.host.device_type", "arndal", None, 'no board type "arndal"; did you mean "arndale"?'),
    ("vm_group.host.device_type", "zzz", None, "one of arndale or juno"),
    ("vm_group.host.device_type", "kvm", None, "kvm is a type of VMs; the host is a board: arndale or juno"),
    ("vm_group.host.device_type", "empty", None, "the lab has no board of the type empty at present"),
    ("vm_group.host.device_type", "secret", None, "you may not use boards of the type secret"),
    (
        "vm_group.host.board",
        "arndale-3",
        None,
        'no board "arndale-3" of the type arndale; did you mean "arndale-0',
    ),
    ("vm_group.host.board", "", None, "must not be empty"),
    ("vm_group.host.tags", ["usb"], KEY, "tags do not belong to the host; give tags at the top level"),
    ("vm_group.host.rôle", "x", 'vm_group.host["rôle"]', 'unknown key "rôle"; did you mean "role"?'),
    ("vm_group.auto_start_vms", "false", None, 'must be true or false, not the string "false"'),
    ("vm_group.vm", [], KEY, 'unknown key "vm"; did you mean "vms"?'),
    # the VMs
    (VMS, GONE, "vm_group", '"vms" is missing'),
    (VMS, [], None, "must not be empty; a list of VMs"),
    (VMS, {}, None, "must be a list of VMs, not an object"),
    (f"{VMS}[0]", "server", None, "must be an object with device_type and role"),
    (f"{VMS}[0].device_type", GONE, f"{VMS}[0]", '"device_type" is missing'),
    (f"{VMS}[0].device_type", "kwm", None, 'there is no VM type "kwm"; did you mean "kvm"?'),
    (f"{VMS}[0].device_type", "juno", None, "juno is a type of boards; one of kvm or kvm-arm"),
    (f"{VMS}[0].device_type", "kvm-aarch64", None, "arndale cannot run kvm-aarch64; they run kvm or kvm-arm"),
    (f"{VMS}[0].role", GONE, f"{VMS}[0]", '"role" is missing'),
    (f"{VMS}[1].role", "server", None, "the role server is used twice; every role needs a name of its own"),
    (f"{VMS}[0].role", "a b", None, "not a role name"),
    (f"{VMS}[1].count", 0, None, "must be 1 or more, not 0"),
    (f"{VMS}[1].count", -1, None, "must be 1 or more, not -1"),
    (f"{VMS}[1].count", "2", None, "must be a whole number, 1 or more"),
    (f"{VMS}[1].count", 5, VMS, "the group has 6 VMs; at most 5 are allowed in this lab"),
    (f"{VMS}[1].count", 10**20, VMS, "at most 5 are allowed"),
    (
        f"{VMS}[1].image",
        GONE,
        f"{VMS}[1]",
        "the role client has nothing to boot; give it an image, a deploy_",
    ),
    (f"{VMS}[1].image", "client.img", None, '"client.img" is not a URL; file:///path, http://…'),
    (
        f"{VMS}[1].image",
        "lab:klient-arm",
        None,
        'the lab has no image "klient-arm"; did you mean "client-arm"?',
    ),
    (f"{VMS}[1].image", "lab:../x", None, "does not name an image of the lab"),
    (f"{VMS}[1].launch_with", "qemu", None, "must be a list of shell commands, not the string"),
    (f"{VMS}[1].launch_with", [], None, "must not be empty"),
    (f"{VMS}[1].launch_with", [""], f"{VMS}[1].launch_with[0]", "must not be empty"),
    (f"{VMS}[1].launch_with", ["a\x1bb"], f"{VMS}[1].launch_with[0]", "holds the character U+001B"),
    (f"{VMS}[1].shell_prompt", "(", None, "is not a regular expression: missing )"),
    (f"{VMS}[1].shell_prompt", ".*", None, "matches an empty string"),
    (f"{VMS}[1].shell_prompt", "", None, "must not be empty"),
    (f"{VMS}[1].shell_prompt", "a{99999999999}", None, "is not a regular expression"),
    (f"{VMS}[1].shell_prompt", "(" * 500 + ")" * 500, None, "is not a regular expression"),
    (f"{VMS}[1].memory", 8, None, "must be 16 … 1048576 MiB, not 8"),
    (f"{VMS}[1].cpus", 1.5, None, "must be a whole number, 1 … 256"),
    (f"{VMS}[1].tags", ["x"], KEY, "VMs have no tags"),
    (f"{VMS}[1].imgae", "x", KEY, 'did you mean "image"?'),
    # actions
    ("actions", GONE, "", '"actions" is missing'),
    ("actions", {}, None, "must be a list of actions, not an object"),
    ("actions[0]", "dummy_deploy", None, "must be an object with command and parameters"),
    ("actions[0].command", GONE, "actions[0]", '"command" is missing; deploy_linaro_image, deploy'),
    (
        "actions[0].command",
        "dumy_deploy",
        None,
        'unknown command "dumy_deploy"; did you mean "dummy_deploy"?',
    ),
    ("actions[0].command", "xyz", None, "one of deploy_linaro_image"),
    ("actions[0].command", ["x"], None, "must be a string, not a list"),
    ("actions[0].metadata", "x", None, "must be an object, not the string"),
    ("actions[0].parameters", [], None, "must be an object, not a list"),
    ("actions[0].role", "host", KEY, 'unknown key "role"; role belongs into parameters'),
    ("actions[0].comment", "x", KEY, 'unknown key "comment"; did you mean "command"?'),
    (
        "actions[0].parameters.role",
        "hots",
        None,
        'nobody in this group has the role "hots"; did you mean "host"?',
    ),
    ("actions[2].parameters.role", "xyz", None, "the roles are host, server or client"),
    ("actions[2].parameters.role", ["host"], None, "one test shell belongs to a single role or to all roles"),
    ("actions[0].parameters.role", ["host"], None, "one action belongs to a single role or to all roles"),
    ("actions[0].parameters.role", "client", None, "the VM client has no installed system"),
    ("actions[0].parameters.target", "x", KEY, 'did you mean "target_type"?'),
    # deploy
    (f"{DEPLOY}.kernel", GONE, DEPLOY, '"kernel" is missing'),
    (f"{DEPLOY}.kernel", "scp://h/x", None, "the scheme scp: is not supported; file:///path, http"),
    (f"{DEPLOY}.kernel", "http:///x", None, "names no host"),
    (f"{DEPLOY}.kernel", "http://h:0/x", None, "names no host"),
    (f"{DEPLOY}.kernel", "http://h:99999/x", None, "is not a URL: Port out of range"),
    (f"{DEPLOY}.kernel", "http://[::1/x", None, "is not a URL: Invalid IPv6 URL"),
    (f"{DEPLOY}.kernel", "http://me:pw@h/x", None, "must not hold a user name or password"),
    (f"{DEPLOY}.kernel", "http://h/a b", None, "has a space in it; write %20"),
    (f"{DEPLOY}.kernel", "file://host/x", None, "names a file on the worker, not on"),
    (f"{DEPLOY}.kernel", "file:zImage", None, "needs an absolute path"),
    (f"{DEPLOY}.kernel", "file:///srv/images/%00", None, "needs an absolute path"),
    (f"{DEPLOY}.kernel", "file:///srv/images/a?b", None, "? and # end the path"),
    (
        f"{DEPLOY}.kernel",
        "file:///etc/passwd",
        None,
        '"/etc/passwd" is outside the folders that jobs may read',
    ),
    (
        f"{DEPLOY}.kernel",
        "file:///srv/images/../x",
        None,
        "is outside the folders; allowed below: /srv/images",
    ),
    (f"{DEPLOY}.kernel", "file:///srv/images/%2e%2e/x", None, "is outside the folders"),
    (f"{DEPLOY}.kernel", "file:///srv/images", None, "is outside the folders"),
    (f"{DEPLOY}.kernel", "file:///srv/images2/x", None, "is outside the folders"),
    (f"{DEPLOY}.kernel_sha256", "abc", None, "is not a SHA-256 checksum; 64 hexadecimal digits"),
    (f"{DEPLOY}.dtb_sha256", "a" * 64, KEY, "there is no dtb that it could belong to"),
    (f"{DEPLOY}.username", GONE, f"{DEPLOY}.login_prompt", "login_prompt needs username"),
    (f"{DEPLOY}.password_prompt", "Password:", KEY, "password_prompt needs password"),
    (f"{DEPLOY}.login_prompt", "*", None, "is not a regular expression"),
    (f"{DEPLOY}.login_commands", "su", None, "must be a list of commands"),
    (f"{DEPLOY}.boot_cmds", [5], f"{DEPLOY}.boot_cmds[0]", "must be a string, not the number 5"),
    (f"{DEPLOY}.image", "x", KEY, 'unknown key "image"; that belongs to deploy_linaro_image'),
    (f"{DEPLOY}.target_type", "oe", KEY, "leave it out: any system with a POSIX shell will do"),
    # test shells
    (SHELL, {}, None, "there is no test to run; give testdef_urls, testdef_repos or testdef"),
    (SHELL, {"testdef_urls": []}, None, "there is no test to run: the lists are empty"),
    (f"{SHELL}.timeout", -1, None, "must be 1 … 100000 seconds, not -1"),
    (f"{SHELL}.skip_install", "everything", None, '"everything" is not a part of the installation'),
    (f"{SHELL}.lava_test_dir", "tmp", None, '"tmp" is not a folder; an absolute path'),
    (f"{SHELL}.lava_test_dir", "/a/../b", None, "is not a folder"),
    (f"{SHELL}.testdef_urls", "http://a/b", None, "must be a list of URLs"),
    (f"{SHELL}.testdef_urls[0]", "b.yaml", None, "is not a URL"),
    (f"{SHELL}.testdef_repos", {}, None, "must be a list of objects"),
    (REPO, "x", None, "must be an object with git-repo or url"),
    (REPO, {}, None, "give exactly one of git-repo and url"),
    (f"{REPO}.url", "http://a/b", REPO, "give exactly one of git-repo and url"),
    (f"{REPO}.git-repo", "git@h:x", None, "is not a URL; https://…"),
    (f"{REPO}.git-repo", "ext::sh -c x", None, "is not a URL: it has a space in it"),
    (f"{REPO}.git-repo", "--upload-pack=x", None, "is not a URL"),
    (f"{REPO}.git-repo", "ssh://h/x", None, "the scheme ssh: is not supported"),
    (f"{REPO}.revision", "--help", None, '"--help" is not a git revision'),
    (f"{REPO}.testdef", "../x", None, '"../x" leaves the repository'),
    (f"{REPO}.testdef", "/x", None, "leaves the repository"),
    (f"{REPO}.bzr-repo", "lp:x", KEY, "bzr-repo is not supported; use git-repo or url"),
    (f"{REPO}.branch", "x", KEY, 'unknown key "branch"'),
    (f"{REPO}.parameters", [], None, "must be an object, not a list"),
    (f"{REPO}.parameters.A", [1], None, "must be a string, a number, true or false, not a list"),
    (f"{REPO}.parameters.A", None, None, "must be a string, a number, true or false, not null"),
    (f"{REPO}.parameters.A-B", 1, None, '"A-B" is not a parameter name; it becomes a shell variable'),
    (f"{SHELL}.testdef", "", None, "must not be empty"),
    (f"{SHELL}.testdef", "metadata: {name: x}", None, "cannot be used: run.steps: there is no step to run"),
    (f"{SHELL}.testdef", {"run": {"steps": ["x"]}}, None, "cannot be used: metadata.name: is missing"),
    (
        f"{SHELL}.skip_install",
        "deps, step",
        None,
        '"step" is not a part of the installation; did you mean "steps"?',
    ),
    (f"{VMS}[1].shell_prompt", "\\u0041", None, "is not a regular expression: bad escape"),
    (f"{SHELL}.testdef", ["x"], None, "must be a string, not a list"),
    # results
    ("actions[3].parameters.role", "host", KEY, 'unknown key "role"'),
    ("actions[3].parameters.token", "x", KEY, "a secret does not belong in a definition"),
    ("actions[3].parameters.server", "http://a:b@c/", None, "must not hold a user name or password"),
]


@pytest.mark.parametrize(("path", "value", "where", "words"), WRONG)
@pytest.mark.parametrize("language", ["json", "yaml"])
def test_a_broken_rule_is_told_at_its_place(
    path: str, value: Any, where: str | None, words: str, language: str
) -> None:
    wrong = changed((path, value))
    source = text(wrong) if language == "json" else yaml.safe_dump(wrong, sort_keys=False, allow_unicode=True)
    found = problems(source)
    at_key = where is KEY or where in AT_KEY
    where = path if where is None or where is KEY else where
    matching = [
        p
        for p in found
        if p.path == where and all(part in f"{p.message}; {p.hint}" for part in words.split("; "))
    ]
    assert matching, "\n".join(str(p) for p in found)
    assert len(found) == 1, "one mistake is one problem: " + "\n".join(str(p) for p in found)
    assert (found[0].line, found[0].column) == _place(source, where, at_key=at_key)


def _place(source: str, where: str, *, at_key: bool) -> tuple[int, int]:
    """Work the place of a path out from the document, independently of the code that reports."""
    document = parse(source)
    node: Any = document.root
    at = node.at
    for step in re.findall(r'\["[^"]*"\]|\[\d+\]|[^.\[\]]+', where):
        if re.fullmatch(r"\[\d+\]", step):
            node = node.items[int(step[1:-1])]
            at = node.at
        else:
            key = step[2:-2] if step.startswith("[") else step
            entry = next(e for e in node.entries if e.key == key or key.endswith("…"))
            node = entry.value
            at = entry.key_at if at_key else node.at
    return document.places.of(at)


LS = {"commands": ["ls"]}
ACTIONS_WRONG: list[tuple[str, dict[str, Any] | None, str, str]] = [
    ("lava_command_run", None, "actions[1]", '"commands" is missing'),
    ("lava_command_run", {"commands": []}, ".commands", "must not be empty"),
    ("lava_command_run", {**LS, "parser": "("}, ".parser", "the pattern is no regular expression"),
    ("lava_command_run", {**LS, "parser": 5}, ".parser", "must be a string"),
    ("lava_command_run", {**LS, "fixupdict": ["x"]}, "[0]", "must be from:to"),
    ("lava_command_run", {**LS, "fixupdict": ["x:y"]}, "[0]", '"y" is not a res'),
    ("lava_command_run", {**LS, "fixupdict": {"x": 1}}, ".x", "must be a string"),
    ("lava_command_run", {**LS, "fixupdict": 5}, ".fixupdict", "must be a list"),
    ("lava_command_run", {**LS, "iterations": 0}, ".iterations", "1 … 10000"),
    ("add_apt_repository", None, "actions[1]", '"arg" is missing'),
    ("add_apt_repository", {"arg": ""}, ".arg", "must not be empty"),
    ("add_apt_repository", {"arg": {}}, ".arg", "must be a list of repository lines"),
    ("lava_test_install", {"tests": 5}, ".tests", "must be a list of strings"),
    ("boot_image", {"options": [[]]}, ".options[0]", "must be a string"),
    (
        "lava_test_shell",
        {"testdef_repos": [{"url": "http://a/b", "revision": "x"}]},
        ".revision",
        "revision belongs to a git-repo",
    ),
    ("deploy_image", {"hwpack": "x", "role": "v"}, ".hwpack", "give a ready one as image"),
    ("deploy_image", {"target_type": "x", "role": "v"}, ".target_type", "leave it out"),
    ("deploy_image", {"rootfs": "x", "role": "v"}, ".rootfs", "to deploy_linaro_kernel"),
]


@pytest.mark.parametrize(("command", "parameters", "where", "words"), ACTIONS_WRONG)
def test_a_wrong_action_is_told_at_its_place(
    command: str, parameters: dict[str, Any] | None, where: str, words: str
) -> None:
    action = {"command": command} if parameters is None else {"command": command, "parameters": parameters}
    first = {"command": "dummy_deploy", "parameters": {"role": "host"}}
    found = problems(changed(("actions", [first, action]), (VMS, ONE_VM)))
    assert any(p.path.endswith(where) and words in f"{p.message}; {p.hint}" for p in found), found


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
