"""The table of actions: what each command takes, and how it becomes a value."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

from jobs.domain.definition import values
from jobs.domain.definition.document import Mapping, Scalar, plain, shown
from jobs.domain.definition.lab_view import LabView
from jobs.domain.definition.model import (
    Action,
    AddAptRepository,
    BootImage,
    CommandRun,
    DeployImage,
    DeployKernel,
    DummyDeploy,
    Login,
    SubmitResults,
    TestInstall,
    TestShell,
    TestSource,
)
from jobs.domain.definition.reading import Fields, Value, one_of

ALIASES = {
    "deploy_image": "deploy_linaro_image",
    "deploy_kernel": "deploy_linaro_kernel",
    "boot_image": "boot_linaro_image",
}
_VERDICTS = ("pass", "fail", "skip", "unknown")
_LOADED = ("kernel", "ramdisk", "dtb", "rootfs", "firmware")
_SKIPS = ("all", "deps", "keys", "sources", "repos", "git-repos", "steps")
_LONGEST = 64 * 1024
"""Characters of one command."""


class Common(TypedDict):
    """What every action has."""

    command: str
    index: int
    role: str
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """One command's row: how its parameters are read, and what it means for a node."""

    read: Callable[[Fields, Common, LabView], Action]
    has_role: bool = True
    deploys: bool = False
    """Puts something on the node that it boots."""
    needs_system: bool = False
    """Needs a node that has booted."""
    hints: Callable[[str], str] = lambda key: ""


def _string(value: Value) -> str | None:
    return value.string()


def _line(value: Value) -> str | None:
    return value.string(longest=_LONGEST, lines=True)


def _pattern(value: Value) -> str | None:
    return value.checked(values.pattern, longest=1000)


def _expression(value: Value) -> str | None:
    return value.checked(values.regular_expression, longest=4096)


def _commands(value: Value) -> tuple[str, ...] | None:
    return value.strings("commands", _line, empty=False)


def _words(value: Value) -> tuple[str, ...] | None:
    return value.strings("strings", _string)


def _url(lab: LabView) -> Callable[[Value], str | None]:
    return lambda value: value.checked(lambda text: values.image_url(text, lab))


def _seconds(lab: LabView) -> Callable[[Value], int | None]:
    return lambda value: value.integer(1, lab.max_timeout, unit="seconds")


def _digest(value: Value) -> str | None:
    text = value.checked(values.sha256)
    return text.lower() if text else None


def _login(fields: Fields) -> Login:
    login = Login(
        login_prompt=fields.read("login_prompt", _pattern, ""),
        username=fields.read("username", _string, ""),
        password_prompt=fields.read("password_prompt", _pattern, ""),
        password=fields.read("password", _string, ""),
        login_commands=fields.read("login_commands", _commands, ()),
    )
    for prompt, answer in (("login_prompt", "username"), ("password_prompt", "password")):
        if prompt in fields and answer not in fields:
            fields.problem_at(prompt, f"{prompt} needs {answer}", "what is to be typed at that prompt?")
    return login


def _deploy_image(fields: Fields, common: Common, lab: LabView) -> Action:
    return DeployImage(
        **common,
        image=fields.need("image", _url(lab), ""),
        sha256=fields.read("sha256", _digest, ""),
        login=_login(fields),
    )


def _deploy_kernel(fields: Fields, common: Common, lab: LabView) -> Action:
    urls = {"kernel": fields.need("kernel", _url(lab), "")}
    urls |= {key: fields.read(key, _url(lab), "") for key in _LOADED[1:]}
    digests = {key: fields.read(f"{key}_sha256", _digest, "") for key in _LOADED}
    for key in _LOADED:
        if f"{key}_sha256" in fields and key not in fields:
            fields.problem_at(f"{key}_sha256", f"there is no {key} that it could belong to")
    if not {"ramdisk", "rootfs"} & {key for key, _ in fields}:
        fields.warn("neither ramdisk nor rootfs is given: the kernel must bring its own root file system")
    return DeployKernel(
        **common,
        **urls,
        digests={key: digest for key, digest in digests.items() if digest},
        boot_cmds=fields.read("boot_cmds", _commands, ()),
        login=_login(fields),
    )


def _dummy_deploy(fields: Fields, common: Common, lab: LabView) -> Action:
    return DummyDeploy(**common, target_type=fields.read("target_type", _string, ""))


def _boot(fields: Fields, common: Common, lab: LabView) -> Action:
    return BootImage(
        **common,
        options=fields.read("options", _words, ()),
        boot_cmds=fields.read("boot_cmds", _commands, ()),
    )


def _test_shell(fields: Fields, common: Common, lab: LabView) -> Action:
    urls = fields.read("testdef_urls", lambda v: v.strings("URLs", _url(lab)), ())
    repos = fields.read("testdef_repos", lambda v: _repos(v, lab), ())
    inline = fields.read("testdef", _inline, "")
    if not {"testdef_urls", "testdef_repos", "testdef"} & {key for key, _ in fields}:
        fields.problem("there is no test to run", "give testdef_urls, testdef_repos or testdef")
    elif fields.all_empty("testdef_urls", "testdef_repos", "testdef"):
        fields.problem("there is no test to run: the lists are empty")
    sources = [
        *(TestSource(url=url) for url in urls),
        *repos,
        *([TestSource(inline=inline)] if inline else []),
    ]
    return TestShell(
        **common,
        sources=tuple(sources),
        timeout=fields.read("timeout", _seconds(lab), None),
        skip_install=fields.read(
            "skip_install", lambda v: v.choice(_SKIPS, "a part of the installation"), ""
        ),
        lava_test_dir=fields.read("lava_test_dir", lambda v: v.checked(values.folder), ""),
    )


def _repos(value: Value, lab: LabView) -> tuple[TestSource, ...] | None:
    items = value.items(of="objects")
    return None if items is None else tuple(_repo(item, lab) for item in items)


def _repo(value: Value, lab: LabView) -> TestSource:
    fields = value.mapping("an object with git-repo or url")
    if fields is None:
        return TestSource()
    for key in ("bzr-repo", "tar-repo"):
        fields.refuse(key, f"{key} is not supported", "use git-repo or url")
    git = fields.read("git-repo", lambda v: v.checked(lambda text: values.git_url(text, lab)), "")
    url = fields.read("url", _url(lab), "")
    if ("git-repo" in fields) == ("url" in fields):
        fields.problem("give exactly one of git-repo and url")
    for key in ("revision", "testdef"):
        if key in fields and "git-repo" not in fields:
            fields.problem_at(key, f"{key} belongs to a git-repo")
    source = TestSource(
        url=url,
        git_repo=git,
        revision=fields.read("revision", lambda v: v.checked(values.revision), ""),
        testdef=fields.read(
            "testdef", lambda v: v.checked(values.path_inside), "lavatest.yaml" if git else ""
        ),
        parameters=fields.read("parameters", _parameters, {}),
    )
    fields.done()
    return source


def _parameters(value: Value) -> dict[str, str] | None:
    """Values are kept as they were written: a version 1.10 must not become 1.1."""
    fields = value.mapping()
    found = {}
    for name, item in fields or ():
        if objection := values.variable(name):
            item.problem(*objection.split("\n", 1))
        if isinstance(item.node, Scalar) and item.node.value is not None:
            found[name] = item.node.raw
        else:
            item.wrong("a string, a number, true or false")
    return found


def _inline(value: Value) -> str | None:
    """A test definition as text, or spelt out as an object (then its JSON, which is YAML)."""
    if isinstance(value.node, Mapping):
        return json.dumps(plain(value.node), indent=1)
    return value.string(longest=256 * 1024, lines=True)


def _command_run(fields: Fields, common: Common, lab: LabView) -> Action:
    return CommandRun(
        **common,
        commands=fields.need("commands", _commands, ()),
        parser=fields.read("parser", _expression, ""),
        fixupdict=fields.read("fixupdict", _fixups, {}),
        iterations=fields.read("iterations", lambda v: v.integer(1, 10_000), 1),
        timeout=fields.read("timeout", _seconds(lab), None),
    )


def _fixups(value: Value) -> dict[str, str] | None:
    """Either an object, or a list of ``from:to``."""
    if isinstance(value.node, Mapping):
        pairs = [(name, item, item.string()) for name, item in value.mapping() or ()]
    else:
        pairs = []
        for item in value.items(of="from:to") or ():
            name, colon, verdict = (item.string() or "").rpartition(":")
            pairs.append((name, item, verdict if colon else None))
            if not colon:
                item.problem("must be from:to", "for example PASSED:pass")
    for name, item, result in pairs:
        if result is not None and result.lower() not in _VERDICTS:
            item.problem(f"{shown(result)} is not a result", f"{shown(name)} can become {one_of(_VERDICTS)}")
    return {name: result.lower() for name, _, result in pairs if result is not None}


def _test_install(fields: Fields, common: Common, lab: LabView) -> Action:
    return TestInstall(
        **common,
        tests=fields.read("tests", _words, ()),
        install_python=fields.read("install_python", _words, ()),
        install_deb=fields.read("install_deb", _words, ()),
        register=fields.read("register", _words, ()),
        timeout=fields.read("timeout", _seconds(lab), None),
    )


def _apt_repository(fields: Fields, common: Common, lab: LabView) -> Action:
    def lines(value: Value) -> tuple[str, ...] | None:
        if isinstance(value.node, Scalar):
            return (line,) if (line := value.string()) else None
        return value.strings("repository lines", _string, empty=False)

    return AddAptRepository(**common, arg=fields.need("arg", lines, ()))


def _submit_results(fields: Fields, common: Common, lab: LabView) -> Action:
    fields.refuse(
        "token", "a secret does not belong in a definition", "everybody who may see the job would see it"
    )
    server = fields.read("server", _server, "")
    if server and not values.is_http(server):
        fields.warn("results are kept in the lab; they go nowhere else, for server is not an http(s) URL")
    return SubmitResults(**common, server=server, stream=fields.read("stream", _string, ""))


def _server(value: Value) -> str | None:
    return value.checked(lambda text: values.http_url(text) if values.is_http(text) else "")


def _image_hints(key: str) -> str:
    if key == "hwpack":
        return "images are not put together here: give a ready one as image"
    if key in ("rootfs", "kernel", "ramdisk", "dtb"):
        return "that belongs to deploy_linaro_kernel"
    return _target_hints(key)


def _kernel_hints(key: str) -> str:
    return "that belongs to deploy_linaro_image" if key == "image" else _target_hints(key)


def _target_hints(key: str) -> str:
    return "leave it out: any system with a POSIX shell will do" if key == "target_type" else ""


_INSTALL = Command(_test_install, needs_system=True)
_SUBMIT = Command(_submit_results, has_role=False)
COMMANDS = {
    "deploy_linaro_image": Command(_deploy_image, deploys=True, hints=_image_hints),
    "deploy_linaro_kernel": Command(_deploy_kernel, deploys=True, hints=_kernel_hints),
    "dummy_deploy": Command(_dummy_deploy),
    "boot_linaro_image": Command(_boot, needs_system=True),
    "lava_test_shell": Command(_test_shell, needs_system=True),
    "lava_command_run": Command(_command_run, needs_system=True),
    "lava_test_install": _INSTALL,
    "add_apt_repository": Command(_apt_repository, needs_system=True),
    "submit_results": _SUBMIT,
    "submit_results_on_host": _SUBMIT,
}
