from __future__ import annotations

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from devices import availability, checking, holding
        from jobs import health, projections, releasing
        from jobs.models import ConsoleChunk
        from lab.eventstore import append_only

        append_only.protect(ConsoleChunk, ("job", "node", "offset"))
        projections.install()
        availability.tell("jobs.tasks.schedule")
        checking.use(health)
        holding.use(releasing)
