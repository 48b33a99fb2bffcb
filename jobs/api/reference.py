"""The OpenAPI document as people read it: chapters of operations, and the shapes they name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, kw_only=True)
class Type:
    """A type in words; `shape` names the shape that it is, or is made of."""

    words: str
    shape: str = ""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A parameter, or a field of a shape."""

    name: str
    type: Type
    words: str
    where: str = ""
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Content:
    """A body: what kind it is, and of what type."""

    kind: str
    type: Type


@dataclass(frozen=True, kw_only=True)
class Described:
    """An operation."""

    name: str
    method: str
    path: str
    summary: str
    words: str
    parameters: tuple[Value, ...]
    body: tuple[Content, ...]
    answers: tuple[tuple[str, tuple[Content, ...]], ...]
    """By status, without refusals: any operation may refuse."""
    opens: str
    """Its address, where a browser can simply go there."""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    name: str
    operations: tuple[Described, ...]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A type that has a name."""

    name: str
    words: str
    fields: tuple[Value, ...]


def chapters(document: JsonObject) -> list[Chapter]:
    """Return the operations by what they are about."""
    found: dict[str, list[Described]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                found.setdefault(methods[method]["tags"][0], []).append(_operation(path, method, methods))
    return [Chapter(name=name, operations=tuple(found[name])) for name in sorted(found)]


def shapes(document: JsonObject) -> list[Shape]:
    """Return all types that have names."""
    known = document["components"]["schemas"]
    return [
        Shape(name=name, words=known[name].get("description", ""), fields=tuple(_fields(known[name])))
        for name in sorted(known)
    ]


def _operation(path: str, method: str, methods: JsonObject) -> Described:
    told = methods[method]
    parameters = tuple(_parameter(one) for one in told.get("parameters", ()))
    needed = any(one.required for one in parameters)
    return Described(
        name=told["operationId"],
        method=method.upper(),
        path=path,
        summary=told["summary"],
        words=told.get("description", ""),
        parameters=parameters,
        body=_content(told.get("requestBody", {})),
        answers=tuple(
            (status, _content(answer)) for status, answer in told["responses"].items() if status != "4XX"
        ),
        opens=path if method == "get" and not needed else "",
    )


def _parameter(one: JsonObject) -> Value:
    return Value(
        name=one["name"],
        type=_type(one["schema"]),
        words=one.get("description", ""),
        where=one["in"],
        required=one.get("required", False),
    )


def _fields(schema: JsonObject) -> Iterator[Value]:
    for name, field in schema.get("properties", {}).items():
        words = field.get("description", "")
        yield Value(name=name, type=_type(field), words=words, required=name in schema.get("required", ()))


def _content(body: JsonObject) -> tuple[Content, ...]:
    told = body.get("content", {})
    return tuple(Content(kind=kind, type=_type(one["schema"])) for kind, one in told.items())


def _type(schema: JsonObject) -> Type:
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            return Type(words=name, shape=name)
        case {"anyOf": [*options]} | {"oneOf": [*options]}:
            found = [_type(one) for one in options]
            words = " or ".join(one.words for one in found)
            return Type(words=words, shape=next((one.shape for one in found if one.shape), ""))
        case {"enum": [*values]}:
            return Type(words=" | ".join("null" if one is None else str(one) for one in values))
        case {"type": "array", "items": dict(items)}:
            inner = _type(items)
            return Type(words=f"list of {inner.words}", shape=inner.shape)
        case {"type": "string", "format": "binary"}:
            return Type(words="bytes")
        case {"type": "integer", "minimum": low, "maximum": high} if high < 2**31:
            return Type(words=f"integer, {low} to {high}")
        case {"type": str(kind)}:
            return Type(words=kind)
    return Type(words="anything")
