"""Events: facts in the past tense, their envelope, and their form in storage.

A stored event carries a name of our own (``job.submitted``) and a schema number, never the path of a
Python class, so that code can be renamed without touching history. Old shapes are upcast when read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

import msgspec

JsonObject = dict[str, Any]
Upcaster = Callable[[JsonObject], JsonObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. Subclasses are frozen dataclasses of JSON-able fields."""

    type: ClassVar[str]
    schema: ClassVar[int] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """Who or what caused an event."""

    actor: str
    """User name, or ``lab`` for what Labbook does by itself, or ``worker:<name>``."""
    cause: str = ""
    """The interface it came by (web, api, admin, cli, task) or the event that led to it."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """For example the fencing token of a running job, or a request id."""

    def json(self) -> bytes:
        """Return the canonical JSON of it, as it is stored."""
        return canonical_json({"actor": self.actor, "cause": self.cause, **self.extra})

    @classmethod
    def from_json(cls, text: str | bytes) -> Meta:
        data: dict[str, Any] = msgspec.json.decode(text)
        return cls(actor=data.pop("actor"), cause=data.pop("cause", ""), extra=data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event as the log holds it."""

    position: int
    stream: str
    version: int
    event: Event
    meta: Meta
    recorded_at: datetime
    digest: str = ""


E = TypeVar("E", bound=Event)


class UnknownEvent(LookupError):
    """The log holds a type or schema that this version of the code does not know."""


class Codec:
    """Turns events into (type, schema, data) and back, upcasting old schemas on the way.

    >>> codec = Codec()
    >>> @codec.register
    ... @dataclass(frozen=True, slots=True, kw_only=True)
    ... class LampLit(Event):
    ...     type = "lamp.lit"
    ...     room: str
    """

    def __init__(self) -> None:
        self._classes: dict[str, type[Event]] = {}
        self._upcasters: dict[tuple[str, int], Upcaster] = {}

    def register(self, cls: type[E]) -> type[E]:
        """Class decorator: make this event storable. Its `type` must be unique."""
        known = self._classes.setdefault(cls.type, cls)
        if known is not cls:
            raise ValueError(f"event type {cls.type!r} is taken by {known.__name__}")
        return cls

    def upcaster(self, type_: str, schema: int) -> Callable[[Upcaster], Upcaster]:
        """Decorator: `function` turns data of `schema` into data of `schema + 1`."""

        def add(function: Upcaster) -> Upcaster:
            self._upcasters[type_, schema] = function
            return function

        return add

    def types(self) -> Mapping[str, type[Event]]:
        """All registered classes by event type."""
        return dict(self._classes)

    def encode(self, event: Event) -> tuple[str, int, JsonObject]:
        """Return (type, schema, data) for storage."""
        if self._classes.get(event.type) is not type(event):
            raise UnknownEvent(f"{type(event).__name__} is not a registered event")
        return event.type, event.schema, msgspec.to_builtins(event)

    def decode(self, type_: str, schema: int, data: JsonObject) -> Event:
        """Return the event for stored (type, schema, data).

        Raises `UnknownEvent` for a type nobody registered or a schema without a way to today's.
        """
        cls = self._classes.get(type_)
        if cls is None:
            raise UnknownEvent(f"no event is named {type_!r}")
        while schema < cls.schema:
            upcast = self._upcasters.get((type_, schema))
            if upcast is None:
                raise UnknownEvent(f"{type_} has no way from schema {schema} to {schema + 1}")
            data, schema = upcast(data), schema + 1
        if schema > cls.schema:
            raise UnknownEvent(f"{type_} schema {schema} is newer than this Labbook ({cls.schema})")
        return msgspec.convert(data, cls)


codec = Codec()
"""The registry of all events of the product."""


def chain_digest(
    previous: str,
    *,
    position: int,
    stream: str,
    version: int,
    type_: str,
    schema: int,
    recorded_at: datetime,
    data: bytes,
    meta: bytes,
) -> str:
    """Return the hex SHA-256 that chains an event to the one before it in its stream.

    `previous` is the digest of the stream's last event, empty for the first. `data` and `meta` are canonical
    JSON; like every other part they hold no newline, so no two different events are hashed as the same bytes.
    """
    at = recorded_at.astimezone(UTC).isoformat(timespec="microseconds")
    head = f"{previous}\n{position}\n{stream}\n{version}\n{type_}\n{schema}\n{at}\n".encode()
    return hashlib.sha256(head + data + b"\n" + meta).hexdigest()


def canonical_json(value: object) -> bytes:
    """Return JSON with sorted keys and no spaces: equal values give equal bytes.

    Characters that a database cannot store, NUL and lone surrogates (consoles and file names yield them),
    become U+FFFD: losing one of them is better than losing the fact.
    """
    try:
        found = msgspec.json.encode(value, order="sorted")
    except UnicodeEncodeError:
        found = None
    if found is None or b"\\u0000" in found:
        found = msgspec.json.encode(_storable(msgspec.to_builtins(value)), order="sorted")
    return found


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(value: Any) -> Any:
    match value:
        case str():
            return _UNSTORABLE.sub("\ufffd", value)
        case dict():
            return {_storable(key): _storable(one) for key, one in value.items()}
        case list() | tuple():
            return [_storable(one) for one in value]
    return value
