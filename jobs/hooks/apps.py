from __future__ import annotations

from django.apps import AppConfig


class HooksConfig(AppConfig):
    name = "jobs.hooks"
    label = "hooks"
    verbose_name = "Webhooks"
    default_auto_field = "django.db.models.BigAutoField"
