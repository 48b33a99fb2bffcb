"""Plain scalars: YAML 1.2's core schema, of which JSON's numbers and words are a part.

So `no` is a string, `1:30` is a string and `010` is ten, as people who write JSON expect.
"""

from __future__ import annotations

import math
import re

from jobs.domain.definition.document import Broken, Scalar

_DIGITS = 30
"""A number longer than this is a mistake, or an attack on the conversion."""
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_SPECIAL = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")


def plain_scalar(at: int, raw: str) -> Scalar | Broken:
    """Return what an unquoted YAML scalar means."""
    if raw in _NULL:
        return Scalar(at, None, raw)
    if raw in _BOOL:
        return Scalar(at, _BOOL[raw], raw)
    if _SPECIAL.match(raw):
        return Broken(at, f"{raw} is not a number that can be used here")
    if _INT.match(raw) or _OCTAL.match(raw) or _HEX.match(raw):
        return number(at, raw, whole=True)
    if _FLOAT.match(raw):
        return number(at, raw, whole=False)
    return Scalar(at, raw, raw)


def number(at: int, raw: str, *, whole: bool) -> Scalar | Broken:
    """Return the number that `raw` spells; it must have the form of one."""
    if len(raw) > _DIGITS:
        return Broken(at, f"a number of {len(raw)} characters", f"at most {_DIGITS} are read")
    if whole:
        base = {"0o": 8, "0x": 16}.get(raw[:2], 10)
        return Scalar(at, int(raw, base), raw)
    value = float(raw)
    if math.isinf(value):
        return Broken(at, f"the number {raw} is too large")
    return Scalar(at, value, raw)
