from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from lab.orderly_cluster import OrderlyCluster
from lab.supervise import die_with_supervisor


class Command(BaseCommand):
    help = "Carry out background tasks of one queue. Started by “serve” and “worker”, which watch over it."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        die_with_supervisor()
        # Workers are forked from this process, and the processes of jobs from the workers: what is imported
        # here, no job has to wait for.
        from jobs import runner, tasks  # noqa: F401 (connects the signals)

        runner.execution()
        OrderlyCluster().run()
