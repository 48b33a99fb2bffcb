"""``manage.py device_type NAME show``: a device type, what it is based on, and what came of that."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from devices import queries
from devices.management.cli import as_json, settings_table
from lab.kernel.errors import Rejected


class Command(BaseCommand):
    help = "Show a device type with its configuration and where each value comes from."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the type's name")
        does = parser.add_subparsers(dest="do", required=True, metavar="show")
        show = does.add_parser("show", help="all about it")
        show.add_argument("--json", action="store_true", help="print JSON, for programs")
        show.add_argument("--effective", action="store_true", help="every setting, also those nobody set")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = queries.device_type(options["name"])
        except Rejected as exc:
            raise CommandError(str(exc)) from exc
        settings = queries.type_settings(found.name)
        if options["json"]:
            told = {**asdict(found), "settings": [asdict(one) for one in settings]}
            self.stdout.write(as_json(told))
            return
        what = "virtual machines" if found.kind == "vm" else "boards"
        self.stdout.write(f"{found.name}: a type of {what}" + (" (retired)" if found.retired else ""))
        facts = {
            "based on": " → ".join(found.chain[1:]),
            "based on it": ", ".join(found.based_on_it),
            "boards": ", ".join(found.boards),
            "about": found.description.replace("\n", "\n" + 14 * " "),
        }
        for key, value in facts.items():
            if value:
                self.stdout.write(f"  {key:11} {value}")
        self.stdout.write("\nConfiguration, and where it comes from:")
        for line in settings_table(settings, defaults=options["effective"]):
            self.stdout.write(f"  {line}")
