from __future__ import annotations

from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lab.demo.run import BOARDS, PORT, Demo, DemoError


class Command(BaseCommand):
    help = (
        "Show Labbook at work on this machine alone: makes guest images, a database, an account, an ssh host "
        "to throw away and an inventory, starts everything, runs the example VM group and follows it. "
        "Then goes on serving until Ctrl-C, which stops all that it started."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="end after the job; status 0 if all is well")
        parser.add_argument("--port", type=int, default=PORT, help="port of the pages (default: %(default)s)")
        parser.add_argument(
            "--board",
            choices=BOARDS,
            default="",
            help="run the example on an emulated board, treated like metal",
        )
        parser.add_argument("--example", default="", help="which example (default: the one for the board)")

    def handle(self, *args: Any, once: bool, port: int, board: str, example: str, **options: Any) -> None:
        try:
            well = Demo(cast(TextIO, self.stdout), once=once, port=port, board=board, example=example).run()
        except DemoError as exc:
            raise CommandError(str(exc)) from exc
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        if once and not well:
            raise SystemExit(1)
