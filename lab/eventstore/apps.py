from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate


class EventStoreConfig(AppConfig):
    name = "lab.eventstore"
    label = "eventstore"
    verbose_name = "Event log"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from lab.eventstore import append_only
        from lab.eventstore.models import EventRow

        append_only.protect(EventRow, ("stream", "version"))
        post_migrate.connect(append_only.install_after_migrate, dispatch_uid="lab.eventstore.append_only")
        checks.register(append_only.check_triggers, checks.Tags.database)
