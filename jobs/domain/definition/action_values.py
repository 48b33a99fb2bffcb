"""What the parameters of all actions are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

from jobs.domain.definition import values
from jobs.domain.definition.lab_view import LabView
from jobs.domain.definition.reading import Value

_LONGEST = 64 * 1024
"""Characters of one command."""


class Common(TypedDict):
    """What every action has."""

    command: str
    index: int
    role: str
    metadata: dict[str, Any]


def string(value: Value) -> str | None:
    return value.string()


def line(value: Value) -> str | None:
    return value.string(longest=_LONGEST, lines=True)


def pattern(value: Value) -> str | None:
    return value.checked(values.pattern, longest=1000)


def commands(value: Value) -> tuple[str, ...] | None:
    return value.strings("commands", line, empty=False)


def words(value: Value) -> tuple[str, ...] | None:
    return value.strings("strings", string)


def location(lab: LabView) -> Callable[[Value], str | None]:
    """Where an image, a kernel or a test definition is loaded from."""
    return lambda value: value.checked(lambda text: values.image_url(text, lab))


def vm_file(lab: LabView, *, packed: bool = False) -> Callable[[Value], str | None]:
    """Where something that a VM boots comes from: the same, or a file on the host."""
    return lambda value: value.checked(lambda text: values.vm_file(text, lab, packed=packed))


def seconds(lab: LabView) -> Callable[[Value], int | None]:
    return lambda value: value.integer(1, lab.max_timeout, unit="seconds")


def digest(value: Value) -> str | None:
    text = value.checked(values.sha256)
    return text.lower() if text else None
