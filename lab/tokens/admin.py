"""Tokens in the admin: who has which, made when, last used when; to be revoked, never seen or changed.

Beside them, who has them: see `lab.tokens.people_admin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from lab.tokens import people_admin
from lab.tokens.models import ApiToken

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[ApiToken]
else:
    ModelAdmin = admin.ModelAdmin


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    list_display = ("name", "user", "scopes", "expires_at", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    list_filter = ("expires_at", "last_used_at")
    date_hierarchy = "created_at"
    fields = readonly_fields = ("name", "user", "scopes", "expires_at", "created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a token is shown once, to who makes it: manage.py create_token

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False


people_admin.register()
