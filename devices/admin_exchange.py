"""The inventory as a text, in the admin: written from the lists, brought in after a look at what differs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from devices import exchange
from devices.domain.parse_config import BadConfig
from devices.exchange import Outcome
from devices.forms import ImportForm
from devices.models import Board
from lab.kernel.errors import Rejected

FILE = "inventory.yaml"


class ExchangePages(admin.ModelAdmin):  # type: ignore[type-arg]  # of Board or DeviceType
    """Pages that lists of boards and of device types have in common."""

    change_list_template = "admin/devices/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        info = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        return [
            path("export/", view(self.export_view), name=f"{info}_export"),
            path("import/", view(self.import_view), name=f"{info}_import"),
            *super().get_urls(),
        ]

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Download everything that the user may see: types and boards."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return _file(exchange.export_text(_user(request)))

    @admin.action(description="Export as YAML")
    def export_yaml(self, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse | None:
        """Download the chosen ones."""
        names = list(chosen.values_list("pk", flat=True))
        kinds: dict[str, list[str]] = {"types": [], "boards": []}
        kinds["boards" if self.model is Board else "types"] = names
        try:
            return _file(exchange.export_text(_user(request), **kinds))
        except Rejected as exc:
            self.message_user(request, str(exc), messages.ERROR)
            return None

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Show what a text would change, then bring it in."""
        if not self.has_change_permission(request) and not self.has_add_permission(request):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        outcome: Outcome | None = None
        if request.method == "POST" and form.is_valid():
            outcome = self._outcome(request, form)
            if outcome is not None and outcome.applied:
                self.message_user(request, f"Imported: {outcome.summary}.", messages.SUCCESS)
                here = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
                return HttpResponseRedirect(reverse(here))
            if outcome is not None:
                form = self._looked_at(form, outcome)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": "Import device types and boards",
            "form": form,
            "outcome": outcome,
            "back": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"),
        }
        return TemplateResponse(request, "admin/devices/import.html", context)

    def _outcome(self, request: HttpRequest, form: ImportForm) -> Outcome | None:
        """Do it where its differences have been looked at, or else only look."""
        data = form.cleaned_data
        apply = "apply" in request.POST and data["versions"] is not None
        try:
            return exchange.import_text(
                data["text"],
                dry_run=not apply,
                reason=data["reason"],
                expected=data["versions"] if apply else None,
                actor=_user(request),
                cause="admin",
            )
        except BadConfig as bad:
            form.add_error("text", [str(problem) for problem in bad.problems])
        except Rejected as exc:
            form.add_error(None, str(exc))
        return None

    def _looked_at(self, form: ImportForm, outcome: Outcome) -> ImportForm:
        """Return the form with the text that was looked at, whatever way it came, and what it was seen on."""
        data = form.cleaned_data
        return ImportForm(
            initial={"text": data["text"], "reason": data["reason"], "versions": outcome.versions}
        )


def _file(text: str) -> HttpResponse:
    found = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    found.headers["Content-Disposition"] = f'attachment; filename="{FILE}"'
    return found


def _user(request: HttpRequest) -> Any:
    return request.user
