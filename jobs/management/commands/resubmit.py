"""``manage.py resubmit N``: a job once more, as it was or changed."""

from __future__ import annotations

from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandParser

from jobs import commands
from jobs.management.cli import (
    STATUSES,
    add_user,
    add_waiting,
    number_and_wait,
    read_definition,
    refusals,
    submitter,
)


class Command(BaseCommand):
    help = f"Submit a job again, with its own definition or one from a file. {STATUSES}"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int, help="number of the job")
        parser.add_argument("--file", help="the changed definition; - reads standard input")
        parser.add_argument("--same-board", action="store_true", help="on the board it had, and on no other")
        add_user(parser)
        add_waiting(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        text = read_definition(options["file"]) if options["file"] else None
        with refusals(options["file"] or ""):
            user = submitter(options["user"])
            number = commands.resubmit_job(
                options["job"], text, same_board=options["same_board"], user=user, cause="cli"
            )
            number_and_wait(number, cast(TextIO, self.stdout), options)
