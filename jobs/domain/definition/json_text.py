"""Reads JSON (RFC 8259) into a document with places.

Python's own reader tells neither where a value stands nor that a key came twice, and accepts NaN.
"""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # absent from the stubs

from jobs.domain.definition.document import Entry, Mapping, Node, Scalar, Sequence
from jobs.domain.definition.limits import MAX_DEPTH, MAX_NODES, NotReadable
from jobs.domain.definition.scalars import number

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[^\s\[\]{},:\"]+")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


def read_json(text: str) -> Node:
    """Return the document. Raises `NotReadable` at the first place that is not JSON."""
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._at, self._nodes = text, 0, 0

    def document(self) -> Node:
        node = self._value(0)
        if self._peek():
            raise NotReadable(self._at, "there is something after the end of the document")
        return node

    def _peek(self) -> str:
        """Skip white space and return the next character, empty at the end."""
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # matches nothing, too
        return self._text[self._at : self._at + 1]

    def _value(self, depth: int) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise NotReadable(self._at, f"more than {MAX_NODES} values", "shorten the definition", final=True)
        match self._peek():
            case "{" | "[" if depth >= MAX_DEPTH:
                raise NotReadable(self._at, f"nested more than {MAX_DEPTH} levels deep", final=True)
            case "{":
                return self._object(depth + 1)
            case "[":
                return self._array(depth + 1)
            case '"':
                at = self._at
                value = self._string()
                return Scalar(at, value, value)
            case _:
                return self._word()

    def _object(self, depth: int) -> Mapping:
        at, entries = self._at, list[Entry]()
        self._at += 1
        if self._peek() == "}":
            self._at += 1
            return Mapping(at, ())
        while True:
            if self._peek() != '"':
                raise NotReadable(self._at, f"expected a key in double quotes, found {self._found()}")
            key_at, key = self._at, self._string()
            if self._peek() != ":":
                raise NotReadable(self._at, f"expected a colon after the key, found {self._found()}")
            self._at += 1
            entries.append(Entry(key, key_at, self._value(depth)))
            if not self._another("}"):
                return Mapping(at, tuple(entries))

    def _array(self, depth: int) -> Sequence:
        at, items = self._at, list[Node]()
        self._at += 1
        if self._peek() == "]":
            self._at += 1
            return Sequence(at, ())
        while True:
            items.append(self._value(depth))
            if not self._another("]"):
                return Sequence(at, tuple(items))

    def _another(self, end: str) -> bool:
        """Step over a comma (True) or over `end` (False)."""
        char = self._peek()
        if char not in (",", end) or not char:
            raise NotReadable(self._at, f"expected a comma or {end}, found {self._found()}")
        self._at += 1
        return char == ","

    def _string(self) -> str:
        try:
            value: str
            value, self._at = scanstring(self._text, self._at + 1, True)
        except json.JSONDecodeError as error:
            message, hint = _string_problem(self._text[error.pos : error.pos + 1], error.msg)
            raise NotReadable(error.pos, message, hint) from error
        return value

    def _word(self) -> Node:
        at = self._at
        found = _WORD.match(self._text, at)
        word = found[0] if found else ""
        if word in _WORDS:
            self._at += len(word)
            return Scalar(at, _WORDS[word], word)
        if digits := _NUMBER.fullmatch(word):
            self._at += len(word)
            return number(at, word, whole=not (digits[1] or digits[2]))
        raise NotReadable(at, f"expected a value, found {self._found()}", _word_hint(word))

    def _found(self) -> str:
        char = self._text[self._at : self._at + 1]
        if not char:
            return "the end of the text"
        return char if char.isprintable() else f"the character U+{ord(char):04X}"


def _string_problem(char: str, message: str) -> tuple[str, str]:
    if message.startswith("Unterminated"):
        return "this string has no closing quote", ""
    if message.startswith("Invalid control character"):
        what = {"\n": "line break", "\r": "line break", "\t": "tab"}.get(
            char, f"control character U+{ord(char):04X}"
        )
        return f"a {what} inside a string", "write it as an escape: \\n, \\t or \\u001b"
    return (
        "an unknown escape in a string",
        'escapes are \\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hex digits',
    )


def _word_hint(word: str) -> str:
    lower = word.lower().lstrip("-")
    if lower in ("true", "false", "null", "none"):
        return "write true, false and null in small letters"
    if lower in ("nan", "infinity"):
        return "JSON has no such number"
    return "strings need double quotes" if word[:1].isalpha() or word[:1] == "'" else ""
