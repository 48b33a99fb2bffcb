"""A tiny domain for tests of the log: lamps that are lit and put out, and a table that counts them.

Its events live in a codec of their own; its table is made by the test, beside the product's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.db import models

from lab.eventstore.projecting import Projection
from lab.kernel.events import Codec, Event, Meta, Recorded
from lab.kernel.ports import Append

META = Meta(actor="ann", cause="test")
lamps = Codec()


@lamps.register
@dataclass(frozen=True, slots=True, kw_only=True)
class LampLit(Event):
    type = "lamp.lit"
    room: str
    watts: float = 60.0
    notes: dict[str, Any] = field(default_factory=dict)


@lamps.register
@dataclass(frozen=True, slots=True, kw_only=True)
class LampPutOut(Event):
    type = "lamp.put_out"
    room: str


def lit(stream: str, expected: int, *rooms: str) -> Append:
    return Append(
        stream=stream, expected=expected, events=[LampLit(room=room) for room in rooms or ("hall",)]
    )


class LampRow(models.Model):
    room = models.CharField(max_length=100, primary_key=True)
    times = models.IntegerField()

    objects: ClassVar[models.Manager[LampRow]] = models.Manager()

    class Meta:
        app_label = "lamps"
        db_table = "test_lamp"

    def __str__(self) -> str:
        return self.room


lamp_table = Projection(name="lamps", models=[LampRow])


class Dark(Exception):
    """What the projection raises for the room "nowhere"."""


@lamp_table.on(LampLit)
def count(event: LampLit, recorded: Recorded) -> None:
    if event.room == "nowhere":
        raise Dark
    row, _ = LampRow.objects.get_or_create(room=event.room, defaults={"times": 0})
    row.times += 1
    row.save()
