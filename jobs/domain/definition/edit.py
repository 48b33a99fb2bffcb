"""Changing one thing in a definition's text, and leaving the rest to the letter: comments, order, ends."""

from __future__ import annotations

import json

from jobs.domain.definition.document import Entry, Mapping, Scalar
from jobs.domain.definition.parse import parse
from lab.kernel.errors import Rejected


def pin_board(text: str, board: str) -> str:
    """Return the definition with ``vm_group.host.board`` set to `board`.

    Raises `Invalid` if the text cannot be read, `Rejected` if it is not written so that this can be done.

    >>> pin_board('{"vm_group": {"host": {"device_type": "x"}}}', "alpha")
    '{"vm_group": {"host": {"board": "alpha", "device_type": "x"}}}'
    """
    host = parse(text).root
    for key in ("vm_group", "host"):
        entry = _entry(host, key)
        if entry is None:
            raise Rejected("The definition has no vm_group.host, so no board can be named in it.")
        host = entry.value
    if not isinstance(host, Mapping) or not host.entries:
        raise Rejected("vm_group.host is no list of keys, so no board can be named in it.")
    named = _entry(host, "board")
    if named is not None and isinstance(named.value, Scalar):
        return _replaced(text, named.value, board)
    first = host.entries[0].key_at
    line_start = max(text.rfind("\n", 0, first), text.rfind("\r", 0, first)) + 1
    before = text[line_start:first]
    if not before.strip():  # a key on a line of its own: the new one gets such a line, too
        end = "\r\n" if text[:line_start].endswith("\r\n") else "\n"
        separator = "," if text[first] in "\"'" and _is_flow(text, host) else ""
        key = '"board"' if separator else "board"
        return f"{text[:first]}{key}: {json.dumps(board)}{separator}{end}{before}{text[first:]}"
    if _is_flow(text, host):
        key = '"board"' if text[first] == '"' else "board"
        return f"{text[:first]}{key}: {json.dumps(board)}, {text[first:]}"
    raise Rejected("vm_group.host is written in a way that Labbook will not change: name the board by hand.")


def _entry(node: object, key: str) -> Entry | None:
    if not isinstance(node, Mapping):
        return None
    return next((entry for entry in node.entries if entry.key == key), None)


def _is_flow(text: str, mapping: Mapping) -> bool:
    """Whether a mapping is written with braces."""
    return text[mapping.at : mapping.at + 1] == "{"


def _replaced(text: str, old: Scalar, board: str) -> str:
    at = old.at
    end = text.index(text[at], at + 1) + 1 if text[at] in "\"'" else at + len(old.raw)
    return text[:at] + json.dumps(board) + text[end:]
