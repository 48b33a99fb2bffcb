"""``manage.py job N``: all about one job."""

from __future__ import annotations

from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandParser

from devices.management.cli import as_json
from jobs import follow, queries
from jobs.management.cli import everything, refusals
from jobs.terminal_pages import event_line, job_page


class Command(BaseCommand):
    help = "Show a job: what it is doing or how it ended, its nodes and its results."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int, help="number of the job")
        shown = parser.add_mutually_exclusive_group()
        shown.add_argument("--definition", action="store_true", help="print its definition, to the letter")
        shown.add_argument("--events", action="store_true", help="print everything that happened to it")
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        number, json = options["job"], options["json"]
        with refusals():
            if options["definition"]:
                self.stdout.write(queries.definition_text(number), ending="")
            elif options["events"]:
                queries.seen_job(everything(), number)
                events = queries.job_events(number)
                self.stdout.write(
                    as_json(events) if json else "\n".join(event_line(event) for event in events)
                )
            else:
                snapshot = queries.job_snapshot(everything(), number)
                screen = follow.Screen(cast(TextIO, self.stdout))
                self.stdout.write(as_json(snapshot) if json else job_page(snapshot, screen))
