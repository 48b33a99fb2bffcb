"""When boards were held or out of use, with what the log tells of the past."""

from __future__ import annotations

from datetime import datetime

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


def take_in(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """As `rebuild_projections` would do it."""
    span, rows = apps.get_model("devices", "Span"), apps.get_model("eventstore", "EventRow")
    lasting: dict[tuple[str, str], object] = {}
    done = []

    def begin(board: str, track: str, kind: str, job: int | None, at: datetime, reason: str = "") -> None:
        one = lasting.get((board, track))
        if one is not None and (one.kind, one.job) == (kind, job):
            one.reason = reason
            return
        end(board, track, at)
        lasting[board, track] = span(board=board, kind=kind, job=job, since=at.timestamp(), reason=reason)

    def end(board: str, track: str, at: datetime, reason: str = "") -> None:
        one = lasting.pop((board, track), None)
        if one is not None:
            one.until, one.reason = at.timestamp(), reason or one.reason
            done.append(one)

    for row in rows.objects.filter(type__in=TOLD).order_by("position").iterator():
        board, at, told = row.stream.partition("/")[2], row.recorded_at, msgspec.json.decode(row.data)
        match row.type:
            case "board.reserved":
                begin(board, "held", "job", told["job"], at)
            case "board.released":
                end(board, "held", at, told["reason"])
            case "board.taken_offline":
                kind = "quarantined" if told["quarantined"] else "offline"
                begin(board, "out", kind, None, at, told["reason"])
            case "board.brought_online":
                end(board, "out", at)
            case "board.health_changed" if told["health"] == "bad":
                begin(board, "health", "unhealthy", told.get("job"), at, told["reason"])
            case "board.health_changed":
                end(board, "health", at)
            case "board.retired":
                for track in ("held", "out", "health"):
                    end(board, track, at)
    span.objects.bulk_create(done + list(lasting.values()), batch_size=500)


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
                ("until", models.FloatField(null=True)),
                ("reason", models.TextField(blank=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["board", "kind", "since"], name="span_board_kind"),
                    models.Index(fields=["board", "until"], name="span_board"),
                    models.Index(fields=["until"], name="span_until"),
                ],
            },
        ),
        migrations.RunPython(take_in, migrations.RunPython.noop),
    ]
