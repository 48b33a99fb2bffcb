"""What a day of all boards is told by: which jobs went wrong, and what was reported in each minute."""

from __future__ import annotations

from collections import defaultdict

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Q


def take_in(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """As `rebuild_projections` would do it."""
    job, tally = apps.get_model("jobs", "Job"), apps.get_model("jobs", "Tally")
    ended = job.objects.filter(open=0)
    ended.filter(Q(outcome="incomplete") | Q(failed__gt=0)).update(went_wrong=1)
    told = ended.filter(Q(passed__gt=0) | Q(failed__gt=0), public=1, finished_at__isnull=False)
    minutes: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for at, passed, failed in told.values_list("finished_at", "passed", "failed").iterator():
        sums = minutes[int(at.timestamp() // 60)]
        sums[0] += passed
        sums[1] += failed
    rows = (tally(minute=minute, passed=sums[0], failed=sums[1]) for minute, sums in minutes.items())
    tally.objects.bulk_create(rows, batch_size=5000)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0010_hands")]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("minute", models.BigIntegerField(primary_key=True, serialize=False)),
                ("passed", models.BigIntegerField()),
                ("failed", models.BigIntegerField()),
            ],
        ),
        migrations.AddField(model_name="job", name="went_wrong", field=models.SmallIntegerField(default=0)),
        migrations.RunPython(take_in, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=Q(went_wrong=1),
                fields=["public", "board", "finished_at", "id", "went_wrong"],
                name="job_wrong",
            ),
        ),
    ]
