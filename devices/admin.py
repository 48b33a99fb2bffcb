"""The inventory in Django's admin; see `devices.admin_pages` for what is unusual about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from devices import queries, seen, steps
from devices.admin_access import AccessPages
from devices.admin_exchange import ExchangePages
from devices.admin_filters import BaseFilter, RetiredFilter, StateFilter, TagFilter
from devices.admin_pages import badge, monospace
from devices.config_tables import settings_table
from devices.domain.config_text import write_config
from devices.domain.history import Entry
from devices.forms import BoardForm, DeviceTypeForm
from devices.models import Board, DeviceType
from devices.states import board_state
from devices.steps import Step


@admin.register(Board)
class BoardAdmin(ExchangePages, AccessPages):
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
    actions = [
        "take_offline",
        "bring_online",
        "check_health",
        "test_connections",
        "power_on",
        "power_off",
        "power_cycle",
        "release",
        "retire_all",
        "export_yaml",
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            names = ["name", "device_type", "site", "tags", "description", "config", "cloned_from"]
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
            held=obj.held_by is not None,
            errand=obj.errand is not None,
            has_power=_has_power(obj.pk),
        )

    def history(
        self, request: HttpRequest, name: str, *, before: int | None = None, limit: int | None = None
    ) -> list[Entry]:
        user: Any = request.user
        return seen.board_history(user, name, before=before, limit=limit)

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

    @admin.action(description="Test connections", permissions=["change"])
    def test_connections(self, request: HttpRequest, chosen: QuerySet[Board]) -> HttpResponse | None:
        return self.do_to_all(request, chosen, steps.TEST)

    @admin.action(description="Power on", permissions=["change"])
    def power_on(self, request: HttpRequest, chosen: QuerySet[Board]) -> HttpResponse | None:
        return self.do_to_all(request, chosen, steps.POWER_ON)

    @admin.action(description="Power off", permissions=["change"])
    def power_off(self, request: HttpRequest, chosen: QuerySet[Board]) -> HttpResponse | None:
        return self.do_to_all(request, chosen, steps.POWER_OFF)

    @admin.action(description="Power off and on", permissions=["change"])
    def power_cycle(self, request: HttpRequest, chosen: QuerySet[Board]) -> HttpResponse | None:
        return self.do_to_all(request, chosen, steps.POWER_CYCLE)

    @admin.action(description="Release from a stuck job, with a reason", permissions=["change"])
    def release(self, request: HttpRequest, chosen: QuerySet[Board]) -> HttpResponse | None:
        return self.do_to_all(request, chosen, steps.RELEASE)

    # -- clones, errands ------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.errands_view)
        return [path("<path:object_id>/errands/", view, name="devices_board_errands"), *super().get_urls()]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start a new board from another one, where the address names it."""
        source = request.GET.get("clone", "")
        if not source:
            return {}
        user: Any = request.user
        seen.require_board(user, source)
        if not seen.sees_config(user, source):
            raise PermissionDenied(f"You may not see how board {source} is reached, and so may not clone it.")
        board = Board.objects.get(pk=source)
        return {
            "device_type": board.device_type_id,
            "site": board.site,
            "tags": ", ".join(board.tags),
            "description": board.description,
            "config": write_config(board.config),
            "cloned_from": source,
        }

    def errands_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what workers did to the board by hand, with transcripts; anew while one is at it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        board = self.get_object(request, unquote(object_id))
        if board is None:
            return self._gone(request, object_id)
        if not self.has_view_or_change_permission(request, board):
            raise PermissionDenied
        user: Any = request.user
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": f"Tests and power of {board}",
            "object": board,
            "errands": seen.errands(user, board.pk),
            "test": steps.TEST in self.steps(board) and self._may(request, steps.TEST, board),
        }
        return TemplateResponse(request, "admin/devices/errands.html", context)

    # -- columns --------------------------------------------------------------------------------------

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
        if obj.errand is not None:
            page = reverse("admin:devices_board_errands", args=[quote(obj.pk)])
            return format_html('<a href="{}">{}</a>', page, board_state(obj).errand_words)
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


def _has_power(name: str) -> bool:
    """Whether a board's configuration, right or wrong elsewhere, names a way to switch its power."""
    return any(one.path == "power.method" and one.value for one in queries.board_settings(name))


@admin.register(DeviceType)
class DeviceTypeAdmin(ExchangePages, AccessPages):
    form = DeviceTypeForm
    actions = ["retire_all", "export_yaml"]
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

    def history(
        self, request: HttpRequest, name: str, *, before: int | None = None, limit: int | None = None
    ) -> list[Entry]:
        user: Any = request.user
        return seen.device_type_history(user, name, before=before, limit=limit)

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
