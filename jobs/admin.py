"""What the workers' task queue holds, in the admin: to be looked at by superusers, never changed.

Only two of django-q's tables ever hold something here: successes are not kept and nothing is scheduled (see
`Q_CLUSTER`). What a task did is told by the log; a task that waits or failed is not, so it is shown. To put a
task back into the queue would run it behind the log's back: that is done by the commands.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_q.models import Failure, OrmQ, Schedule, Success


class OnlyLooked(admin.ModelAdmin):  # type: ignore[type-arg]  # of what waits, or of what failed
    """A table that superusers look at."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)


class WaitingAdmin(OnlyLooked):
    """Tasks that wait for a worker of their site, or are at one: the lock then is in the future."""

    list_display = ("id", "site", "what", "arguments", "due")
    list_display_links = ("id", "what")
    list_filter = ("key",)
    fields = readonly_fields = ("site", "what", "arguments", "due")

    @admin.display(description="site", ordering="key")
    def site(self, row: OrmQ) -> str:
        return str(row.key)

    @admin.display(description="task")
    def what(self, row: OrmQ) -> str:
        return str(row.func())

    @admin.display(description="of")
    def arguments(self, row: OrmQ) -> str:
        return ", ".join(map(str, row.args() or ())) or "–"

    @admin.display(description="not before", ordering="lock")
    def due(self, row: OrmQ) -> Any:
        return row.lock


class FailedAdmin(OnlyLooked):
    """Tasks that ended by an error, with its text: bugs, or a database that was away."""

    list_display = ("func", "arguments", "cluster", "started", "stopped", "error")
    list_filter = ("func", "cluster")
    fields = readonly_fields = ("func", "arguments", "cluster", "started", "stopped", "whole_error")
    search_fields = ("func", "name")
    search_help_text = "Function of the task, or its name in the worker's output."

    @admin.display(description="of")
    def arguments(self, row: Failure) -> str:
        return ", ".join(map(str, row.args or ())) or "–"

    @admin.display(description="error")
    def error(self, row: Failure) -> str:
        return str(row.result or "").partition("\n")[0][:120]

    @admin.display(description="error")
    def whole_error(self, row: Failure) -> SafeString:
        return format_html('<pre class="lb-pre">{}</pre>', row.result or "")


def register() -> None:
    """Put these in the place of django-q's, which change what they show."""
    for model in (Schedule, Success, Failure, OrmQ):
        if admin.site.is_registered(model):
            admin.site.unregister(model)
    admin.site.register(OrmQ, WaitingAdmin)
    admin.site.register(Failure, FailedAdmin)


register()
