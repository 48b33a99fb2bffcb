"""What the admin pages of boards and device types have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, overload

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from devices import access
from devices.domain.access import Right
from devices.domain.history import Entry
from devices.forms import CommandForm, ReasonForm
from devices.models import Board, DeviceType
from devices.steps import Step
from lab.kernel.errors import Rejected

PER_PAGE = 100


class InventoryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # of Board or DeviceType
    """Rows are drawn from events, so nothing here saves one: forms and steps call commands.

    "Delete" is "retire", with a reason and without the bulk action; history is the event stream.
    """

    form: type[CommandForm]
    retire: Step
    change_form_template = "admin/devices/change_form.html"
    object_history_template = "admin/devices/history.html"

    class Media:
        css = {"all": ["devices/admin.css"]}

    # -- for the kinds of things --------------------------------------------------------------

    def steps(self, obj: Any) -> Sequence[Step]:
        """Return what can be done to it now."""
        raise NotImplementedError

    def history(
        self, request: HttpRequest, name: str, *, before: int | None = None, limit: int | None = None
    ) -> list[Entry]:
        """Return what happened to it, the newest first, as far as the user may know.

        Of versions below `before`, at most `limit`; there is an entry for each.
        """
        raise NotImplementedError

    # -- forms --------------------------------------------------------------------------------

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.actor = request.user  # type: ignore[attr-defined]  # a class made for this request
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Do nothing: the form has called the command, and the row is drawn."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Do nothing: there is nothing beside the row."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Do nothing, like the next one: the event log is the only history."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        pass

    # Whoever is in the list of a board or a type administers that one; Django's permissions are for all.

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) or self._administers(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or self._administers(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_change_permission(request, obj) or self._administers(request, obj)
        return may and not (obj and obj.retired_at)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_delete_permission(request, obj) or self._administers(request, obj)
        return may and not (obj and obj.retired_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        if super().has_view_permission(request):
            return rows
        return rows.filter(pk__in=self._administered(request))

    def _administers(self, request: HttpRequest, obj: Any = None) -> bool:
        found = self._administered(request)
        return bool(found) if obj is None else obj.pk in found

    def _administered(self, request: HttpRequest) -> frozenset[str]:
        return self._listed(request, "administer")

    def _may(self, request: HttpRequest, step: Step, obj: Model) -> bool:
        return request.user.has_perm(step.permission) or obj.pk in self._listed(request, step.right)

    def _listed(self, request: HttpRequest, right: Right) -> frozenset[str]:
        """Return the names of those whose lists give the user a right; found out once for a request."""
        known: dict[Right, access.Names] = getattr(request, "_listed", {})
        if right not in known:
            known[right] = access.listed(request.user, right)
            request._listed = known  # type: ignore[attr-defined]  # our own note on it
        if self.model is Board:
            return known[right].boards
        return known[right].types if self.model is DeviceType else frozenset()

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = {"title": str(self.opts.verbose_name_plural).capitalize()}
        return super().changelist_view(request, title | (extra_context or {}))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        steps = [step for step in self.steps(obj) if self._may(request, step, obj)] if obj else []
        context = {"show_delete": False, "show_save_and_add_another": False, "steps": steps}
        shown = super().change_view(request, object_id, form_url, context | (extra_context or {}))
        if isinstance(shown, TemplateResponse) and shown.context_data and "adminform" in shown.context_data:
            found = getattr(shown.context_data["adminform"].form, "meanwhile", None)
            if found is not None and obj is not None:
                first = min(found.since)
                later = self.history(
                    request, obj.pk, before=found.version + 1, limit=found.version + 1 - first
                )
                entries = [entry for entry in later if entry.version in found.since]
                shown.context_data |= {"meanwhile": entries, "meanwhile_version": found.version}
        return shown

    # -- steps --------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        info = f"{self.opts.app_label}_{self.opts.model_name}"
        step = path(
            "<path:object_id>/do/<slug:key>/", self.admin_site.admin_view(self.step_view), name=f"{info}_do"
        )
        return [step, *super().get_urls()]

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Retire it, with a reason."""
        return self.step_view(request, object_id, self.retire.key)

    def step_view(self, request: HttpRequest, object_id: str, key: str) -> HttpResponse:
        """Ask for the reason, then call the step's command."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._gone(request, object_id)
        here = self._address("change", obj)
        step = next((step for step in self.steps(obj) if step.key == key), None)
        if step is None:
            self.message_user(
                request, f"Nothing done: that cannot be done to {obj} as it is now.", messages.WARNING
            )
            return HttpResponseRedirect(here)
        if not self._may(request, step, obj):
            raise PermissionDenied
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                step.run(obj.pk, form.cleaned_data["reason"], actor=request.user, cause="admin")
            except Rejected as exc:
                form.add_error("reason", str(exc))
            else:
                self.message_user(request, f"{self._what(obj)} {step.done}.", messages.SUCCESS)
                return HttpResponseRedirect(self._address(step.then, obj))
        return self._ask(request, step, [obj], form)

    def do_to_all(self, request: HttpRequest, chosen: QuerySet[Any], step: Step) -> HttpResponse | None:
        """Do a step to the rows chosen in a list, once the reason is given; each fares for itself."""
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        rows = list(chosen.order_by("name"))
        if not form.is_valid():
            return self._ask(request, step, rows, form)
        done: list[str] = []
        for row in rows:
            try:
                step.run(row.pk, form.cleaned_data["reason"], actor=request.user, cause="admin")
            except Rejected as exc:
                self.message_user(request, str(exc), messages.ERROR)
            else:
                done.append(f"{self._what(row)} {step.done}.")
        if done:
            self.message_user(request, " ".join(done), messages.SUCCESS)
        return None

    def _ask(self, request: HttpRequest, step: Step, rows: Sequence[Model], form: ReasonForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": f"{step.button}: {', '.join(str(row) for row in rows)}",
            "step": step,
            "rows": rows,
            "form": form,
            "bulk": request.POST.get("action", ""),
            "checkbox": ACTION_CHECKBOX_NAME,
            "back": self._address("change", rows[0]) if len(rows) == 1 else self._address("changelist"),
        }
        return TemplateResponse(request, "admin/devices/step.html", context)

    @admin.action(description="Retire, with a reason", permissions=["delete"])
    def retire_all(self, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse | None:
        return self.do_to_all(request, chosen, self.retire)

    # -- history ------------------------------------------------------------------------------

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the thing's event stream, the newest first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._gone(request, object_id)
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        entries = _Entries(obj.version, partial(self.history, request, obj.pk))
        page = Paginator(entries, PER_PAGE).get_page(request.GET.get("p"))
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {obj}",
            "opts": self.opts,
            "media": self.media,
            "module_name": str(self.opts.verbose_name_plural).capitalize(),
            "object": obj,
            "page": page,
            "page_range": page.paginator.get_elided_page_range(page.number),
        }
        return TemplateResponse(request, self.object_history_template, context | (extra_context or {}))

    # -- words --------------------------------------------------------------------------------

    def _gone(self, request: HttpRequest, object_id: str) -> HttpResponse:
        name = unquote(object_id)
        self.message_user(request, f"There is no {self.opts.verbose_name} {name}.", messages.WARNING)
        return HttpResponseRedirect(self._address("changelist"))

    def _what(self, obj: Model) -> str:
        return f"{str(self.opts.verbose_name).capitalize()} {obj}"

    def _address(self, page: str, obj: Model | None = None) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=[quote(obj.pk)] if obj else [], current_app=self.admin_site.name)


class _Entries(Sequence[Entry]):
    """A history, the newest first, of which no more is read than is asked for.

    A board that runs jobs has tens of thousands of entries; `version` is that of the last one.
    """

    def __init__(self, version: int, read: Callable[..., list[Entry]]) -> None:
        self._version, self._read = version, read

    def __len__(self) -> int:
        return self._version

    @overload
    def __getitem__(self, asked: int) -> Entry: ...

    @overload
    def __getitem__(self, asked: slice) -> list[Entry]: ...

    def __getitem__(self, asked: int | slice) -> Entry | list[Entry]:
        if isinstance(asked, int):
            return self[range(self._version)[asked] : range(self._version)[asked] + 1][0]
        start, stop, _ = asked.indices(self._version)
        return self._read(before=self._version + 1 - start, limit=max(0, stop - start))


def badge(kind: str, word: str, title: str = "") -> SafeString:
    """Return a word that also has a colour."""
    return format_html('<span class="lb-badge lb-{}" title="{}">{}</span>', kind, title, word)


def monospace(text: str) -> SafeString:
    return format_html('<pre class="lb-config">{}</pre>', text)
