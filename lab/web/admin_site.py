"""The admin of a lab: what is looked after most comes first."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest

ORDER = ("devices", "images", "auth", "tokens", "eventstore")
"""Apps in this order; all others after them, by name."""


class LabAdminSite(AdminSite):
    site_header = site_title = "Labbook admin"
    index_title = "Admin"

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        found: list[Any] = super().get_app_list(request, app_label)
        place = {label: at for at, label in enumerate(ORDER)}
        return sorted(found, key=lambda app: place.get(app["app_label"], len(ORDER)))
