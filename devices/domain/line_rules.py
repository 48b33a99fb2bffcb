"""Rules for consoles and power switches: what their keys may hold, and which ones belong together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from devices.domain import config_rules as rules
from devices.domain.config_rules import Bad, Fault
from devices.domain.placeholders import named
from devices.domain.power_request import BadRequest, check_url, parse_request
from devices.domain.power_text import Quoted, in_shell

CONSOLE = "a device such as /dev/ttyUSB0, socket://host:port or rfc2217://host:port"
MONITOR = "unix:/run/board.qmp or host:port"
LONGEST_SOCKET = 107
"""Bytes that Linux takes for the path of a Unix socket."""
NEEDED = {
    "command": {
        "on": "the command that switches the board on",
        "off": "the command that switches the board off",
    },
    "http": {
        "on": "the request that switches the board on, such as http://pdu/outlet/3/on",
        "off": "the request that switches the board off, such as http://pdu/outlet/3/off",
    },
    "pdudaemon": {
        "url": "where pdudaemon listens, such as http://pdu-host:16421",
        "pdu": "the name of the power switch in pdudaemon's configuration",
        "port": "the outlet, as text: '3'",
    },
    "qmp": {"socket": f"QEMU's monitor: {MONITOR}"},
}
"""What each method of switching power cannot do without."""
SWITCHING = ("on", "off", "cycle", "status")


def console_url(value: Any) -> str:
    """Where a console is: a device or a URL."""
    shown = rules.line(value)
    if re.fullmatch(r"/[^ ]*[^ /]", shown):
        return shown
    try:
        parts = urlsplit(shown)
        named_port = bool(parts.hostname) and bool(parts.port)
    except ValueError as exc:
        raise Bad(f"{shown!r} is no console: {exc}", CONSOLE) from exc
    if parts.scheme not in ("socket", "rfc2217") or not named_port or parts.path or parts.username:
        hint = "; for telnet and others give a command" if parts.scheme not in ("socket", "rfc2217") else ""
        raise Bad(f"{shown!r} is no console", CONSOLE + hint)
    return shown


def command(value: Any) -> tuple[str, ...]:
    """A program and its arguments."""
    if isinstance(value, str):
        raise Bad("this is a text", "a list of the program and its arguments, such as [console, board-7]")
    words: tuple[str, ...] = rules.several(rules.line)(value)
    if words and not words[0].strip():
        raise Bad("the name of the program is empty", "a list of the program and its arguments")
    return words


def file_on_worker(value: Any) -> str:
    """The absolute path of a file on the worker."""
    shown = rules.line(value)
    if "PRIVATE KEY" in shown or not shown.startswith("/") or shown.endswith("/"):
        raise Bad("this is no absolute path of a file", "such as /etc/labbook/pdu.credentials, on the worker")
    return shown


def switch_url(value: Any) -> str:
    """Where a service listens that switches power."""
    shown = rules.line(value)
    try:
        check_url(shown)
    except BadRequest as exc:
        raise Bad(str(exc), exc.hint) from exc
    if " " in shown:
        raise Bad(f"{shown!r} is no URL", "without blanks")
    return shown


def monitor(value: Any) -> str:
    """Where QEMU's monitor listens."""
    shown = rules.line(value)
    if shown.startswith("unix:/"):
        if len(shown.removeprefix("unix:").encode()) > LONGEST_SOCKET:
            raise Bad(f"the path has more than {LONGEST_SOCKET} bytes", "Linux allows no longer one")
    elif not re.fullmatch(
        r"(?:tcp:)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.{}-]+):(?:[0-9]{1,5}|\{[^}]+\})", shown
    ):
        raise Bad(f"{shown!r} is no monitor", MONITOR)
    return shown


def console_faults(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with a console's keys together."""
    if raw.get("url") and raw.get("command"):
        yield Fault("command", "there is a url, too", "a console is reached by one of them: remove the other")


def power_faults(raw: Mapping[str, Any], extra: object) -> Iterator[Fault]:
    """Yield what is wrong with a power switch's keys together; `extra`: the values for placeholders."""
    method = raw.get("method", "")
    if method == "":
        given = [key for keys in NEEDED.values() for key in keys if raw.get(key)]
        if given:
            yield Fault("method", "this is missing", f"{given[0]} is given: one of {', '.join(NEEDED)}")
        return
    if not isinstance(method, str) or method not in NEEDED:
        return  # said already
    for key, what in NEEDED[method].items():
        if not raw.get(key):
            yield Fault(key, "this is missing", what)
    values = {str(k): v for k, v in extra.items() if isinstance(v, str)} if isinstance(extra, Mapping) else {}
    for key in dict.fromkeys((*NEEDED[method], *(SWITCHING if method in ("command", "http") else ()))):
        text = raw.get(key)
        if isinstance(text, str) and text:
            yield from _unfilled(method, key, text, values)
            yield from _unusable(method, key, text, values)
    if method == "pdudaemon" and raw.get("status"):
        yield Fault("status", "pdudaemon has no request for the state", "remove this")


def _unfilled(method: str, key: str, text: str, values: Mapping[str, str]) -> Iterator[Fault]:
    """Yield the placeholders without a value. Shell text and JSON have other uses for braces."""
    free = method == "command" or (method == "http" and " {" in text)
    for name in named(text):
        near = difflib.get_close_matches(name, values, n=1)
        if name not in values and (near or not free):
            known = f"known are {', '.join(sorted(values))}" if values else "extra is empty"
            hint = f"did you mean {{{near[0]}}}?" if near else known
            yield Fault(key, f"extra has no value for {{{name}}}", hint)


def _unusable(method: str, key: str, text: str, values: Mapping[str, str]) -> Iterator[Fault]:
    try:
        if method == "http":
            parse_request(text)
        elif method == "command":
            in_shell(text, values)
    except (BadRequest, Quoted) as exc:
        yield Fault(key, str(exc), exc.hint)
