"""The image library in Django's admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from devices.admin_filters import RetiredFilter
from devices.admin_pages import InventoryAdmin
from devices.domain.history import Entry
from devices.images import commands, queries
from devices.images.forms import ImageForm
from devices.images.models import Image
from devices.steps import Step

RETIRE = Step(
    key="delete",
    button="Retire",
    consequence="No definition can ask for it any more, and its name is never given again. Its content and"
    " its history stay, with the jobs that used it.",
    permission="images.delete_image",
    done="is retired",
    run=commands.retire_image,
    dangerous=True,
)


@admin.register(Image)
class ImageAdmin(InventoryAdmin):
    form = ImageForm  # type: ignore[assignment]  # it calls commands, too
    retire = RETIRE
    change_form_template = "admin/images/change_form.html"
    list_display = [
        "name",
        "number",
        "shown_size",
        "short_digest",
        "uploaded_by",
        "uploaded_at",
        "description",
    ]
    list_filter = [RetiredFilter]
    search_fields = ["name", "description", "filename", "sha256", "uploaded_by"]
    search_help_text = "Name, description, file, SHA-256, or who uploaded it."

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ["name", "file", "description"]})]
        about = ["use_as", "number", "filename", "shown_size", "sha256", "uploaded_by", "uploaded_at"]
        about += ["retired_reason"] if obj.retired_at else []
        fields = [(None, {"fields": about}), ("Versions", {"fields": ["shown_versions"]})]
        if not self.has_change_permission(request, obj):
            return [*fields, (None, {"fields": ["description"]})]
        return [*fields, ("Change", {"fields": ["description", "file", "reason"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return []
        shown = ["use_as", "number", "filename", "shown_size", "sha256", "uploaded_by", "uploaded_at"]
        return [*shown, "shown_versions", "retired_reason"]

    def steps(self, obj: Any) -> Sequence[Step]:
        return [] if obj.retired_at else [RETIRE]

    def history(
        self, request: HttpRequest, name: str, *, before: int | None = None, limit: int | None = None
    ) -> list[Entry]:
        return queries.history(name, before=before, limit=limit)

    @admin.display(description="definitions say")
    def use_as(self, obj: Image) -> SafeString:
        return format_html("<code>lab:{}</code>", obj.pk)

    @admin.display(description="size", ordering="size")
    def shown_size(self, obj: Image) -> SafeString:
        return format_html('<span title="{} bytes">{}</span>', obj.size, filesizeformat(obj.size))

    @admin.display(description="SHA-256")
    def short_digest(self, obj: Image) -> SafeString:
        return format_html('<code title="{}">{}…</code>', obj.sha256, obj.sha256[:12])

    @admin.display(description="uploaded")
    def shown_versions(self, obj: Image) -> SafeString:
        rows = [
            (
                one.number,
                f"{one.uploaded_at:%Y-%m-%d %H:%M}",
                one.uploaded_by,
                filesizeformat(one.size),
                one.filename,
                one.sha256,
                one.reason,
            )
            for one in queries.versions(obj.pk)
        ]
        lines = format_html_join(
            "",
            "<tr><td>{}</td><td>{} UTC</td><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td>"
            "<td>{}</td></tr>",
            rows,
        )
        return format_html("<table>{}</table>", lines)
