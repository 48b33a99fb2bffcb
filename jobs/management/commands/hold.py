"""``manage.py hold N``: a job held before its clean-up, for people to look at; ``--release`` lets it go."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jobs import hand_commands, queries, rows
from jobs.management.cli import everything, refusals
from jobs.terminal import holding_words


class Command(BaseCommand):
    help = (
        "Hold a job when its work is done: its VMs run on, and its host is not cleaned. Held already, it"
        " is held until so many minutes from now."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int, help="number of the job")
        parser.add_argument("--minutes", type=float, default=30.0, help="for how long (30)")
        parser.add_argument("--reason", default="", help="shown on the job's page")
        parser.add_argument("--if-failed", action="store_true", help="only if it fails, or a result does")
        parser.add_argument("--release", action="store_true", help="hold it no longer")

    def handle(self, *args: Any, **options: Any) -> None:
        number = options["job"]
        with refusals():
            user = everything()
            if options["release"]:
                hand_commands.release_job(number, options["reason"], user=user, cause="cli")
            else:
                hand_commands.hold_job(
                    number,
                    round(options["minutes"] * 60),
                    options["reason"],
                    if_failed=options["if_failed"],
                    user=user,
                    cause="cli",
                )
            hold = rows.summary(queries.seen_job(user, number))["hold"]
        self.stdout.write(f"job {number} {holding_words(hold)}")
