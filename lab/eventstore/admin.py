"""The log in the admin: to look at, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lab.eventstore.models import EventRow
from lab.kernel.events import codec

if TYPE_CHECKING:
    EventRowAdmin = admin.ModelAdmin[EventRow]
else:
    EventRowAdmin = admin.ModelAdmin


class TypeFilter(admin.SimpleListFilter):
    """All event types of the product. Not a DISTINCT over the table: that would read all of it."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted(codec.types())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[EventRow]) -> QuerySet[EventRow]:
        return queryset.filter(type=self.value()) if self.value() else queryset


class CategoryFilter(admin.SimpleListFilter):
    title = "kind of stream"
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("job", "jobs"), ("board", "boards"), ("device-type", "device types")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[EventRow]) -> QuerySet[EventRow]:
        return queryset.filter(stream__startswith=f"{self.value()}/") if self.value() else queryset


@admin.register(EventRow)
class EventAdmin(EventRowAdmin):
    list_display = ("position", "recorded_at", "stream", "version", "type", "actor")
    list_filter = (CategoryFilter, TypeFilter, "recorded_at")
    search_fields = ("stream",)
    search_help_text = "a position, a stream (job/57), or any text of the event"
    ordering = ("-position",)
    show_full_result_count = False
    actions = None
    fields = ("position", "stream", "version", "type", "schema", "recorded_at", "said", "caused", "digest")
    readonly_fields = fields

    @admin.display(description="actor")
    def actor(self, row: EventRow) -> str:
        return str(json.loads(row.meta).get("actor", ""))

    @admin.display(description="data")
    def said(self, row: EventRow) -> SafeString:
        return _pretty(row.data)

    @admin.display(description="meta")
    def caused(self, row: EventRow) -> SafeString:
        return _pretty(row.meta)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[EventRow], search_term: str
    ) -> tuple[QuerySet[EventRow], bool]:
        term = search_term.strip()
        if term.isascii() and term.isdigit() and len(term) < 19:
            return queryset.filter(position=int(term)), False
        if "/" in term and " " not in term:
            return queryset.filter(stream=term), False
        return (queryset.filter(data__icontains=term) if term else queryset), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: EventRow | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: EventRow | None = None) -> bool:
        return False


def _pretty(text: str) -> SafeString:
    pretty = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return format_html('<pre class="lb-pre">{}</pre>', pretty)
