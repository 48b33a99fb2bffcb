"""``manage.py cancel N``: the end of a job, asked for."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jobs import commands, queries
from jobs.management.cli import everything, refusals


class Command(BaseCommand):
    help = "Cancel a job: at once if nobody runs it yet, otherwise as soon as its host is clean."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int, help="number of the job")
        parser.add_argument("--reason", default="", help="shown on the job's page")

    def handle(self, *args: Any, **options: Any) -> None:
        number = options["job"]
        with refusals():
            user = everything()
            ended = queries.seen_job(user, number).state == "finished"
            commands.request_cancel(number, options["reason"], user=user, cause="cli")
            state = queries.seen_job(user, number).state
        if ended:
            self.stdout.write(f"job {number} had ended already")
        else:
            self.stdout.write(f"job {number} is {'canceled' if state == 'finished' else 'being canceled'}")
