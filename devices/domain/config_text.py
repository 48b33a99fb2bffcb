"""Configurations as the text that people edit: YAML, of which JSON is a part.

Read by YAML 1.2's simple rules, so that ``on`` and ``022`` are what they look like. Tags, anchors and aliases
are refused: nothing here needs them, and a few aliases can stand for a billion values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import yaml

from devices.domain.parse_config import BadConfig, ConfigProblem

LARGEST = 64 * 1024
"""Characters of a whole text."""
DEEPEST = 20
"""Levels of nesting."""

# fmt: off
RESOLVERS = [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(0|[1-9][0-9]{0,17})", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", list("-0123456789")),
]
# fmt: on


# libyaml, of which PyYAML's wheels are made, reads the same several times as fast.
_Base: Any = yaml.CSafeLoader if getattr(yaml, "__with_libyaml__", False) else yaml.SafeLoader


class _Loader(_Base):  # type: ignore[misc]  # one of two classes
    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = {}

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text_node(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    # Other quotes would fold these line breaks of Unicode into blanks.
    style = '"' if re.search("[\x85\u2028\u2029]", value) else "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text_node)
for _tag, _expression, _first in RESOLVERS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_expression})\\Z"), _first)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigText:
    """A text that was understood."""

    config: dict[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)
    """1-based line of each path, as `ConfigProblem.path` names it."""

    def sentence(self, problem: ConfigProblem) -> str:
        """Return the problem with its line, where the text has its path."""
        line = self.lines.get(problem.path)
        return str(problem) if line is None else f"Line {line}: {problem}"


def read_config(text: str, *, largest: int = LARGEST) -> ConfigText:
    """Read a mapping. Raises `BadConfig` for anything else, saying where."""
    if len(text) > largest:
        raise _bad(f"this text has {len(text)} characters", f"at most {largest}")
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # JSON may be indented by tabs, and has none in its strings
    try:
        node = _checked_syntax(text)
        if node is None:
            return ConfigText(config={})
        if not isinstance(node, yaml.MappingNode):
            raise _bad("this is not a mapping", "expected keys with values, such as work_dir: /tmp/labbook")
        lines: dict[str, int] = {}
        problems = list(_walk(node, "", lines))
        if problems:
            raise BadConfig(problems)
        return ConfigText(config=_value(node), lines=lines)
    except yaml.YAMLError as exc:
        raise _bad(_words(exc), "expected YAML or JSON") from exc


def write_config(config: Mapping[str, Any]) -> str:
    """Return a text that `read_config` understands as the same; empty for an empty mapping."""
    if not config:
        return ""
    return yaml.dump(dict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _checked_syntax(text: str) -> yaml.Node | None:
    """Compose the text, refusing what could blow up before it is there."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _bad(f"{_where(event.start_mark)}: & and * are not supported", "write the value out")
        if getattr(event, "tag", None):
            raise _bad(f"{_where(event.start_mark)}: tags with ! are not supported", "leave them out")
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise _bad(f"{_where(event.start_mark)}: this is nested too deep", f"at most {DEEPEST} levels")
    return yaml.compose(text, Loader=_Loader)


def _walk(node: yaml.Node, path: str, lines: dict[str, int]) -> Iterator[ConfigProblem]:
    """Note each path's line; yield keys that cannot be used."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, entry in enumerate(node.value):
            yield from _walk(entry, f"{path}[{index}]", lines)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith(":str"):
                yield _problem(key, "this key is not a text", "put quotes around it")
                continue
            if key.value in seen:
                yield _problem(key, f"the key {key.value!r} is there twice", "keep one of them")
            seen.add(key.value)
            below = f"{path}.{key.value}" if path else key.value
            lines[below] = key.start_mark.line + 1
            yield from _walk(value, below, lines)


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {key.value: _value(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_value(entry) for entry in node.value]
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return node.value.lower() == "true"
        case "int":
            return int(node.value)
        case "float":
            return float(node.value)
    return node.value


def _problem(node: yaml.Node, message: str, hint: str) -> ConfigProblem:
    return ConfigProblem(path="", message=f"{_where(node.start_mark)}: {message}", hint=hint)


def _words(exc: yaml.YAMLError) -> str:
    if isinstance(exc, yaml.MarkedYAMLError) and exc.problem_mark is not None:
        return f"{_where(exc.problem_mark)}: {exc.problem or exc.context}"
    return str(exc).splitlines()[0]


def _where(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _bad(message: str, hint: str) -> BadConfig:
    return BadConfig([ConfigProblem(path="", message=message, hint=hint)])
