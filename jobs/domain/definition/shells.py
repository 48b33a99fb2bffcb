"""Actions that run something on a node that has booted."""

from __future__ import annotations

import json
import re

from jobs.domain import testdef
from jobs.domain.definition import values
from jobs.domain.definition.action_values import (
    Common,
    commands,
    location,
    seconds,
    string,
    words,
)
from jobs.domain.definition.document import Mapping, Scalar, plain, shown
from jobs.domain.definition.lab_view import LabView
from jobs.domain.definition.model import (
    Action,
    AddAptRepository,
    CommandRun,
    TestInstall,
    TestShell,
    TestSource,
)
from jobs.domain.definition.reading import Fields, Value, did_you_mean, one_of
from jobs.domain.patterns import PatternFault, ResultPattern

_VERDICTS = ("pass", "fail", "skip", "unknown")
MAX_INLINE = 128 * 1024
"""Characters of all test definitions that are written in a job's definition. They take time to read."""


def test_shell(fields: Fields, common: Common, lab: LabView) -> Action:
    urls = fields.read("testdef_urls", lambda v: v.strings("URLs", location(lab)), ())
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
        timeout=fields.read("timeout", seconds(lab), None),
        skip_install=fields.read("skip_install", _skipped, ""),
        lava_test_dir=fields.read("lava_test_dir", lambda v: v.checked(values.folder), ""),
    )


def _skipped(value: Value) -> str | None:
    """One or several parts of the installation, joined by commas."""
    text = value.string()
    for part in re.split(r"[\s,]+", text.strip(", ")) if text else ():
        if part not in testdef.SKIPPABLE:
            hint = did_you_mean(part, testdef.SKIPPABLE, f"one of {one_of(sorted(testdef.SKIPPABLE))}")
            value.problem(f"{shown(part)} is not a part of the installation", hint)
    return text


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
    url = fields.read("url", location(lab), "")
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
    return value.string(longest=MAX_INLINE, lines=True)


def command_run(fields: Fields, common: Common, lab: LabView) -> Action:
    return CommandRun(
        **common,
        commands=fields.need("commands", commands, ()),
        parser=fields.read("parser", _parser, ""),
        fixupdict=fields.read("fixupdict", _fixups, {}),
        iterations=fields.read("iterations", lambda v: v.integer(1, 10_000), 1),
        timeout=fields.read("timeout", seconds(lab), None),
    )


def _parser(value: Value) -> str | None:
    """The expression by which results are found in what the commands print."""
    text = value.string()
    if text is not None:
        try:
            ResultPattern(text)
        except PatternFault as fault:
            value.problem(str(fault))
    return text


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


def test_install(fields: Fields, common: Common, lab: LabView) -> Action:
    if (own := fields.get("install_lava_test")) and own.boolean():
        own.warn(
            "the tool lava-test is not installed by itself",
            "name where it comes from in install_python, or have it in the image",
        )
    return TestInstall(
        **common,
        tests=fields.read("tests", words, ()),
        install_python=fields.read("install_python", words, ()),
        install_deb=fields.read("install_deb", words, ()),
        register=fields.read("register", words, ()),
        timeout=fields.read("timeout", seconds(lab), None),
    )


def apt_repository(fields: Fields, common: Common, lab: LabView) -> Action:
    def lines(value: Value) -> tuple[str, ...] | None:
        if isinstance(value.node, Scalar):
            return (line,) if (line := value.string()) else None
        return value.strings("repository lines", string, empty=False)

    return AddAptRepository(**common, arg=fields.need("arg", lines, ()))
