"""``manage.py jobs``: the latest jobs."""

from __future__ import annotations

from typing import Any, cast

from django.core.management.base import BaseCommand, CommandParser

from devices.management.cli import as_json
from jobs import queries
from jobs.management.cli import everything
from jobs.queries import Filters
from jobs.terminal_pages import job_table

FILTERS = ("state", "outcome", "submitter", "board", "host_type", "text")


class Command(BaseCommand):
    help = "List jobs, the newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        states = ["open", "queued", "assigned", "running", "canceling", "finished"]
        parser.add_argument("--state", choices=states, default="", help="open: all that have not ended")
        parser.add_argument("--outcome", choices=["complete", "incomplete", "canceled"], default="")
        parser.add_argument("--submitter", default="")
        parser.add_argument("--board", default="")
        parser.add_argument("--host-type", default="")
        parser.add_argument(
            "--text", default="", help="words in the name, submitter, board, types, roles or the definition"
        )
        parser.add_argument("--before", type=int, help="only jobs with lower numbers")
        parser.add_argument("--limit", type=int, default=20)
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        filters = cast(Filters, {key: options[key] for key in FILTERS})
        limit = max(1, options["limit"])
        found = queries.job_list(everything(), filters, before=options["before"], limit=limit)
        if options["json"]:
            self.stdout.write(as_json(found))
        elif not found:
            self.stdout.write(
                "There are no such jobs." if any(filters.values()) else "There are no jobs yet."
            )
        else:
            self.stdout.write(job_table(found))
