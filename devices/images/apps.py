from __future__ import annotations

from django.apps import AppConfig


class ImagesConfig(AppConfig):
    name = "devices.images"
    label = "images"
    verbose_name = "Image library"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from devices.images import projections

        projections.install()
