"""The inventory in Django's admin; see `devices.admin_pages` for what is unusual about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from devices import queries, steps
from devices.admin_access import AccessPages
from devices.admin_pages import badge, monospace
from devices.config_tables import settings_table
from devices.domain.config_text import write_config
from devices.domain.history import Entry
from devices.forms import BoardForm, DeviceTypeForm
from devices.models import Board, DeviceType
from devices.steps import Step

STATES: dict[str, Q] = {
    "free": Q(state="free"),
    "reserved": Q(state="reserved"),
    "unhealthy": Q(health="bad", retired_at=None),
    "unchecked": Q(state="unchecked"),
    # Offline and quarantined boards may still be held by the job they were running.
    "offline": ~Q(offline_reason="") & Q(quarantined=False, retired_at=None),
    "quarantined": Q(quarantined=True, retired_at=None),
    "retired": ~Q(retired_at=None),
}


class StateFilter(admin.SimpleListFilter):
    """By state; without a choice what is retired is left out."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(word, word) for word in STATES] + [("all", "all, also retired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.filter(STATES.get(self.value() or "", Q(retired_at=None)))

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        return iter([{**first, "display": "in use"}, *others])


class RetiredFilter(StateFilter):
    """In use, or not any more."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("retired", "retired"), ("all", "all")]


class TagFilter(admin.SimpleListFilter):
    """By a tag that any board in use has."""

    title = "tag"
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        lists = Board.objects.filter(retired_at=None).values_list("tags", flat=True)
        return [(tag, tag) for tag in sorted({tag for tags in lists for tag in tags})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        # A JSON list holds each tag in quotes; tags hold none.
        return queryset.filter(tags__icontains=f'"{self.value()}"') if self.value() else queryset


class BaseFilter(admin.SimpleListFilter):
    """By the type that types are based on."""

    title = "base"
    parameter_name = "base"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = DeviceType.objects.filter(retired_at=None).exclude(base="").values_list("base", flat=True)
        return [(name, name) for name in sorted(set(names))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(base=self.value()) if self.value() else queryset


@admin.register(Board)
class BoardAdmin(AccessPages):
    form = BoardForm
    retire = steps.RETIRE_BOARD
    list_display = ["name", "type_and_site", "shown_state", "shown_health", "holder", "why", "shown_tags"]
    list_filter = [
        StateFilter,
        "health",
        ("device_type", admin.RelatedOnlyFieldListFilter),
        "site",
        TagFilter,
    ]
    list_select_related = ["device_type"]
    search_fields = ["name", "description", "site", "tags", "device_type__name", "offline_reason"]
    search_help_text = "Name, type, site, tag, description, or why it is offline."
    actions = ["take_offline", "bring_online", "check_health"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            names = ["name", "device_type", "site", "tags", "description", "config"]
            return [(None, {"fields": names})]
        state = ("State", {"fields": ["shown_state", "shown_health", "holder", "why"]})
        if not self.has_change_permission(request, obj):
            fields = ["device_type", "site", "shown_tags", "description", "own_config", "effective_config"]
            return [state, (None, {"fields": fields})]
        fields = ["device_type", "site", "tags", "description", "config", "reason", "version"]
        effective = ("Effective configuration", {"fields": ["effective_config"], "classes": ["collapse"]})
        return [state, ("Board", {"fields": fields}), effective]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        shown = ["shown_state", "shown_health", "holder", "why", "effective_config"]
        return [*shown, "shown_tags", "own_config"] if obj else []

    def steps(self, obj: Any) -> Sequence[Step]:
        return steps.board_steps(
            offline=bool(obj.offline_reason),
            health=obj.health,
            retired=bool(obj.retired_at),
            has_check=queries.board(obj.pk).check_every is not None,
            checking=bool(obj.check_reason),
        )

    def history(self, name: str) -> list[Entry]:
        return queries.board_history(name)

    def view_on_site(self, obj: Board) -> str:
        return reverse("devices:board", args=[obj.pk])

    @admin.action(description="Take offline, with a reason", permissions=["change"])
    def take_offline(self, request: HttpRequest, chosen: QuerySet[Board]) -> HttpResponse | None:
        return self.do_to_all(request, chosen, steps.OFFLINE)

    @admin.action(description="Bring online", permissions=["change"])
    def bring_online(self, request: HttpRequest, chosen: QuerySet[Board]) -> HttpResponse | None:
        return self.do_to_all(request, chosen, steps.ONLINE)

    @admin.action(description="Check health", permissions=["change"])
    def check_health(self, request: HttpRequest, chosen: QuerySet[Board]) -> HttpResponse | None:
        return self.do_to_all(request, chosen, steps.CHECK)

    @admin.display(description="type, site", ordering="device_type")
    def type_and_site(self, obj: Board) -> SafeString:
        return format_html('{}<br><span class="help">{}</span>', obj.device_type_id, obj.site)

    @admin.display(description="state", ordering="state")
    def shown_state(self, obj: Board) -> SafeString:
        if obj.state == "reserved" and obj.offline_reason:
            then = "quarantined" if obj.quarantined else "offline"
            return format_html("{} then {}", badge("reserved", "reserved"), badge(then, then))
        return badge(obj.state, obj.state)

    @admin.display(description="health", ordering="health")
    def shown_health(self, obj: Board) -> SafeString:
        word = badge(f"health-{obj.health}", obj.health, obj.health_reason)
        job = obj.check_job or obj.health_job
        if job is None:
            return word
        link = format_html('<a href="{}">job {}</a>', reverse("jobs:job", args=[job]), job)
        return format_html("{} {}{}", word, "being checked by " if obj.check_job else "", link)

    @admin.display(description="holder", ordering="held_by")
    def holder(self, obj: Board) -> str:
        if obj.held_by is None:
            return "nobody"
        job = reverse("jobs:job", args=[obj.held_by])
        since = f"since {obj.held_since:%Y-%m-%d %H:%M} UTC"
        return format_html('<a href="{}" title="{}">job {}</a>', job, since, obj.held_by)

    @admin.display(description="why")
    def why(self, obj: Board) -> str:
        """Why it is as it is, beside the word that says how; the holder has a column of its own."""
        waits = f"waits for its health check: {obj.check_reason}" if obj.check_reason else ""
        reasons = [obj.retired_reason, obj.offline_reason, obj.health_reason, waits]
        return next((reason for reason in reasons if reason), "–")

    @admin.display(description="tags")
    def shown_tags(self, obj: Board) -> str:
        return ", ".join(obj.tags) or "–"

    @admin.display(description="configuration")
    def own_config(self, obj: Board) -> SafeString:
        return monospace(write_config(obj.config))

    @admin.display(description="settings")
    def effective_config(self, obj: Board) -> SafeString:
        """What its type, the types below that and it itself say, and the defaults; and what is wrong."""
        problems = queries.board_problems(obj.pk)
        table = settings_table(queries.board_settings(obj.pk), f"board {obj.pk}")
        return format_html("{}{}", monospace("\n".join(problems)) if problems else "", table)


@admin.register(DeviceType)
class DeviceTypeAdmin(AccessPages):
    form = DeviceTypeForm
    retire = steps.RETIRE_TYPE
    list_display = ["name", "kind", "shown_base", "about", "boards_in_use"]
    list_filter = ["kind", RetiredFilter, BaseFilter]
    search_fields = ["name", "description"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        in_use = Count("boards", filter=Q(boards__retired_at=None))
        rows: QuerySet[Any] = super().get_queryset(request).annotate(in_use=in_use)
        return rows

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ["name", "kind", "base", "description", "config"]})]
        effective = ("Effective configuration", {"fields": ["effective_config"], "classes": ["collapse"]})
        if not self.has_change_permission(request, obj):
            fields = ["kind", "shown_base", "users", "description", "shown_config", "retired_reason"]
            return [(None, {"fields": fields}), effective]
        fields = ["kind", "base", "users", "description", "config", "reason", "version"]
        return [(None, {"fields": fields}), effective]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        shown = ["kind", "shown_base", "users", "shown_config", "retired_reason", "effective_config"]
        return shown if obj else []

    def steps(self, obj: Any) -> Sequence[Step]:
        return [] if obj.retired_at else [steps.RETIRE_TYPE]

    def history(self, name: str) -> list[Entry]:
        return queries.device_type_history(name)

    @admin.display(description="boards", ordering="in_use")
    def boards_in_use(self, obj: Any) -> str:
        return str(obj.in_use) if obj.kind == "board" else "–"

    @admin.display(description="configuration")
    def shown_config(self, obj: DeviceType) -> SafeString:
        return monospace(write_config(obj.config))

    @admin.display(description="based on", ordering="base")
    def shown_base(self, obj: DeviceType) -> str:
        return " → ".join(queries.device_type(obj.pk).chain[1:]) or "–" if obj.base else "–"

    @admin.display(description="about")
    def about(self, obj: DeviceType) -> str:
        return obj.description.partition("\n")[0]

    @admin.display(description="used by")
    def users(self, obj: DeviceType) -> SafeString:
        """Links to the boards that have it and to the types that are based on it."""
        found = queries.device_type(obj.pk)
        links = [("board", name) for name in found.boards] + [
            ("devicetype", name) for name in found.based_on_it
        ]
        shown = format_html_join(
            ", ",
            '<a href="{}">{}</a>',
            ((reverse(f"admin:devices_{kind}_change", args=[quote(name)]), name) for kind, name in links),
        )
        return shown or mark_safe("nothing")

    @admin.display(description="settings")
    def effective_config(self, obj: DeviceType) -> SafeString:
        """What it and the types below it say, and the defaults."""
        return settings_table(queries.type_settings(obj.pk), f"device type {obj.pk}")
