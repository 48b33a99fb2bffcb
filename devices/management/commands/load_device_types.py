"""``manage.py load_device_types [NAME …]``: bring ready-made types into the inventory."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from devices import ready_made
from devices.management.cli import operator, table
from devices.ready_made import Done
from lab.kernel.errors import Rejected


class Command(BaseCommand):
    help = (
        "Add the device types that come with Labbook, or bring them up to date. What somebody has changed is "
        "kept, and said; --replace overwrites it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="which; all without a name")
        parser.add_argument("--list", action="store_true", help="only say which there are")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.add_argument("--replace", action="store_true", help="overwrite what somebody has changed")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            chosen = ready_made.with_bases(options["names"])
        except Rejected as exc:
            raise CommandError(str(exc)) from exc
        if options["list"]:
            rows = [(one.name, one.kind, one.base, one.description.split("\n")[0]) for one in chosen]
            self.stdout.write(table(("TYPE", "KIND", "BASED ON", "ABOUT"), rows))
            return
        with transaction.atomic():
            done = ready_made.load(chosen, replace=options["replace"], actor=operator())
            if options["dry_run"]:
                transaction.set_rollback(True)
        for one in done:
            self._tell(one)
        if options["dry_run"]:
            self.stdout.write("Nothing was done: this was a dry run.")
        if refused := [one.name for one in done if one.doing == "refused"]:
            raise CommandError(f"Could not be loaded: {', '.join(refused)}.")

    def _tell(self, one: Done) -> None:
        words = f"{one.doing}: {one.why}" if one.why else one.doing
        if one.doing == "kept":
            words = "kept, for somebody has changed it; --replace would change"
        self.stdout.write(f"{one.name}: {words}")
        for change in one.changes:
            self.stdout.write(f"    {change}")
