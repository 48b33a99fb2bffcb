from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from jobs import reconciler
from jobs.hooks import courier
from jobs.management import supervision
from lab.supervise import Supervisor


class Command(BaseCommand):
    help = (
        "Run the jobs of a site, without pages: for further machines of a lab whose database is elsewhere "
        "(DATABASE_URL). LABBOOK_SITE names the site whose boards this machine can reach. Ctrl-C or SIGTERM "
        "stops it, as with “serve”."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--workers",
            type=int,
            default=settings.WORKERS,
            help="jobs at the same time (default: %(default)s)",
        )

    def handle(self, *args: Any, workers: int, **options: Any) -> None:
        if workers < 1:
            raise CommandError("--workers must be at least 1")
        supervision.check_migrations()
        with supervision.alone("worker"):
            connections.close_all()
            ends = [reconciler.start_looking(), courier.start()]
            try:
                self._say(f"{workers} workers of site {settings.SITE_NAME} run jobs. Ctrl-C stops them.")
                Supervisor([supervision.task_cluster(workers)], say=self._say).run()
            finally:
                for end in ends:
                    end()
        self._say("Stopped.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
