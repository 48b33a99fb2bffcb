"""Placeholders in what a lab configures: ``{kernel}`` in a boot loader's line, ``{image}`` in a command."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

FILES = ("image", "kernel", "ramdisk", "dtb", "rootfs", "firmware")
"""What may be deployed to a board; each is also the name of a placeholder."""
PLACEHOLDER = re.compile(r"(?<!\$)\{([A-Za-z0-9][A-Za-z0-9_.-]*)\}")


class Unfilled(ValueError):
    """A placeholder that stands for nothing here."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{{{name}}} stands for nothing here")


def named(text: str) -> list[str]:
    """Return the names in braces, in order. Those of a shell's ``${variables}`` are none.

    >>> named("tftp ${kernel_addr_r} {kernel}; bootz {address}")
    ['kernel', 'address']
    """
    return PLACEHOLDER.findall(text)


def fill(
    text: str,
    values: Mapping[str, str],
    *,
    known: Iterable[str] = FILES,
    shown: Callable[[str], str] = str,
) -> str:
    """Return `text` with the values in the place of their names, each as `shown` writes it.

    A name that has no value raises `Unfilled` if it is among `known`; any other stays as it is, since braces
    mean something to shells and boot loaders, too.

    >>> fill("tftp {address} {kernel} {other}", {"address": "0x1000", "kernel": "job/kernel"})
    'tftp 0x1000 job/kernel {other}'
    """
    vocabulary = frozenset(known)

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in values:
            return shown(values[name])
        if name in vocabulary:
            raise Unfilled(name)
        return match.group()

    return PLACEHOLDER.sub(value, text)
