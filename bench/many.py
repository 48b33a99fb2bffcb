"""The database of a big lab, filled from inside one: ``manage.py shell -c "import bench.many"``.

What lists of jobs read is written straight into the read tables, as copies of a job that really ran (two
have run: number 1 and 2): a million jobs through their events would take days. Boards are registered by
commands, as administrators do it.
The environment variable ``LABBOOK_MANY`` holds a JSON object: ``jobs``, ``boards``, ``lines`` (numbers).
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import models, transaction

from devices import board_commands, type_commands
from devices.models import Span
from jobs import console_log, search
from jobs.models import Job, JobSearch, Node, Result, Tally

BATCH = 5_000
USERS, NAMES, TYPES = 50, 1_000, 10
RARE = 777
"""Each so many jobs have the word ``zebra``."""
LINE = "[{:12.6f}] \x1b[32mguest\x1b[0m line {:07d}: the quick brown fox jumps over the lazy dog\r\n"


def store(rows: Iterable[models.Model]) -> None:
    waiting = iter(rows)
    while batch := list(islice(waiting, BATCH)):
        with transaction.atomic():
            type(batch[0])._default_manager.bulk_create(batch)


def copies(
    model: type[models.Model], numbers: range, change: Callable[[int], dict[str, Any]], **of: Any
) -> Iterator[models.Model]:
    """Yield each row that job 1 has in this table, for each of the numbers, with what is changed."""
    rows = list(model._default_manager.filter(**of).values())
    for number in numbers:
        for row in rows:
            yield model(**{key: value for key, value in row.items() if key != "id"} | change(number))


def fill_jobs(total: int) -> None:
    numbers = range(3, total + 1)
    first = Job.objects.get(pk=1)
    begun = first.submitted_at
    had: Counter[str] = Counter()
    tally: dict[int, Counter[str]] = defaultdict(Counter)

    def when(number: int) -> datetime:
        return begun - timedelta(seconds=total - number)

    def span(number: int) -> Span:
        since = when(number).timestamp() + 2
        seconds = 58 + number % 440
        board = f"board-{number % 500:03d}"
        before, had[board] = had[board], had[board] + seconds
        return Span(
            board=board, kind="job", job=number, since=since, until=since + seconds, had_before=before
        )

    def job(number: int) -> dict[str, Any]:
        failed = number % 7 == 0
        at = when(number)
        ended = at + timedelta(seconds=60 + number % 440)
        if public := number % 10 != 3:
            tally[int(ended.timestamp() // 60)].update(passed=first.passed, failed=failed)
        return {
            "id": number,
            "name": f"nightly {number % NAMES}",
            "submitter": f"user-{number % USERS}",
            "board": f"board-{number % 500:03d}",
            "host_type": f"type-{number % TYPES}",
            "outcome": "incomplete" if number % 11 == 0 else "complete",
            "failed": int(failed),
            "went_wrong": int(failed or number % 11 == 0),
            "public": int(public),
            "visibility": "public" if public else "personal",
            "submitted_at": at,
            "started_at": at + timedelta(seconds=2),
            "finished_at": ended,
        }

    def words(number: int) -> dict[str, Any]:
        rare = "zebra" if number % RARE == 0 else "horse"
        text = f"nightly {number % NAMES} user-{number % USERS} board-{number % 500:03d} {rare} {own}"
        return {"job": number, "words": " ".join(search.words_of(text))}

    own = JobSearch.objects.get(pk=1).words
    store(copies(Job, numbers, job, id=1))
    store(span(number) for number in numbers)
    store(
        Tally(minute=minute, passed=sums["passed"], failed=sums["failed"]) for minute, sums in tally.items()
    )
    store(copies(JobSearch, numbers, words, job=1))
    store(copies(Node, numbers, lambda number: {"job_id": number}, job=1))
    case = Result.objects.filter(job=1).order_by("version").values("version")[:1]
    store(copies(Result, numbers, lambda number: {"job_id": number}, job=1, version__in=case))


def fill_boards(total: int) -> None:
    for number in range(TYPES):
        type_commands.register_device_type(
            f"type-{number}", "board", "Of a big lab.", {"runs": ["kvm"], "deploy": "none"}, actor="lab"
        )
    for number in range(total):
        config = {"ssh": {"host": "192.0.2.1", "user": "root"}}
        board_commands.register_board(
            f"board-{number:03d}", f"type-{number % TYPES}", "default", [], "", config, actor="lab"
        )
        board_commands.take_board_offline(f"board-{number:03d}", "of a bench", actor="lab", cause="bench")


def fill_console(lines: int) -> None:
    for start in range(0, lines, 1000):
        text = "".join(LINE.format(number / 100, number) for number in range(start, start + 1000))
        console_log.append(1, [(1, text.encode(), 1_790_000_000 + start / 100)])


if "LABBOOK_MANY" in os.environ:
    wanted = json.loads(os.environ["LABBOOK_MANY"])
    fill_boards(wanted["boards"])
    fill_console(wanted["lines"])
    fill_jobs(wanted["jobs"])
