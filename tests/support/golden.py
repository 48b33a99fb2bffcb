"""Golden files of events: for each type and schema, one event as the log of some lab out there holds it.

``python -m tests.support.golden`` writes the files that are missing, and never touches one that is there: an
event once released is in somebody's log for ever. When `tests/unit/test_events.py` says that a stored form
has changed:

* give the event class the next `schema` number,
* register an upcaster from the old one (`codec.upcaster`),
* run this module, which writes the golden file of the new schema. The old file stays.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

from lab.kernel.events import Event, codec

FOLDER = Path(__file__).resolve().parents[1] / "data" / "events"


def path_of(type_: str, schema: int) -> Path:
    return FOLDER / f"{type_}.{schema}.json"


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def write_missing() -> list[Path]:
    """Write the files of today's schemas that are not there; returns their paths."""
    written = []
    for type_, cls in sorted(codec.types().items()):
        path = path_of(type_, cls.schema)
        if not path.exists():
            path.write_text(as_golden(example(cls)))
            written.append(path)
    return written


def as_golden(event: Event) -> str:
    type_, schema, data = codec.encode(event)
    return json.dumps({"type": type_, "schema": schema, "data": data}, indent=2, ensure_ascii=False) + "\n"


def example(cls: type[Event]) -> Event:
    """Make an event in which every field is filled, from the types of its fields."""
    return typing.cast(Event, _value(cls, cls.__name__))


def _value(hint: Any, name: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        return hint(**{one.name: _value(hints[one.name], one.name) for one in dataclasses.fields(hint)})
    if origin is typing.Literal:
        return arguments[-1]
    if origin in (types.UnionType, typing.Union):
        return _value(next(one for one in arguments if one is not type(None)), name)
    if origin is list:
        return [_value(arguments[0], name)]
    if origin is dict:
        return {name: _value(arguments[1], name)}
    plain: dict[Any, Any] = {
        str: f"some {name}",
        int: len(name),
        float: len(name) + 0.25,
        bool: True,
        Any: {"any": [name, 1, None]},
    }
    return plain[hint]


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    for path in write_missing():
        print(f"wrote {path.relative_to(FOLDER.parents[2])}")
