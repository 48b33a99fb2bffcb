"""Device types and boards as one YAML text, to keep, compare, edit and bring into another lab.

    inventory: 1
    types:
      bench: {kind: board, base: ssh-host, description: …, config: {…}, access: {…}}
    boards:
      alpha: {type: bench, site: default, tags: [fast], config: {…}}

What an entry leaves out stays as it is or, for a new one, at its default. What the text leaves out altogether
is not touched: nothing is ever retired by a text.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from devices.domain.config_text import read_config, write_config
from devices.domain.parse_config import BadConfig, ConfigProblem

LARGEST = 2 * 1024 * 1024
"""Characters: a thousand boards and more."""
MOST = 2000
"""Types and boards that one text may name."""
FORMAT = 1
REFUSED = "The text cannot be imported."
Kind = Literal["type", "board"]
SECTIONS: dict[Kind, str] = {"type": "types", "board": "boards"}

_text: tuple[Callable[[object], bool], str] = (lambda value: isinstance(value, str), "a text")
_mapping: tuple[Callable[[object], bool], str] = (lambda value: isinstance(value, dict), "keys with values")
_texts: tuple[Callable[[object], bool], str] = (
    lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    "a list of texts",
)
KEYS: dict[Kind, dict[str, tuple[Callable[[object], bool], str]]] = {
    "type": {
        "kind": (lambda value: value in ("board", "vm"), "board or vm"),
        "base": _text,
        "description": _text,
        "config": _mapping,
        "access": _mapping,
    },
    "board": {
        "type": _text,
        "site": _text,
        "tags": _texts,
        "description": _text,
        "config": _mapping,
        "access": _mapping,
    },
}
NEEDED: dict[Kind, str] = {"type": "kind", "board": "type"}
"""What a new one must say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a text says of one type or board."""

    kind: Kind
    name: str
    values: Mapping[str, Any]
    """Only what it says, by the keys of the text."""

    @property
    def path(self) -> str:
        return f"{SECTIONS[self.kind]}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryText:
    """A text that was understood: types before what is based on them or runs them, boards last."""

    entries: Sequence[Entry]
    lines: Mapping[str, int] = field(default_factory=dict)
    """1-based line of each path."""

    def sentences(self, entry: Entry, problems: Iterable[ConfigProblem]) -> list[str]:
        """Return what is wrong with an entry's configuration, each with its line where the text has it."""
        told = []
        for problem in problems:
            path = f"{entry.path}.config" + (f".{problem.path}" if problem.path else "")
            line = self.lines.get(path, self.lines.get(entry.path))
            told.append(f"Line {line}: {problem}" if line else str(problem))
        return told

    def line(self, entry: Entry) -> int:
        return self.lines.get(entry.path, 0)


def write(types: Mapping[str, Mapping[str, Any]], boards: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the text of types and boards, by name, as `read` takes it; what is empty is left out."""
    whole: dict[str, Any] = {"inventory": FORMAT}
    for section, entries in (("types", types), ("boards", boards)):
        if entries:
            whole[section] = {
                name: {key: value for key, value in entry.items() if value not in ("", [], {}, ())}
                for name, entry in entries.items()
            }
    return write_config(whole)


def read(text: str) -> InventoryText:
    """Understand a text. Raises `BadConfig` with all that cannot be understood, each with its line."""
    found = read_config(text, largest=LARGEST)
    problems = [
        ConfigProblem(path="", message=found.sentence(problem)) for problem in _problems(found.config)
    ]
    if problems:
        raise BadConfig(problems, first=REFUSED)
    named = sum(len(found.config.get(section) or {}) for section in SECTIONS.values())
    if named > MOST:
        message = f"the text names {named} types and boards, and may name {MOST}"
        hint = "bring it in in parts: what a text does not name stays as it is"
        raise BadConfig([ConfigProblem(path="", message=message, hint=hint)], first=REFUSED)
    entries = [
        Entry(kind=kind, name=name, values=values)
        for kind, section in SECTIONS.items()
        for name, values in (found.config.get(section) or {}).items()
    ]
    return InventoryText(entries=list(_ordered(entries)), lines=found.lines)


def _problems(whole: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    if whole.get("inventory") != FORMAT:
        yield ConfigProblem(
            path="inventory",
            message="this is no inventory that can be read here",
            hint=f"inventory: {FORMAT}",
        )
    yield from _unknown("", whole, ("inventory", *SECTIONS.values()))
    for kind, section in SECTIONS.items():
        entries = whole.get(section) or {}
        if not isinstance(entries, dict):
            yield ConfigProblem(path=section, message="this must be names with what belongs to them")
            continue
        for name, values in entries.items():
            path = f"{section}.{name}"
            if not isinstance(values, dict):
                yield ConfigProblem(path=path, message="this must be keys with values")
                continue
            yield from _unknown(path, values, tuple(KEYS[kind]))
            for key, (fits, expected) in KEYS[kind].items():
                if key in values and not fits(values[key]):
                    yield ConfigProblem(path=f"{path}.{key}", message=f"this must be {expected}")


def _unknown(path: str, values: Mapping[str, Any], known: Sequence[str]) -> Iterator[ConfigProblem]:
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            here = f"{path}.{key}" if path else key
            yield ConfigProblem(path=here, message="there is no such key", hint=hint)


def _ordered(entries: Sequence[Entry]) -> Iterator[Entry]:
    """VM types before types of boards, which may run them; each type after the one it is based on."""
    types = {one.name: one for one in entries if one.kind == "type"}
    done: set[str] = set()

    def with_bases(one: Entry) -> Iterator[Entry]:
        if one.name in done:
            return
        done.add(one.name)
        base = types.get(one.values.get("base", ""))
        if base is not None:
            yield from with_bases(base)
        yield one

    for kind in ("vm", None, "board"):
        for one in types.values():
            if one.values.get("kind") == kind:
                yield from with_bases(one)
    yield from (one for one in entries if one.kind == "board")
