"""The words by which jobs are found, with the full-text index of either database."""

from __future__ import annotations

import msgspec
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from jobs.search import words_of

# External content: https://www.sqlite.org/fts5.html#external_content_tables
SQLITE = (
    "CREATE VIRTUAL TABLE jobs_search_index USING fts5(words, content='jobs_search', content_rowid='job',"
    ' detail=none, tokenize="unicode61 remove_diacritics 0")',
    "CREATE TRIGGER jobs_search_added AFTER INSERT ON jobs_search BEGIN"
    " INSERT INTO jobs_search_index(rowid, words) VALUES (new.job, new.words); END",
    "CREATE TRIGGER jobs_search_removed AFTER DELETE ON jobs_search BEGIN"
    " INSERT INTO jobs_search_index(jobs_search_index, rowid, words)"
    " VALUES ('delete', old.job, old.words); END",
    "CREATE TRIGGER jobs_search_changed AFTER UPDATE ON jobs_search BEGIN"
    " INSERT INTO jobs_search_index(jobs_search_index, rowid, words) VALUES ('delete', old.job, old.words);"
    " INSERT INTO jobs_search_index(rowid, words) VALUES (new.job, new.words); END",
)
POSTGRESQL = ("CREATE INDEX jobs_search_words ON jobs_search USING gin (to_tsvector('simple', words))",)


def make_index(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    for sql in POSTGRESQL if editor.connection.vendor == "postgresql" else SQLITE:
        editor.execute(sql)


def drop_index(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute("DROP INDEX jobs_search_words")
    else:
        for name in ("added", "removed", "changed"):
            editor.execute(f"DROP TRIGGER jobs_search_{name}")
        editor.execute("DROP TABLE jobs_search_index")


def take_in(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """As `rebuild_projections` would do it."""
    job, search = apps.get_model("jobs", "Job"), apps.get_model("jobs", "JobSearch")
    boards = dict(job.objects.values_list("id", "board"))
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT stream, data FROM es_event WHERE type = 'job.submitted'")
        for stream, data in cursor.fetchall():
            number = int(stream.removeprefix("job/"))
            told = msgspec.json.decode(data)
            nodes = (text for node in told["nodes"] for text in (node["name"], node["device_type"]))
            texts = (told["name"], told["submitter"], told["host_type"], *nodes, told["text"])
            words = words_of(*texts, boards.get(number, ""))
            search.objects.create(job=number, words=" ".join(words))


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0005_name_index"),
        ("eventstore", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="JobSearch",
            fields=[
                ("job", models.BigIntegerField(primary_key=True, serialize=False)),
                ("words", models.TextField()),
            ],
            options={"db_table": "jobs_search"},
        ),
        migrations.RunPython(make_index, drop_index),
        migrations.RunPython(take_in, migrations.RunPython.noop),
    ]
