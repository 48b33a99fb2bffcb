"""The words by which jobs are found. `jobs.search` is the only one that reads or writes them."""

from __future__ import annotations

from django.db import models


class JobSearch(models.Model):
    """What may be looked for in a job. A full-text index lies on it, made by the migration.

    SQLite: an FTS5 table ``jobs_search_index`` that triggers keep in step. PostgreSQL: a GIN index.
    """

    job = models.BigIntegerField(primary_key=True)
    words = models.TextField()
    """Each word once, in lower case, with blanks between them."""

    class Meta:
        db_table = "jobs_search"

    def __str__(self) -> str:
        return f"words of job {self.job}"
