from __future__ import annotations

from django.apps import AppConfig


class EventStoreConfig(AppConfig):
    name = "lab.eventstore"
    label = "eventstore"
    verbose_name = "Event log"
    default_auto_field = "django.db.models.BigAutoField"
