"""Webhooks in the admin: whose, where to, how they do; to be switched off or removed, never made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from jobs.hooks import commands
from jobs.hooks.models import Hook

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Hook]
else:
    ModelAdmin = admin.ModelAdmin

SHOWN = ("name", "user", "url", "types", "mine", "job", "job_name", "board", "host_type")
STATE = ("state", "reason", "position", "failing_since", "last_ok", "created_at")


@admin.register(Hook)
class HookAdmin(ModelAdmin):
    list_display = ("name", "user", "url", "state", "reason", "created_at")
    list_filter = ("state",)
    list_select_related = ("user",)
    search_fields = ("name", "url", "user__username")
    date_hierarchy = "created_at"
    fields = readonly_fields = SHOWN + STATE
    actions = ("switch_off",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # its secret is shown once, to who makes it: on the profile page

    def has_change_permission(self, request: HttpRequest, obj: Hook | None = None) -> bool:
        return False

    @admin.action(description="Switch off", permissions=["delete"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Hook]) -> None:
        """Their owners see by whom, and may switch them on again."""
        hooks = list(queryset.select_related("user"))
        for hook in hooks:
            commands.switch_off(hook.user, hook.pk, f"switched off by {request.user.get_username()}")
        messages.info(request, f"{len(hooks)} webhooks are told nothing any more.")
