"""Every rule of the format: what breaks it, where that is said, and in which words."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from jobs.domain.definition.parse import parse
from tests.unit.definition.changing import (
    DEPLOY,
    GONE,
    KEY,
    ONE_VM,
    REPO,
    SHELL,
    VMS,
    changed,
    problems,
)
from tests.unit.definition.sample import text

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
