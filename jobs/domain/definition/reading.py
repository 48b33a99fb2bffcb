"""Reading a document key by key, collecting problems instead of stopping at the first.

Every method returns a usable value, or None after it has reported why there is none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from jobs.domain.definition.document import (
    Broken,
    Entry,
    Mapping,
    Node,
    Path,
    Places,
    Scalar,
    Sequence,
    described,
    shown,
)
from jobs.domain.definition.limits import MAX_PROBLEMS
from jobs.domain.definition.model import Problem

T = TypeVar("T")
D = TypeVar("D")
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_CONTROL_OR_BREAK = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Also what turns the direction of writing: names are shown beside others' words."""
_LONGEST_NAME = 64
"""No name of ours is longer, so nothing is compared with a longer one."""


def did_you_mean(word: str, names: Iterable[str], otherwise: str = "") -> str:
    """Return ``did you mean …?`` for a near miss of one of `names`, else `otherwise`."""
    by_lower = {name.lower(): name for name in sorted(names)}
    if len(word) <= _LONGEST_NAME:
        near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
        if near:
            return f"did you mean {shown(by_lower[near[0]])}?"
    return otherwise


def one_of(names: Iterable[str], *, most: int = 12) -> str:
    """Return the names as a phrase: ``a, b or c``."""
    listed = list(names)
    if len(listed) > most:
        return ", ".join(listed[:most]) + f" and {len(listed) - most} more"
    return " or ".join(filter(None, (", ".join(listed[:-1]), listed[-1]))) if listed else "none"


class Problems:
    """Collects problems; hints are worked out only for those that will be listed."""

    def __init__(self, places: Places, first: Iterable[Problem] = ()) -> None:
        self._places = places
        self._found: list[Problem] = list(first)
        self.warnings: list[Problem] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, at: int, path: Path, message: str, hint: str | Callable[[], str] = "") -> None:
        text = hint if isinstance(hint, str) else hint() if len(self._found) < MAX_PROBLEMS else ""
        self._found.append(self._problem(at, path, message, text))

    def warn(self, at: int, path: Path, message: str, hint: str = "") -> None:
        self.warnings.append(self._problem(at, path, message, hint))

    def _problem(self, at: int, path: Path, message: str, hint: str) -> Problem:
        line, column = self._places.of(at)
        return Problem(path=str(path), line=line, column=column, message=message, hint=hint)

    def listed(self) -> list[Problem]:
        """Return them once each, in the order of the text, the very many shortened to a number."""
        unique = dict.fromkeys(self._found)
        ordered = sorted(unique, key=lambda problem: (problem.line, problem.column))
        if (more := len(ordered) - MAX_PROBLEMS) > 0:
            rest = ordered[MAX_PROBLEMS]
            ordered[MAX_PROBLEMS:] = [
                Problem(
                    path="",
                    line=rest.line,
                    column=rest.column,
                    message=f"and {more} more problems from here on",
                )
            ]
        return ordered


class Value:
    """A value at a path, to be read as this or that."""

    def __init__(self, node: Node, path: Path, problems: Problems) -> None:
        self.node, self.path, self.problems = node, path, problems

    def problem(self, message: str, hint: str | Callable[[], str] = "") -> None:
        self.problems.add(self.node.at, self.path, message, hint)

    def warn(self, message: str, hint: str = "") -> None:
        self.problems.warn(self.node.at, self.path, message, hint)

    def wrong(self, wanted: str) -> None:
        if not isinstance(self.node, Broken):
            null = isinstance(self.node, Scalar) and self.node.value is None
            self.problem(
                f"must be {wanted}, not {described(self.node)}",
                "leave the key out for its default" if null else "",
            )

    def string(self, *, longest: int = 4096, lines: bool = False) -> str | None:
        """A string that is not blank, of one line unless `lines`."""
        node = self.node
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            self.wrong("a string")
            return None
        if not node.value.strip():
            self.problem("must not be empty")
            return None
        if len(node.value) > longest:
            self.problem(f"is {len(node.value)} characters long", f"at most {longest}")
            return None
        if odd := (_CONTROL if lines else _CONTROL_OR_BREAK).search(node.value):
            self.problem(
                f"holds the character U+{ord(odd[0]):04X}",
                "" if lines else "only printable characters, on one line",
            )
            return None
        return node.value

    def checked(self, check: Callable[[str], str], *, longest: int = 4096) -> str | None:
        """A string that `check` has no objection to (it returns the objection or nothing)."""
        text = self.string(longest=longest)
        if text is not None and (objection := check(text)):
            self.problem(*objection.split("\n", 1))
            return None
        return text

    def choice(self, names: Iterable[str], what: str) -> str | None:
        """One of `names`."""
        names = list(names)
        text = self.string()
        if text is None or text in names:
            return text
        self.problem(
            f"{shown(text)} is not {what}", lambda: did_you_mean(text, names, f"one of {one_of(names)}")
        )
        return None

    def integer(self, low: int, high: int | None = None, *, unit: str = "") -> int | None:
        node = self.node
        allowed = f"{low} … {high}" if high is not None else f"{low} or more"
        if not isinstance(node, Scalar) or type(node.value) is not int:
            self.wrong(f"a whole number{' of ' + unit if unit else ''}, {allowed}")
            return None
        if node.value < low or (high is not None and node.value > high):
            self.problem(f"must be {allowed}{' ' + unit if unit else ''}, not {node.raw}")
            return None
        return node.value

    def boolean(self) -> bool | None:
        if isinstance(self.node, Scalar) and isinstance(self.node.value, bool):
            return self.node.value
        self.wrong("true or false")
        return None

    def items(self, *, of: str = "", empty: bool = True) -> list[Value] | None:
        if not isinstance(self.node, Sequence):
            self.wrong(f"a list{' of ' + of if of else ''}")
            return None
        if not self.node.items and not empty:
            self.problem("must not be empty", f"a list of {of}")
            return None
        return [Value(item, self.path / n, self.problems) for n, item in enumerate(self.node.items)]

    def strings(
        self, of: str, read: Callable[[Value], str | None], *, empty: bool = True, unique: bool = False
    ) -> tuple[str, ...] | None:
        """A list of strings, each read by `read`."""
        items = self.items(of=of, empty=empty)
        if items is None:
            return None
        found = [(item, read(item)) for item in items]
        seen = set[str]()
        for item, text in found if unique else ():
            if text is not None and text in seen:
                item.problem(f"{shown(text)} is listed twice")
            seen.add(text or "")
        return tuple(text for _, text in found if text is not None)

    def mapping(self, what: str = "an object") -> Fields | None:
        if isinstance(self.node, Mapping):
            return Fields(self.node, self.path, self.problems)
        self.wrong(what)
        return None


class Fields:
    """A mapping being read; `done` reports what nobody asked for."""

    def __init__(self, node: Mapping, path: Path, problems: Problems) -> None:
        self.node, self.path, self.problems = node, path, problems
        self._entries: dict[str, Entry] = {entry.key: entry for entry in reversed(node.entries)}
        self._known: dict[str, None] = {}

    @classmethod
    def empty(cls, of: Value | Fields) -> Fields:
        """Return a mapping without keys, standing where `of` stands."""
        return cls(Mapping(of.node.at, ()), of.path, of.problems)

    @property
    def asked(self) -> list[str]:
        """The keys that were asked for, which are those that are allowed."""
        return list(self._known)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        for key in dict.fromkeys(entry.key for entry in self.node.entries):
            yield key, Value(self._entries[key].value, self.path / key, self.problems)

    def get(self, key: str) -> Value | None:
        """Return the value of an optional key."""
        self._known[key] = None
        entry = self._entries.get(key)
        return Value(entry.value, self.path / key, self.problems) if entry else None

    def read(self, key: str, read: Callable[[Value], T | None], default: D) -> T | D:
        """Return the optional key's value as `read` reads it; `default` if absent or wrong."""
        value = self.get(key)
        found = read(value) if value else None
        return default if found is None else found

    def need(self, key: str, read: Callable[[Value], T | None], default: D, hint: str = "") -> T | D:
        """Like `read`, for a key that must be there."""
        if key not in self._entries:
            self.problem(f"{shown(key)} is missing", hint)
        return self.read(key, read, default)

    def problem(self, message: str, hint: str | Callable[[], str] = "") -> None:
        self.problems.add(self.node.at, self.path, message, hint)

    def problem_at(self, key: str, message: str, hint: str | Callable[[], str] = "") -> None:
        """Report at the key itself."""
        self.problems.add(self._entries[key].key_at, self.path / key, message, hint)

    def warn(self, message: str, hint: str = "") -> None:
        self.problems.warn(self.node.at, self.path, message, hint)

    def all_empty(self, *keys: str) -> bool:
        """Whether those of `keys` that are there are all empty lists."""
        given = (self._entries[key].value for key in keys if key in self._entries)
        return all(isinstance(node, Sequence) and not node.items for node in given)

    def refuse(self, key: str, message: str, hint: str = "") -> None:
        """Report a key that people try, with a better answer than that it is unknown."""
        if key in self._entries:
            self.problem_at(key, message, hint)
            del self._entries[key]

    def done(self, hints: Callable[[str], str] = lambda key: "") -> None:
        """Report every key that was not asked for. `hints` may know why somebody wrote one."""
        names = list(self._known)
        for key in self._entries:
            if key not in self._known:
                self.problem_at(
                    key,
                    f"unknown key {shown(key)}",
                    lambda key=key: (
                        hints(key)  # type: ignore[misc]  # the default binds it now
                        or did_you_mean(key, names, f"known here: {one_of(names, most=20)}")
                    ),
                )
