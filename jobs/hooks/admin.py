"""Webhooks in the admin: whose, where to, how they do; to be switched off or removed, never made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from jobs.hooks import commands, keeping
from jobs.hooks.models import REMOVED, Hook, HookMessage

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

    # A webhook has thousands of messages: they are counted, not listed, and go piece by piece, after the one
    # transaction in which Django has all of this.

    def get_deleted_objects(
        self, objs: Iterable[Hook], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        hooks = list(objs)
        counts = {
            "webhooks": len(hooks),
            "messages": HookMessage.objects.filter(hook__in=hooks).count(),
        }
        needed = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return [f"Webhook: {hook}" for hook in hooks], counts, needed, []

    def delete_model(self, request: HttpRequest, obj: Hook) -> None:
        keeping.remove(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Hook]) -> None:
        for hook in queryset:
            keeping.remove(hook)

    @admin.action(description="Switch off", permissions=["delete"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Hook]) -> None:
        """Their owners see by whom, and may switch them on again."""
        hooks = list(queryset.exclude(state=REMOVED).select_related("user"))
        for hook in hooks:
            if hook.user is not None:
                commands.switch_off(hook.user, hook.pk, f"switched off by {request.user.get_username()}")
        messages.info(request, f"{len(hooks)} webhooks are told nothing any more.")
