"""What people may write: names, tags, reasons, descriptions; or the sentence that says what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lab.kernel.errors import Rejected

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,63}")
MAX_REASON, MAX_DESCRIPTION, MAX_TAGS = 500, 4000, 100
# Line breaks and tabs are text; no database stores all other control characters and halves of surrogates.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def checked_name(what: str, value: str) -> str:
    """Return a valid name (`what` says of what); it becomes part of addresses, streams and file names."""
    if not NAME.fullmatch(value):
        raise Rejected(
            f"{value!r} is no name for a {what}: use 1 to 64 letters, digits, dots, dashes and underscores, "
            "beginning with a letter or digit."
        )
    return value


def checked_reason(value: str, to_do: str) -> str:
    """Return the reason without surrounding space; `to_do` is what it is needed for."""
    value = value.strip()
    if not value:
        raise Rejected(f"Say why: a reason is needed to {to_do}.")
    return _checked_text("reason", value, MAX_REASON)


def optional_reason(value: str) -> str:
    return _checked_text("reason", value.strip(), MAX_REASON)


def checked_description(value: str) -> str:
    return _checked_text("description", value.replace("\r\n", "\n").strip(), MAX_DESCRIPTION)


def checked_tags(tags: Iterable[str]) -> list[str]:
    """Return the tags sorted, each once."""
    result = sorted(set(tags))
    for tag in result:
        if not TAG.fullmatch(tag):
            raise Rejected(
                f"{tag!r} is no tag: use 1 to 64 letters, digits and any of . _ : + - , "
                "beginning with a letter or digit."
            )
    if len(result) > MAX_TAGS:
        raise Rejected(f"{len(result)} tags are too many: the most is {MAX_TAGS}.")
    return result


def storable(value: str) -> str:
    """Return a reason found by a program as it can be kept: no control characters, and not too long."""
    value = UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value).strip()
    return value if len(value) <= MAX_REASON else value[: MAX_REASON - 1] + "…"


def _checked_text(what: str, value: str, longest: int) -> str:
    if len(value) > longest:
        raise Rejected(f"The {what} has {len(value)} characters; the most is {longest}.")
    if found := UNPRINTABLE.search(value):
        raise Rejected(f"The {what} holds {found.group()!r}, which is not text: remove it.")
    return value
