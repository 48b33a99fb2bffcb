"""Draw the read tables anew from the log."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lab.eventstore.rebuild import rebuild
from lab.kernel.errors import NotFound


class Command(BaseCommand):
    help = (
        "Empties the tables that are drawn from events and replays the whole log into them, in one "
        "transaction. Safe while the lab runs: readers see the old rows until it is done, writers wait."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("projection", nargs="*", help="only these; all by default")
        parser.add_argument("--json", action="store_true", help="print the result as JSON, and no progress")

    def handle(self, *args: Any, **options: Any) -> None:
        def progress(done: int, total: int) -> None:
            if options["verbosity"] and not options["json"]:
                self.stderr.write(f"replayed {done:,} of {total:,} events", ending="\r")

        try:
            done = rebuild(options["projection"], progress=progress)
        except NotFound as exc:
            raise CommandError(str(exc)) from exc
        if options["json"]:
            self.stdout.write(json.dumps(dataclasses.asdict(done)))
            return
        width = max(map(len, done.rows), default=0)
        for table, rows in done.rows.items():
            self.stdout.write(f"{table:<{width}}  {rows:>10,} rows")
        self.stdout.write(self.style.SUCCESS(f"Replayed {done.events:,} events in {done.seconds:.1f} s."))
