"""A parsed document that remembers where everything stands, whatever language it was written in."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_BREAK = re.compile(r"\r\n|\n|\r")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, number, boolean or null."""

    at: int
    """Index of its first character in the text."""
    value: str | int | float | bool | None
    raw: str
    """As it was written, without quotes: ``1.10`` stays ``1.10``."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A value that could not be read. It is reported once; nothing else is said about it."""

    at: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Sequence:
    at: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key: value`` of a mapping."""

    key: str
    key_at: int
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Entries in the order of the text; a key may come more than once (reported; the first counts)."""

    at: int
    entries: tuple[Entry, ...]


Node = Scalar | Sequence | Mapping | Broken


class Places:
    """Turns an index in the text into line and column, both 1-based."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in _BREAK.finditer(text))]

    def of(self, index: int) -> tuple[int, int]:
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1


@dataclass(frozen=True, slots=True)
class Path:
    """Where a value lies in the document, rendered only when somebody asks."""

    parent: Path | None = None
    step: str | int = ""

    def __truediv__(self, step: str | int) -> Path:
        return Path(self, step)

    def _steps(self) -> Iterator[str | int]:
        if self.parent is not None:
            yield from self.parent._steps()
            yield self.step

    def __str__(self) -> str:
        text = ""
        for step in self._steps():
            if isinstance(step, int):
                text += f"[{step}]"
            elif _PLAIN_KEY.match(step):
                text += f".{step}" if text else step
            else:
                text += f"[{shown(step)}]"
        return text


ROOT = Path()


def shown(text: str) -> str:
    """Return `text` quoted and shortened for a message: printable, one line, never long."""
    if len(text) > _SHOWN:
        text = text[: _SHOWN - 1] + "…"
    return json.dumps(
        "".join(c if c.isprintable() else _escaped(c) for c in text), ensure_ascii=False
    ).replace("\\\\u", "\\u")


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}"


def described(node: Scalar | Sequence | Mapping) -> str:
    """Return what a value is, in words: ``the string "2"``, ``a list``."""
    match node:
        case Sequence():
            return "a list"
        case Mapping():
            return "an object"
        case Scalar(value=str() as text):
            return f"the string {shown(text)}"
        case Scalar(value=None):
            return "null"
        case Scalar(value=bool()):
            return f"the boolean {node.raw.lower()}"
        case _:
            return f"the number {node.raw[:_SHOWN]}"


def plain(node: Node) -> Any:
    """Return the value as plain Python (dict, list, str, int, float, bool, None)."""
    match node:
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            values: dict[str, Any] = {}
            for entry in node.entries:
                values.setdefault(entry.key, plain(entry.value))
            return values
        case _:
            return node.value if isinstance(node, Scalar) else None
