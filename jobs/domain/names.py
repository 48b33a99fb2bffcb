"""Names and messages that come from nodes: printable, on one line, of bounded length."""

from __future__ import annotations

MAX_NAME = 200
"""Characters of a name (of a case, a suite, a set, a file)."""
MAX_MESSAGE = 1000


def clean_name(text: str) -> str:
    """Return `text` as a name: printable, one line, at most `MAX_NAME` characters."""
    return printable(text)[:MAX_NAME].strip()


def printable(text: str) -> str:
    """Return `text` with a blank for everything that does not print."""
    return "".join(character if character.isprintable() else " " for character in text)
