"""When boards were held or out of use, with what the log tells of the past."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TOLD = (
    "board.reserved",
    "board.released",
    "board.taken_offline",
    "board.brought_online",
    "board.health_changed",
    "board.retired",
)


class Drawing:
    """The stretches of all boards, as one event after the other is told."""

    def __init__(self, make: Any) -> None:
        self.make = make
        self.lasting: dict[tuple[str, str], Any] = {}
        self.done: list[Any] = []

    def begin(
        self, key: tuple[str, str], at: float, actor: str, kind: str, job: int | None, why: str
    ) -> None:
        one = self.lasting.get(key)
        if one is None or (one.kind, one.job) != (kind, job):
            self.end(key, at, actor)
            one = self.lasting[key] = self.make(board=key[0], kind=kind, job=job, since=at)
        one.reason, one.begun_by = why, actor

    def end(self, key: tuple[str, str], at: float, actor: str, why: str = "") -> None:
        one = self.lasting.pop(key, None)
        if one is not None:
            one.until, one.reason, one.ended_by = at, why or one.reason, actor
            self.done.append(one)

    def tell(self, kind: str, board: str, at: float, actor: str, told: dict[str, Any]) -> None:
        held, out, health = (board, "held"), (board, "out"), (board, "health")
        match kind:
            case "board.reserved":
                self.begin(held, at, actor, "job", told["job"], "")
            case "board.released":
                self.end(held, at, actor, told["reason"])
            case "board.taken_offline":
                why = "quarantined" if told["quarantined"] else "offline"
                self.begin(out, at, actor, why, None, told["reason"])
            case "board.brought_online":
                self.end(out, at, actor)
            case "board.health_changed" if told["health"] == "bad":
                self.begin(health, at, actor, "unhealthy", told.get("job"), told["reason"])
            case "board.health_changed":
                self.end(health, at, actor)
            case "board.retired":
                for key in (held, out, health):
                    self.end(key, at, actor)


def take_in(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """As `rebuild_projections` would do it."""
    span, rows = apps.get_model("devices", "Span"), apps.get_model("eventstore", "EventRow")
    drawing = Drawing(span)
    for row in rows.objects.filter(type__in=TOLD).order_by("position").iterator():
        actor = msgspec.json.decode(row.meta).get("actor", "")
        board = row.stream.partition("/")[2]
        drawing.tell(row.type, board, row.recorded_at.timestamp(), actor, msgspec.json.decode(row.data))
    span.objects.bulk_create([*drawing.done, *drawing.lasting.values()], batch_size=500)


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0003_health_checks"),
        ("eventstore", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Span",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("board", models.CharField(max_length=64)),
                ("kind", models.CharField(max_length=12)),
                ("job", models.BigIntegerField(null=True)),
                ("since", models.FloatField()),
                ("until", models.FloatField(default=1e12)),
                ("reason", models.TextField(blank=True)),
                ("begun_by", models.CharField(blank=True, max_length=150)),
                ("ended_by", models.CharField(blank=True, max_length=150)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["board", "kind", "until"], name="span_board"),
                    models.Index(fields=["until"], name="span_until"),
                    models.Index(
                        condition=models.Q(("kind", "job"), _negated=True),
                        fields=["since"],
                        name="span_out_since",
                    ),
                    models.Index(
                        condition=models.Q(("kind", "job"), _negated=True),
                        fields=["until"],
                        name="span_out_until",
                    ),
                ],
            },
        ),
        migrations.RunPython(take_in, migrations.RunPython.noop),
    ]
