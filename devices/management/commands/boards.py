"""``manage.py boards``: what there is, and who has it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from devices import queries
from devices.management.cli import as_json, table


class Command(BaseCommand):
    help = "List the boards of this lab: type, site, state, health, tags, and why a board is not free."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="also boards that are retired")
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        boards = queries.board_list(retired=options["all"])
        if options["json"]:
            self.stdout.write(as_json(boards))
        elif not boards:
            self.stdout.write("There are no boards. Register one in the admin, under Inventory.")
        else:
            rows = [
                (
                    board.name,
                    board.device_type,
                    board.site,
                    board.state,
                    board.health,
                    ", ".join(board.tags),
                    board.reason,
                )
                for board in boards
            ]
            heads = ("BOARD", "TYPE", "SITE", "STATE", "HEALTH", "TAGS", "WHY NOT FREE")
            self.stdout.write(table(heads, rows))
            free = sum(board.free for board in boards)
            self.stdout.write(f"\n{free} of {len(boards)} free.")
