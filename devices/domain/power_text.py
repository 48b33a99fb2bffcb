"""The commands and requests that switch power, with the values they name: each quoted for where it stands."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from urllib.parse import quote as percent

from devices.domain.placeholders import PLACEHOLDER

PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
"""What means the same to a shell inside quotes and outside."""


class Quoted(ValueError):
    """A value cannot be quoted, because its placeholder stands inside quotes. The message is a sentence."""

    hint = "write it outside of them: a value is quoted where it is put in"


def in_shell(template: str, values: Mapping[str, str]) -> str:
    """Fill in shell text; each value is one word, or part of one. Raises `Quoted`.

    >>> in_shell("snmpset {host} outlet-{outlet}", {"host": "10.0.0.7", "outlet": "a; b"})
    "snmpset 10.0.0.7 outlet-'a; b'"
    """

    def put(name: str, value: str, before: str) -> str:
        if PLAIN.fullmatch(value):
            return value
        if _in_quotes(before):
            raise Quoted(f"{{{name}}} stands inside quotes")
        return shlex.quote(value)

    return _filled(template, values, put)


def in_url(template: str, values: Mapping[str, str]) -> str:
    """Fill in a URL or a form.

    >>> in_url("http://pdu/outlet?name={outlet}", {"outlet": "a&b"})
    'http://pdu/outlet?name=a%26b'
    """
    return _filled(template, values, lambda name, value, before: percent(value, safe=""))


def in_json(template: str, values: Mapping[str, str]) -> str:
    """Fill in JSON, where placeholders stand inside of strings or for numbers."""
    return _filled(template, values, lambda name, value, before: json.dumps(value)[1:-1])


def in_text(template: str, values: Mapping[str, str]) -> str:
    """Fill in what no language reads: values are put in as they are."""
    return _filled(template, values, lambda name, value, before: value)


def _filled(template: str, values: Mapping[str, str], put: Callable[[str, str, str], str]) -> str:
    """Return the text with the values; what has none stays, for braces mean something to shells and JSON."""

    def one(found: re.Match[str]) -> str:
        name = found.group(1)
        return put(name, values[name], template[: found.start()]) if name in values else found.group()

    return PLACEHOLDER.sub(one, template)


def _in_quotes(before: str) -> bool:
    """Whether shell text ends inside quotes."""
    quote, escaped = "", False
    for char in before:
        if escaped:
            escaped = False
        elif char == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
    return bool(quote)
