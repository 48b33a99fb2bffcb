"""``manage.py inventory export|import``: device types and boards as one YAML text."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from devices import exchange
from devices.exchange import Done, Outcome
from devices.management.cli import operator
from lab.kernel.errors import Rejected


class Command(BaseCommand):
    help = (
        "Write the device types and boards of this lab as YAML, or bring such a text in: all of it or "
        "nothing. What the text does not name stays as it is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        does = parser.add_subparsers(dest="do", required=True, metavar="export|import")
        export = does.add_parser("export", help="write what is in use")
        export.add_argument("--type", action="append", metavar="NAME", help="only these types")
        export.add_argument("--board", action="append", metavar="NAME", help="only these boards")
        export.add_argument("-o", "--output", metavar="FILE", help="instead of standard output")
        bring = does.add_parser("import", help="add and change what the text names")
        bring.add_argument("file", help="the text; - for standard input")
        bring.add_argument("--dry-run", action="store_true", help="only show what would change")
        bring.add_argument("--reason", default="", help="goes into the history")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["do"] == "export":
                self._export(options)
            else:
                self._import(options)
        except Rejected as exc:
            raise CommandError(str(exc)) from exc
        except (OSError, UnicodeDecodeError) as exc:
            raise CommandError(f"{options.get('file') or options.get('output')}: {exc}") from exc

    def _export(self, options: dict[str, Any]) -> None:
        some = options["type"] is not None or options["board"] is not None
        text = exchange.export_text(
            operator(),
            types=options["type"] or [] if some else None,
            boards=options["board"] or [] if some else None,
        )
        if options["output"]:
            Path(options["output"]).write_text(text)
        else:
            self.stdout.write(text, ending="")

    def _import(self, options: dict[str, Any]) -> None:
        text = sys.stdin.read() if options["file"] == "-" else Path(options["file"]).read_text()
        outcome = exchange.import_text(
            text, dry_run=options["dry_run"], reason=options["reason"], actor=operator(), cause="cli"
        )
        for one in outcome.done:
            self._tell(one)
        self._conclude(outcome, dry_run=options["dry_run"])

    def _tell(self, one: Done) -> None:
        self.stdout.write(f"{one.entry.kind} {one.entry.name}: {one.doing}")
        if one.doing == "changed":
            self._indented(one.changes)
        self._indented(one.problems)

    def _indented(self, lines: Iterable[object]) -> None:
        for line in lines:
            self.stdout.write(f"    {line}")

    def _conclude(self, outcome: Outcome, *, dry_run: bool) -> None:
        if outcome.refused:
            raise CommandError(f"Nothing was done: {outcome.summary}.")
        end = "Nothing was done, this was a dry run" if dry_run else "Done"
        self.stdout.write(f"{end}: {outcome.summary}.")
