"""What an endpoint does, declared beside it: the OpenAPI schema says exactly that.

    @operation("One job", gives=shapes.WholeJob, asks=[query("after", int, "…")])
    def get(self, request, number): …

The method's docstring, or else its class's, is the longer description.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

JsonObject = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])
COMPONENT = "#/components/schemas/{name}"
BINARY: JsonObject = {"type": "string", "format": "binary"}
TEXT: JsonObject = {"type": "string"}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """Of the address (after ``?``), or a header."""

    name: str
    schema: JsonObject
    words: str
    where: Literal["query", "header"]
    required: bool

    def as_openapi(self) -> JsonObject:
        told = {"in": self.where, "name": self.name, "description": self.words, "schema": self.schema}
        return told | ({"required": True} if self.required else {})


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What one method of an address does."""

    name: str
    """Its operationId."""
    summary: str
    asks: Sequence[Parameter]
    sends: Mapping[str, JsonObject]
    """Schemas by content type; empty: there is no body."""
    needs_body: bool
    gives: Mapping[int, Mapping[str, JsonObject]]
    """By status, schemas by content type."""
    headers: Mapping[str, str]
    """Of the answer: what they mean."""


_types: dict[str, Any] = {}
"""Those that operations named, by name."""


def shape(type_: Any) -> JsonObject:
    """Return a reference to the schema of a type, which becomes part of the document."""
    name = type_.__name__
    assert _types.setdefault(name, type_) is type_, f"two shapes are named {name}"
    return {"$ref": COMPONENT.format(name=name)}


def components() -> JsonObject:
    """Return the schemas of all types that operations named."""
    _, found = msgspec.json.schema_components(list(_types.values()), ref_template=COMPONENT)
    return dict(found)


def query(
    name: str, type_: Any = str, words: str = "", *, one_of: Sequence[str] = (), required: bool = False
) -> Parameter:
    """A query parameter of a simple type."""
    schema: JsonObject = {"type": "string", "enum": list(one_of)} if one_of else msgspec.json.schema(type_)
    return Parameter(name=name, schema=schema, words=words, where="query", required=required)


def header(name: str, words: str, *, required: bool = False) -> Parameter:
    return Parameter(name=name, schema=TEXT, words=words, where="header", required=required)


def limit(high: int, usual: int) -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": high, "default": usual}
    return Parameter(name="limit", schema=schema, words="How many at most.", where="query", required=False)


def operation(
    name: str,
    summary: str,
    *,
    gives: Any = None,
    status: int | Sequence[int] = 200,
    kinds: Mapping[str, JsonObject] | None = None,
    asks: Sequence[Parameter] = (),
    sends: Any = None,
    needs_body: bool = True,
    headers: Mapping[str, str] | None = None,
) -> Callable[[F], F]:
    """Say what a method of a view does.

    `gives`: the type of the JSON it answers; `kinds`: other content, schemas by content type. `sends`: the
    type of the JSON in its body, or a mapping of content types to schemas.
    """
    answers = {} if gives is None else {"application/json": shape(gives)}
    answers |= dict(kinds or {})
    body = sends if isinstance(sends, Mapping) else {"application/json": shape(sends)} if sends else {}
    told = Operation(
        name=name,
        summary=summary,
        asks=tuple(asks),
        sends=body,
        needs_body=needs_body,
        gives=dict.fromkeys([status] if isinstance(status, int) else status, answers),
        headers=headers or {},
    )

    def note(method: F) -> F:
        method.operation = told  # type: ignore[attr-defined]
        return method

    return note


def operation_of(view: Any, method: str) -> Operation | None:
    return getattr(getattr(view, method.lower(), None), "operation", None)
