"""Whatever the text: a `Definition`, or `Invalid` with problems that lie in the text. Never anything else."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.domain.definition.actions import ALIASES, COMMANDS
from jobs.domain.definition.limits import MAX_PROBLEMS, NotReadable
from jobs.domain.definition.model import Definition, Invalid
from jobs.domain.definition.validate import plan_nodes, read_accepted, validate
from jobs.domain.definition.yaml_text import read_yaml
from tests.unit.definition.sample import LAB, document, text

often = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = text()
YAML = yaml.safe_dump(document(), sort_keys=False)
HOST_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")


class Quoting(yaml.SafeDumper):
    """Writes every string in quotes: PyYAML leaves out those that YAML 1.1, but not 1.2, could do without."""


Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def as_yaml(value: Any, *, flow: bool = False) -> str:
    found: str = yaml.dump(
        value, Dumper=Quoting, sort_keys=False, allow_unicode=True, default_flow_style=flow
    )
    return found


characters = st.characters(codec=None)
anything = st.text(characters, max_size=60)
SHARDS = [
    *"{}[]:,\"\\\n\t#'\0😀\ufeff\u2028\x85",
    "\r\n",
    "- ",
    "? ",
    "| ",
    "> ",
    "&a ",
    "*a",
    "!!x ",
    "<<: ",
]
SHARDS += [
    "\\ud800",
    "%YAML 1.2\n",
    "---\n",
    "...\n",
    "0o8",
    "1e999",
    ".inf",
    "null",
    "true",
    "no",
    "5",
    "http://[",
]
SHARDS += ["timeout", "vm_group", "role", "lab:", "file:///"]
WORDS = [
    "host",
    "server",
    "arndale",
    "kvm-arm",
    "lab:server-arm",
    "file:///srv/images/x",
    "http://[",
    "(",
    *ALIASES,
]
WORDS += [*COMMANDS, "public", "low", "1" * 70, "a:pass", ".*", "x\0", "\ud800", "kvm"]
KEYS = [
    *document(),
    "host",
    "vms",
    "role",
    "image",
    "count",
    "launch_with",
    "shell_prompt",
    "tags",
    "command",
]
KEYS += [
    "parameters",
    "metadata",
    "kernel",
    "commands",
    "fixupdict",
    "testdef_repos",
    "server",
    "git-repo",
    "url",
]
KEYS += ["testdef", "timeout", "board", "visibility", "notify", "priority", "device_type"]
shards = st.sampled_from(SHARDS)
words = st.one_of(anything, st.sampled_from(WORDS))
keys = st.one_of(anything, st.sampled_from(KEYS))
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), words
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=5)),
    max_leaves=20,
)


def outcome(source: str) -> tuple[Definition | None, Invalid | None]:
    try:
        return validate(source, LAB), None
    except Invalid as invalid:
        return None, invalid


def check(source: str) -> Definition | None:
    """Return the definition if there is one; check that everything else is a well-formed refusal."""
    definition, invalid = outcome(source)
    if invalid:
        assert 1 <= len(invalid.problems) <= MAX_PROBLEMS + 1
        lines = re.split(r"\r\n|\n|\r", source.removeprefix("\ufeff"))
        for problem in invalid.problems:
            assert problem.message
            assert str(problem).isprintable() or "\n" not in str(problem)
            assert 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 3  # at most on the line break
        places = [(p.line, p.column) for p in invalid.problems]
        assert places == sorted(places)
        str(invalid).encode()
        return None
    assert definition is not None
    assert read_accepted(source) == definition
    names = [node.name for node in plan_nodes(definition)]
    assert len({name.lower() for name in names}) == len(names) <= 1 + LAB.max_vms
    assert all(HOST_NAME.match(name) for name in names)
    return definition


@often
@given(st.text(characters))
def test_any_text_is_answered(source: str) -> None:
    check(source)


@often
@given(st.lists(st.one_of(shards, anything), max_size=30).map("".join))
def test_any_heap_of_shards_is_answered(source: str) -> None:
    check(source)
    for parser in (yaml.SafeLoader, yaml.CSafeLoader):
        with contextlib.suppress(NotReadable):
            read_yaml(source, parser)


@often
@given(st.sampled_from([JSON, YAML]), st.data())
def test_any_damage_to_a_valid_text_is_answered(source: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(source)))
        end = data.draw(st.integers(start, min(len(source), start + 20)))
        source = source[:start] + data.draw(st.one_of(shards, anything)) + source[end:]
    check(source)


@often
@given(values)
def test_any_structure_is_answered_in_json(value: Any) -> None:
    check(json.dumps(value))


@often
@given(values, st.booleans())
def test_any_structure_is_answered_in_yaml(value: Any, flow: bool) -> None:
    try:
        source = yaml.safe_dump(value, allow_unicode=True, default_flow_style=flow)
    except UnicodeEncodeError:
        return
    check(source)


@st.composite
def replaced(draw: st.DrawFn) -> Any:
    """A valid document in which some values or keys are anything."""

    def walk(value: Any) -> Any:
        if draw(st.integers(0, 14)) == 0:
            return draw(values)
        if isinstance(value, dict):
            return {(draw(keys) if draw(st.integers(0, 29)) == 0 else k): walk(v) for k, v in value.items()}
        return [walk(v) for v in value] if isinstance(value, list) else value

    return walk(document())


@often
@given(replaced())
def test_any_value_at_any_place_is_answered_and_both_languages_agree(value: Any) -> None:
    from_json = check(json.dumps(value, indent=1))
    try:
        source = as_yaml(value)
    except UnicodeEncodeError:
        assert from_json is None
        return
    from_yaml = check(source)
    assert (from_json is None) == (from_yaml is None)
    if from_json and from_yaml:
        assert without_places(from_json) == without_places(from_yaml)


def without_places(definition: Definition) -> tuple[Definition, list[tuple[str, str]]]:
    warnings = sorted((w.path, w.message) for w in definition.warnings)
    return dataclasses.replace(definition, warnings=()), warnings


urls = st.sampled_from(
    ["lab:server-arm", "http://example.org/x.img", "file:///srv/images/x y.img".replace(" ", "%20")]
)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,31}", fullmatch=True)
lines = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=40).filter(
    str.strip
)


@st.composite
def valid_documents(draw: st.DrawFn) -> dict[str, Any]:
    """A definition that must be accepted, unless its random role names collide."""
    roles = draw(st.lists(names, min_size=2, max_size=4, unique_by=str.lower))
    host, *vms = roles
    shells = [
        {
            "command": "lava_test_shell",
            "metadata": {
                draw(lines): draw(st.one_of(lines, st.integers(-(10**9), 10**9), st.booleans(), st.none()))
            },
            "parameters": {
                "testdef_repos": [
                    {"url": "http://x/y", "parameters": {"A": draw(lines), "B": draw(st.booleans())}}
                ],
                **draw(st.one_of(st.just({}), st.sampled_from(roles).map(lambda role: {"role": role}))),
            },
        }
        for _ in range(draw(st.integers(0, 3)))
    ]
    return {
        "job_name": draw(lines),
        "timeout": draw(st.integers(1, 100_000)),
        "priority": draw(st.one_of(st.integers(0, 100), st.sampled_from(["low", "Medium", "HIGH"]))),
        "vm_group": {
            "host": {"device_type": "arndale", "role": host},
            "vms": [
                {
                    "device_type": draw(st.sampled_from(["kvm", "kvm-arm"])),
                    "role": role,
                    "image": draw(urls),
                    "launch_with": draw(st.lists(lines, min_size=1, max_size=3)),
                }
                for role in vms
            ],
        },
        "actions": [{"command": "dummy_deploy", "parameters": {"role": host}}, *shells],
    }


@often
@given(valid_documents(), st.booleans())
def test_json_and_yaml_of_one_document_give_one_definition(value: dict[str, Any], flow: bool) -> None:
    from_json = check(json.dumps(value))
    from_yaml = check(as_yaml(value, flow=flow))
    if from_json is None:
        with pytest.raises(Invalid, match=r"make a node named|localhost"):
            validate(json.dumps(value), LAB)
        assert from_yaml is None
    else:
        assert from_yaml is not None
        assert without_places(from_json) == without_places(from_yaml)
