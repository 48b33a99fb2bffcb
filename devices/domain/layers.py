"""A configuration in layers: a type over the type it is based on, a board over its type. Who says what?

A layer says only what differs from those below it. A null takes away what they say, so that the default holds
again (see `overlay`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, get_type_hints

from devices.domain.parse_config import ConfigProblem, overlay

DEFAULT = "default"
_NOTHING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one type or board says for itself."""

    name: str
    """For people: ``device type kvm``, ``board b1``."""
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One value of an effective configuration, and where it comes from."""

    path: str
    value: Any
    source: str
    """A layer's name, or ``default``."""
    instead_of: tuple[tuple[str, Any], ...] = ()
    """What layers below say, the nearest first, as (name, value)."""
    taken_away_by: str = ""
    """The layer whose null brought the default back."""

    @property
    def is_default(self) -> bool:
        return self.source == DEFAULT

    @property
    def text(self) -> str:
        """The value as people write it, on one line or several."""
        return shown(self.value)

    @property
    def origin(self) -> str:
        """Where it comes from, in words, with what it hides."""
        told = self.source
        if self.taken_away_by:
            told += f", for {self.taken_away_by} takes away"
            return f"{told} {_one_line(self.instead_of[0][1])} of {self.instead_of[0][0]}"
        if self.instead_of:
            return f"{told}, instead of {_one_line(self.instead_of[0][1])} of {self.instead_of[0][0]}"
        return told


def shown(value: Any) -> str:
    """Return a value as people write it: lists line by line where they hold more than words."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case list() | tuple() if any(isinstance(one, Mapping) or "," in str(one) for one in value):
            return "\n".join(f"- {_one_line(one)}" for one in value)
        case list() | tuple():
            return ", ".join(str(one) for one in value)
        case Mapping():
            return ", ".join(f"{key}: {_one_line(one)}" for key, one in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _one_line(value: Any) -> str:
    lines = shown(value).splitlines()
    return lines[0] + (" …" if len(lines) > 1 else "") if lines and lines != [""] else "nothing"


def merged(layers: Iterable[Layer]) -> dict[str, Any]:
    """Return the configuration that layers (the lowest first) make together."""
    empty: dict[str, Any] = {}
    return reduce(lambda below, layer: overlay(below, layer.config), layers, empty)


def settings(cls: type[Any], layers: Sequence[Layer]) -> list[Setting]:
    """Return every setting there is for `cls` (`BoardConfig` or `VmTypeConfig`), in its order.

    What no field of `cls` stands for comes last: a configuration may be shown before it is right.
    """
    return list(_settings(cls, "", merged(layers), layers))


def source(path: str, layers: Sequence[Layer]) -> str:
    """Return the name of the layer that has the last word on a path such as ``boot.prompts[1]``, or ""."""
    keys = re.findall(r"[^.\[\]]+", re.sub(r"\[.*", "", path))
    for layer in reversed(layers):
        if _said(layer.config, keys) is not _NOTHING:
            return layer.name
    return ""


def traced(problems: Iterable[ConfigProblem], layers: Sequence[Layer]) -> list[ConfigProblem]:
    """Return the problems, each with its layer unless that is the topmost, which people edit."""
    own = layers[-1].name
    return [
        dataclasses.replace(problem, source=found)
        if (found := source(problem.path, layers)) not in ("", own)
        else problem
        for problem in problems
    ]


def _settings(
    cls: type[Any], path: str, raw: Mapping[str, Any], layers: Sequence[Layer]
) -> Iterator[Setting]:
    hints = get_type_hints(cls)
    fields = {one.name: one for one in dataclasses.fields(cls)}
    for name, one in fields.items():
        here = f"{path}.{name}" if path else name
        hint, given = hints[name], raw.get(name, _NOTHING)
        below = {} if given is _NOTHING else given
        if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(below, Mapping):
            yield from _settings(hint, here, below, layers)
        elif isinstance(below, Mapping) and below:
            yield from (_setting(f"{here}.{key}", None, layers) for key in below)
        else:
            yield _setting(here, _default(one), layers)
    for key in raw:
        if key not in fields:
            yield _setting(f"{path}.{key}" if path else str(key), None, layers)


def _setting(path: str, default: Any, layers: Sequence[Layer]) -> Setting:
    keys = path.split(".")
    said = [
        (one.name, value) for one in reversed(layers) if (value := _said(one.config, keys)) is not _NOTHING
    ]
    told = tuple((name, value) for name, value in said if value is not None)
    if said and said[0][1] is not None:
        return Setting(path=path, value=told[0][1], source=told[0][0], instead_of=told[1:])
    taken_away_by = said[0][0] if told else ""
    return Setting(path=path, value=default, source=DEFAULT, instead_of=told, taken_away_by=taken_away_by)


def _said(config: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """Return what a layer says at the end of `keys`, or on the way there instead of a mapping."""
    found: Any = config
    for key in keys:
        if not isinstance(found, Mapping):
            return found
        if key not in found:
            return _NOTHING
        found = found[key]
    return found


def _default(one: dataclasses.Field[Any]) -> Any:
    if one.default is not dataclasses.MISSING:
        return one.default
    return one.default_factory() if one.default_factory is not dataclasses.MISSING else ""
