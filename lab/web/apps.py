from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class LabAdminConfig(AdminConfig):
    default_site = "lab.web.admin_site.LabAdminSite"
