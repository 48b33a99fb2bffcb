"""``manage.py submit FILE``: a job from a file or standard input."""

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
    help = f"Submit a job definition (JSON or YAML). {STATUSES}"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the definition; - reads standard input")
        add_user(parser)
        add_waiting(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        text = read_definition(options["file"])
        with refusals(options["file"]):
            number = commands.submit_job(text, user=submitter(options["user"]), cause="cli")
            number_and_wait(number, cast(TextIO, self.stdout), options)
