"""For how many seconds jobs had had a board before each of its reservations."""

from __future__ import annotations

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

SUMMED = """
UPDATE devices_span SET had_before = earlier.seconds
FROM (
    SELECT id, SUM(until - since) OVER (
        PARTITION BY board ORDER BY until, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS seconds
    FROM devices_span WHERE kind = 'job'
) AS earlier
WHERE earlier.id = devices_span.id AND earlier.seconds IS NOT NULL
"""


def add_up(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """As `rebuild_projections` would do it. In one statement: there may be millions."""
    editor.execute(SUMMED)


class Migration(migrations.Migration):
    dependencies = [("devices", "0008_signs_of_life")]

    operations = [
        migrations.AddField(model_name="span", name="had_before", field=models.FloatField(default=0.0)),
        migrations.RunPython(add_up, migrations.RunPython.noop),
        migrations.RemoveIndex(model_name="span", name="span_board"),
        migrations.AddIndex(
            model_name="span",
            index=models.Index(fields=["board", "kind", "until", "since", "job"], name="span_board"),
        ),
    ]
