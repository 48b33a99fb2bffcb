"""Finding jobs by words: in the name, submitter, board, types, roles, and in the definition itself.

The databases' own full-text indexes do it: FTS5 on SQLite (https://www.sqlite.org/fts5.html), text search on
PostgreSQL (https://www.postgresql.org/docs/15/textsearch.html). What a word is we decide ourselves, so that
both find the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Concat

from jobs.models_search import JobSearch

_WORD = re.compile(r"[^\W_]+")
LONGEST_WORD = 64
MOST_WORDS = 5_000
"""Of one job: enough for a definition of some 100 KB."""
ASKED_WORDS = 12
FIRST_STEP, STEP = 125, 2_000
"""Jobs that are looked up in one go: few at first, since a page of a common word needs no more."""


def words_of(*texts: str) -> list[str]:
    """Return the words of texts, each once: runs of letters and digits, in lower case.

    >>> words_of("net-client", "file:///Images/client_1.img")
    ['net', 'client', 'file', 'images', '1', 'img']
    """
    found: dict[str, None] = {}
    for text in texts:
        for match in _WORD.finditer(text.casefold()):
            if len(found) >= MOST_WORDS:
                return list(found)
            found[match.group()[:LONGEST_WORD]] = None
    return list(found)


def remember(job: int, *texts: str) -> None:
    """Let a job be found by the words of these texts. For projections."""
    JobSearch.objects.create(job=job, words=" ".join(words_of(*texts)))


def add(job: int, text: str) -> None:
    """Let it be found by more words."""
    more = " " + " ".join(words_of(text))
    JobSearch.objects.filter(job=job).update(words=Concat(F("words"), Value(more)))


def matching(query: str, *, before: int | None = None, after: int | None = None) -> Iterator[list[int]]:
    """Yield the numbers of jobs that have all words of the query, or words that begin so, some at a time.

    The newest first, those below `before`; with `after` the oldest first, those above it. A query without
    any word finds nothing.
    """
    asked = words_of(query)[:ASKED_WORDS]
    if not asked:
        return
    upwards = after is not None
    edge = after if after is not None else before if before is not None else 2**62
    step = FIRST_STEP
    while True:
        found = _page(asked, edge, upwards, step)
        if found:
            yield found
        if len(found) < step:
            return
        edge, step = found[-1], min(STEP, step * 4)


def _page(asked: Iterable[str], edge: int, upwards: bool, limit: int) -> list[int]:
    sign, order = (">", "ASC") if upwards else ("<", "DESC")
    # The words hold letters and digits only: nothing in them means anything to either query language.
    if connection.vendor == "postgresql":
        wanted = " & ".join(f"{word}:*" for word in asked)
        sql = (
            "SELECT job FROM jobs_search WHERE to_tsvector('simple', words) @@ to_tsquery('simple', %s)"
            f" AND job {sign} %s ORDER BY job {order} LIMIT {limit:d}"
        )
    else:
        wanted = " ".join(f'"{word}"*' for word in asked)
        sql = (
            "SELECT rowid FROM jobs_search_index WHERE jobs_search_index MATCH %s"
            f" AND rowid {sign} %s ORDER BY rowid {order} LIMIT {limit:d}"
        )
    with connection.cursor() as cursor:
        cursor.execute(sql, [wanted, edge])
        return [row[0] for row in cursor.fetchall()]
