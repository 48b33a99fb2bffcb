"""From submitted text to a document: JSON first, else YAML, with everything a reader can find wrong.

Whatever the text is, the outcome is a `Document` or `Invalid`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from jobs.domain.definition.document import (
    ROOT,
    Broken,
    Mapping,
    Node,
    Path,
    Places,
    Scalar,
    Sequence,
    shown,
)
from jobs.domain.definition.json_text import read_json
from jobs.domain.definition.limits import MAX_TEXT, NotReadable
from jobs.domain.definition.model import Invalid, Problem
from jobs.domain.definition.yaml_text import read_yaml

_SURROGATE = re.compile("[\ud800-\udfff]")
_LOOKS_LIKE_JSON = re.compile(r'\s*[{\["]')


@dataclass(frozen=True, slots=True)
class Document:
    """A readable text. `problems` do not stop a reader, but a job with any of them is not accepted."""

    root: Node
    places: Places
    problems: tuple[Problem, ...]


def parse(text: str, *, max_bytes: int = MAX_TEXT) -> Document:
    """Return the document in `text`; raise `Invalid` where it cannot be read at all."""
    _check_text(text, max_bytes)
    body = text[1:] if text[:1] == "\ufeff" else text
    places = Places(body)
    try:
        root = _read(body)
    except NotReadable as error:
        line, column = places.of(error.at)
        raise Invalid(
            [Problem(path="", line=line, column=column, message=error.message, hint=error.hint)]
        ) from error
    problems = []
    for path, at, message, hint in _oddities(root, ROOT):
        line, column = places.of(at)
        problems.append(Problem(path=str(path), line=line, column=column, message=message, hint=hint))
    return Document(root, places, tuple(problems))


def _check_text(text: str, max_bytes: int) -> None:
    if bad := _SURROGATE.search(text):
        line, column = Places(text).of(bad.start())
        message = f"the text is not valid Unicode: half a character (U+{ord(bad[0]):04X})"
        raise Invalid([Problem(path="", line=line, column=column, message=message, hint="send it as UTF-8")])
    if (size := len(text.encode())) > max_bytes:
        message = f"the definition is too long: {size} bytes, at most {max_bytes} are accepted"
        raise Invalid([Problem(path="", line=1, column=1, message=message)])


def _read(text: str) -> Node:
    if not text.strip():
        raise NotReadable(0, "the definition is empty")
    try:
        return read_json(text)
    except NotReadable as error:
        if error.final:
            raise
        not_json = error
    try:
        return read_yaml(text)
    except NotReadable as not_yaml:
        if _LOOKS_LIKE_JSON.match(text) and not not_yaml.final:
            raise NotReadable(not_json.at, f"not valid JSON: {not_json.message}", not_json.hint) from not_yaml
        raise


def _oddities(node: Node, path: Path) -> Iterator[tuple[Path, int, str, str]]:
    """Yield (path, index, message, hint) for what no document may hold."""
    match node:
        case Broken():
            yield path, node.at, node.message, node.hint
        case Scalar():
            if isinstance(node.value, str):
                yield from _bad_characters(node.value, path, node.at)
        case Sequence():
            for index, item in enumerate(node.items):
                yield from _oddities(item, path / index)
        case _:
            yield from _mapping_oddities(node, path)


def _mapping_oddities(node: Mapping, path: Path) -> Iterator[tuple[Path, int, str, str]]:
    seen = set[str]()
    for entry in node.entries:
        inside = path / entry.key
        yield from _bad_characters(entry.key, inside, entry.key_at)
        if entry.key in seen:
            yield inside, entry.key_at, f"the key {shown(entry.key)} is given twice", "keep one of them"
        seen.add(entry.key)
        yield from _oddities(entry.value, inside)


def _bad_characters(text: str, path: Path, at: int) -> Iterator[tuple[Path, int, str, str]]:
    if "\0" in text:
        yield path, at, "a string holds the character NUL", "no program of a test could be given it"
    elif bad := _SURROGATE.search(text):
        yield path, at, f"a string holds half a character (U+{ord(bad[0]):04X})", "escapes come in pairs"
