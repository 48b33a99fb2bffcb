from __future__ import annotations

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    name = "devices"
    verbose_name = "Inventory"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from devices import projections
        from devices.models import SittingChunk
        from lab.eventstore import append_only

        append_only.protect(SittingChunk)
        projections.install()
