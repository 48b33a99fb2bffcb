"""What can be configured, read from where it is defined: the reference in the admin is never out of date."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from devices.domain import config
from devices.domain.layers import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a configuration."""

    path: str
    default: str
    about: str


@cache
def keys(cls: type[Any]) -> tuple[Key, ...]:
    """Return the keys of `BoardConfig` or `VmTypeConfig`, in their order; of lists, those of an entry."""
    return tuple(_keys(cls, ""))


def _keys(cls: type[Any], path: str) -> list[Key]:
    hints, told = get_type_hints(cls), _docstrings().get(cls.__name__, {})
    found: list[Key] = []
    for one in dataclasses.fields(cls):
        hint, here = hints[one.name], path + one.name
        inner = next((arg for arg in get_args(hint) if dataclasses.is_dataclass(arg)), None)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            found += _keys(hint, f"{here}.")
            continue
        default = "" if one.default is dataclasses.MISSING else shown(one.default)
        found.append(Key(path=here, default=default, about=told.get(one.name, "")))
        if isinstance(inner, type):
            found += _keys(inner, f"{here}[].")
    return found


@cache
def _docstrings() -> dict[str, dict[str, str]]:
    """Return the texts below the fields of each class: Python itself forgets them."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(config)).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = fields = {}
            for field, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                    assert isinstance(field.target, ast.Name)
                    value = ast.literal_eval(text.value)
                    fields[field.target.id] = " ".join(str(value).split()).replace("``", "")
    return found
