"""What a value of a configuration may be. A rule returns the value as it is used, or raises `Bad`."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from devices.domain.names import NAME, UNPRINTABLE

Rule = Callable[[Any], Any]
LONGEST = 4096
LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?")
WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,=+:/-]{0,255}")
PROGRAM = re.compile(r"/?[A-Za-z0-9_+.-]+(/[A-Za-z0-9_+.-]+)*")
HOST_KEYS = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
SCHEMES = ("file://", "http://", "https://", "lab:")


class Fault(NamedTuple):
    """What is wrong, and where below the value that was looked at (``[2]``, ``.name``)."""

    below: str
    message: str
    hint: str


class Bad(ValueError):
    """A value that a rule refuses; may say several things about a list."""

    def __init__(self, message: str = "", hint: str = "", *, several: list[Fault] | None = None) -> None:
        self.all = several if several is not None else [Fault("", message, hint)]
        super().__init__(message)


def kind_of(value: object) -> str:
    """Say in words what kind of value this is."""
    match value:
        case None:
            return "null"
        case bool():
            return "a yes or no"
        case int() | float():
            return f"the number {value}"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a mapping"
    return f"a {type(value).__name__}"


def text(value: Any) -> str:
    """Any text of reasonable length, on one line or several."""
    return _text(value, LONGEST)


def long_text(value: Any) -> str:
    """A text that holds a document."""
    return _text(value, 48 * 1024)


def _text(value: Any, longest: int) -> str:
    if not isinstance(value, str):
        raise Bad(
            f"this is {kind_of(value)}", "expected a text; put quotes around it if it looks like a number"
        )
    if len(value) > longest:
        raise Bad(f"this text has {len(value)} characters", f"at most {longest}")
    if found := UNPRINTABLE.search(value):
        raise Bad(f"this text holds {found.group()!r}", "control characters cannot be used here")
    return value


def line(value: Any) -> str:
    if re.search(r"[\n\t]", text(value)):
        raise Bad("this holds a line break or tab", "expected one line")
    return str(value)


def command(value: Any) -> str:
    """Shell text, on one line or several."""
    if not text(value).strip():
        raise Bad("this is empty", "expected a command")
    return str(value)


def optional(rule: Rule) -> Rule:
    """The empty text, or what `rule` wants."""
    return lambda value: "" if value == "" else rule(value)


def _matching(expression: re.Pattern[str], expected: str) -> Rule:
    def rule(value: Any) -> str:
        if not expression.fullmatch(text(value)):
            raise Bad(f"{value!r} cannot be used", expected)
        return str(value)

    return rule


name = _matching(NAME, "letters, digits, dots, dashes and underscores, beginning with a letter or digit")
user = _matching(USER, "the name of a user on the host")
word = _matching(WORD, "one word as qemu takes it, such as virt,gic-version=3")
program = _matching(PROGRAM, "the name of a program, or its whole path, without options")


def host(value: Any) -> str:
    """A host name or an address."""
    shown = text(value)
    try:
        return str(ipaddress.ip_address(shown))
    except ValueError:
        labels = shown.rstrip(".").split(".")
        if len(shown) > 253 or not all(LABEL.fullmatch(label) for label in labels):
            raise Bad(
                f"{shown!r} is no host", "a host name, or an IPv4 or IPv6 address, without user or port"
            ) from None
        return shown


def folder(value: Any) -> str:
    """An absolute folder on the host that is safe to fill and to empty."""
    shown = text(value)
    parts = shown.split("/")
    if (
        not re.fullmatch(r"/[A-Za-z0-9_+./-]+", shown)
        or ".." in parts
        or not any(part not in ("", ".") for part in parts)
    ):
        raise Bad(f"{shown!r} is no folder to work in", "an absolute path below /, without .. and blanks")
    return "/" + "/".join(part for part in parts if part not in ("", "."))


def file_on_host(value: Any) -> str:
    """A path on the host, absolute or below the user's home folder."""
    shown = text(value)
    if not re.fullmatch(r"[A-Za-z0-9_+./-]+", shown) or ".." in shown.split("/") or shown.endswith("/"):
        raise Bad(f"{shown!r} is no path of a file", "such as .ssh/authorized_keys, without .. and blanks")
    return shown


def key_file(value: Any) -> str:
    """The path of a private key on the worker; never the key."""
    shown = text(value)
    if "PRIVATE KEY" in shown or "\n" in shown:
        raise Bad("this looks like the key itself", "keep the key in a file on the worker and give its path")
    if shown and not shown.startswith("/"):
        raise Bad(f"{shown!r} is no absolute path", "such as /etc/labbook/keys/board")
    return shown


def host_key(value: Any) -> str:
    """A public host key as in known_hosts, without the host."""
    shown = line(value).strip()
    if not shown:
        return ""
    algorithm, _, rest = shown.partition(" ")
    expected = "as in known_hosts, without the host: ssh-ed25519 AAAA…"
    if algorithm not in HOST_KEYS:
        raise Bad("this is no public host key", f"{expected}; one of {', '.join(HOST_KEYS)}")
    encoded = rest.split(" ")[0]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        blob = b""
    head = len(algorithm).to_bytes(4, "big") + algorithm.encode()
    if not blob.startswith(head) or len(blob) < len(head) + 32:
        raise Bad("the key is damaged or cut off", expected)
    return f"{algorithm} {encoded}"


def url(value: Any) -> str:
    if not line(value).startswith(SCHEMES) or " " in value:
        raise Bad(f"{value!r} is no address of a file", f"it begins with {', '.join(SCHEMES)}")
    return str(value)


def pattern(value: Any) -> str:
    """A regular expression that can be compiled and does not match everywhere."""
    text(value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "possible nested set" is no problem of ours
            re.compile(value.encode())  # consoles are bytes
            compiled = re.compile(value)
    except (re.error, OverflowError, RecursionError) as exc:
        raise Bad(f"{value!r} is no regular expression: {exc}", "Python's syntax") from exc
    if compiled.search(""):
        raise Bad(f"{value!r} matches even nothing", "it must match some text")
    return str(value)


def yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Bad(f"this is {kind_of(value)}", "expected true or false")
    return value


def whole(least: int, most: int) -> Rule:
    def rule(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Bad(f"this is {kind_of(value)}", f"expected a whole number from {least} to {most}")
        if not least <= value <= most:
            raise Bad(f"{value} is out of range", f"from {least} to {most}")
        return value

    return rule


def seconds(most: float) -> Rule:
    def rule(value: Any) -> float:
        expected = f"expected seconds, more than 0 and at most {most:g}"
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Bad(f"this is {kind_of(value)}", expected)
        if not 0 < value <= most:
            raise Bad(f"{value:g} is out of range", expected)
        return value

    return rule


def pause(most: float) -> Rule:
    """Seconds, or what else is counted, from nothing on."""

    def rule(value: Any) -> float:
        expected = f"expected a number from 0 to {most:g}"
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Bad(f"this is {kind_of(value)}", expected)
        if not 0 <= value <= most:
            raise Bad(f"{value:g} is out of range", expected)
        return value

    return rule


def one_of(*allowed: str) -> Rule:
    def rule(value: Any) -> str:
        if value not in allowed:
            shown = repr(value) if isinstance(value, str) else kind_of(value)
            raise Bad(f"{shown} is not known here", "one of " + ", ".join(allowed))
        return str(value)

    return rule


def several(rule: Rule, *, least: int = 0, once: bool = False) -> Rule:
    """A list whose every entry follows `rule`; all that is wrong is said at once."""

    def checked(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise Bad(f"this is {kind_of(value)}", "expected a list")
        if not least <= len(value) <= LONGEST:
            raise Bad(f"this list has {len(value)} entries", f"at least {least}, at most {LONGEST}")
        faults: list[Fault] = []
        result = []
        for index, entry in enumerate(value):
            try:
                result.append(rule(entry))
            except Bad as bad:
                faults += [one._replace(below=f"[{index}]{one.below}") for one in bad.all]
            if once and entry in value[:index]:
                faults.append(Fault(f"[{index}]", f"{entry!r} is there twice", "once is enough"))
        if faults:
            raise Bad(several=faults)
        return tuple(result)

    return checked


def mapping(rule: Rule) -> Rule:
    """Keys that are names, with values that follow `rule`."""

    def checked(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Bad(f"this is {kind_of(value)}", "expected keys with values")
        faults: list[Fault] = []
        result = {}
        for key, entry in value.items():
            try:
                result[name(key)] = rule(entry)
            except Bad as bad:
                faults += [one._replace(below=f".{key}{one.below}") for one in bad.all]
        if faults:
            raise Bad(several=faults)
        return result

    return checked
