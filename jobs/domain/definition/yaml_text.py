"""Reads YAML into a document with places.

PyYAML (libyaml where it is built in) splits the text into events; what they mean is decided here: the
core schema of YAML 1.2, no tags beyond it, aliases within limits, one document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from jobs.domain.definition.document import Broken, Entry, Mapping, Node, Scalar, Sequence
from jobs.domain.definition.limits import MAX_DEPTH, MAX_NODES, NotReadable
from jobs.domain.definition.scalars import plain_scalar

_TAG = "tag:yaml.org,2002:"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PARSER: type[yaml.CSafeLoader | yaml.SafeLoader] = (
    yaml.CSafeLoader if getattr(yaml, "__with_libyaml__", False) else yaml.SafeLoader
)


def read_yaml(text: str, parser: type[yaml.CSafeLoader | yaml.SafeLoader] = _PARSER) -> Node:
    """Return the document. Raises `NotReadable` at the first place that is not YAML."""
    if bad := _FORBIDDEN.search(text):
        raise NotReadable(
            bad.start(),
            f"the character U+{ord(bad[0]):04X} is not allowed in YAML",
            'write it as an escape in double quotes, such as "\\x1b"',
        )
    try:
        return _Composer(text, yaml.parse(text, Loader=parser)).document()
    except yaml.MarkedYAMLError as error:
        raise _not_readable(error, text) from error


def _not_readable(error: yaml.MarkedYAMLError, text: str) -> NotReadable:
    mark = error.problem_mark or error.context_mark
    at = min(mark.index if mark else 0, len(text))
    problem = error.problem or error.context or "this is not YAML"
    hint = ""
    if text[at : at + 1] == "\t":
        problem, hint = "a tab where YAML wants spaces", "indent with spaces"
    elif "mapping values are not allowed" in problem:
        hint = "a value with a colon in it needs quotes; nested keys must be indented"
    elif "block end" in problem or "block mapping" in problem or "did not find expected key" in problem:
        hint = "check the indentation of this line and the lines above"
    return NotReadable(at, problem, hint)


class _Composer:
    """Builds nodes from events; keeps count, so that no text of a few bytes becomes a million values."""

    def __init__(self, text: str, events: Iterator[yaml.Event]) -> None:
        self._text, self._events = text, events
        self._anchors: dict[str, tuple[Node, int] | None] = {}
        self._nodes = 0

    def document(self) -> Node:
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise NotReadable(0, "the definition is empty")
        root = self._node(next(self._events), 0)
        next(self._events)  # the end of the document
        more = next(self._events)
        if not isinstance(more, yaml.StreamEndEvent):
            raise NotReadable(_at(more), "a second document begins here", "submit one definition at a time")
        return root

    def _count(self, nodes: int, at: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise NotReadable(at, f"more than {MAX_NODES} values", "shorten the definition", final=True)

    def _node(self, event: yaml.Event, depth: int) -> Node:
        at = _at(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor or "", at)
        self._count(1, at)
        if depth >= MAX_DEPTH and not isinstance(event, yaml.ScalarEvent):
            raise NotReadable(at, f"nested more than {MAX_DEPTH} levels deep", final=True)
        before, anchor = self._nodes, getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = None  # not complete: an alias to it now would contain itself
        node: Node
        if isinstance(event, yaml.MappingStartEvent):
            node = self._tagged(event, at, "map", self._mapping(at, depth + 1))
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._tagged(event, at, "seq", self._sequence(at, depth + 1))
        else:
            node = _scalar(event, at)
        if anchor is not None:
            self._anchors[anchor] = node, self._nodes - before + 1
        return node

    def _alias(self, name: str, at: int) -> Node:
        if name not in self._anchors:
            raise NotReadable(at, f"the alias *{name[:60]} has no anchor &{name[:60]} before it")
        known = self._anchors[name]
        if known is None:
            raise NotReadable(at, f"the alias *{name[:60]} stands inside the value it names")
        node, size = known
        self._count(size, at)
        return node

    def _mapping(self, at: int, depth: int) -> Mapping | Broken:
        entries, broken = list[Entry](), None
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key, value = self._node(event, depth), self._node(next(self._events), depth)
            if isinstance(event, yaml.ScalarEvent):
                entries.append(Entry(event.value, _at(event), value))
            elif isinstance(key, Scalar):  # an alias of one
                entries.append(Entry(key.raw, _at(event), value))
            else:
                broken = broken or Broken(_at(event), "a key must be a string")
        return broken or Mapping(at, tuple(entries))

    def _sequence(self, at: int, depth: int) -> Sequence:
        items = list[Node]()
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth))
        return Sequence(at, tuple(items))

    def _tagged(self, event: yaml.CollectionStartEvent, at: int, tag: str, node: Node) -> Node:
        if event.tag in (None, "!", _TAG + tag):
            return node
        return _unknown_tag(at, event.tag)


def _scalar(event: yaml.Event, at: int) -> Scalar | Broken:
    assert isinstance(event, yaml.ScalarEvent)
    text: str = event.value
    if event.tag is None:
        return plain_scalar(at, text) if event.style in (None, "") else Scalar(at, text, text)
    if event.tag in ("!", _TAG + "str"):
        return Scalar(at, text, text)
    wanted = {"null": (type(None),), "bool": (bool,), "int": (int,), "float": (int, float)}
    types = wanted.get(event.tag.removeprefix(_TAG)) if event.tag.startswith(_TAG) else None
    if types is None:
        return _unknown_tag(at, event.tag)
    node = plain_scalar(at, text)
    if isinstance(node, Scalar) and type(node.value) not in types:
        return Broken(at, f"this is not a value of the type !!{event.tag.removeprefix(_TAG)}")
    return node


def _unknown_tag(at: int, tag: str) -> Broken:
    name = tag.replace(_TAG, "!!")[:60]
    return Broken(at, f"the YAML tag {name} cannot be used here", "leave the tag out")


def _at(event: yaml.Event) -> int:
    return event.start_mark.index if event.start_mark else 0
