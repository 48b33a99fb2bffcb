from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs import tasks
from jobs.models import Job


class Command(BaseCommand):
    help = "Run an assigned job here and now, as a worker would."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int)

    def handle(self, *args: Any, job: int, **options: Any) -> None:
        words = tasks.run_job(job)
        row = Job.objects.filter(pk=job).first()
        if row is None or row.state != "finished":
            raise CommandError(words)
        self.stdout.write(f"job {job} {row.outcome}" + (f": {row.failure['message']}" if row.failure else ""))
