"""Reading query parameters: what is wrong with one is said in words, with status 400."""

from __future__ import annotations

from collections.abc import Iterable

from rest_framework.request import Request

from jobs.api.errors import BadRequest
from jobs.domain.definition.reading import did_you_mean, one_of

LARGEST = 2**63 - 1
"""What a database can compare with."""


def check_known(request: Request, names: Iterable[str]) -> None:
    """Refuse parameters that nobody will look at: a typing error must not give an unfiltered list."""
    names = list(names)
    for key in request.query_params:
        if key not in names:
            hint = did_you_mean(key, names, f"known here: {one_of(names)}")
            raise BadRequest(f"Unknown parameter {key[:60]!r}; {hint}")


def text(request: Request, name: str) -> str:
    value: str = request.query_params.get(name, "")
    if "\0" in value or len(value) > 1000:
        raise BadRequest(f"{name} is not a text to look for.")
    return value


def integer(request: Request, name: str, default: int, *, low: int = 0, high: int = LARGEST) -> int:
    value = request.query_params.get(name)
    if value is None:
        return default
    digits = value.removeprefix("-")
    number = int(value) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
    if number is None or not low <= number <= high:
        upper = "" if high == LARGEST else f" to {high}"
        raise BadRequest(f"{name} must be a whole number from {low}{upper}, not {value[:60]!r}.")
    return number


def next_page(request: Request, *, without: str = "", **cursor: object) -> str:
    """Return the address of the page after this one: the same request with another cursor."""
    parameters = request.query_params.copy()
    parameters.pop(without, None)
    for name, value in cursor.items():
        parameters[name] = str(value)
    return request.build_absolute_uri(f"{request.path}?{parameters.urlencode()}")
