"""What the inventory's commands for people at a terminal have in common."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from devices.domain.layers import Setting


def operator() -> str:
    """Return the actor for whoever runs this: they own the database, so they may do everything."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return "cli:unknown"


def as_json(value: Any) -> str:
    """Return JSON for a program; times in ISO 8601."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns are as wide as they must be; the last one runs free."""
    lines = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    widths[-1] = 0
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def settings_table(settings: Iterable[Setting], *, defaults: bool) -> list[str]:
    """Return the lines of a table of settings; `defaults`: also those that nobody set."""
    shown = [one for one in settings if defaults or not one.is_default or one.instead_of]
    rows: list[tuple[str, str, str]] = []
    for one in shown:
        first, *more = one.text.splitlines() or [""]
        rows += [(one.path, first, one.origin), *(("", line, "") for line in more)]
    return table(("KEY", "VALUE", "FROM"), rows).splitlines() if rows else ["nothing is set"]
