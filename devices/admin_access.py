"""The admin's page about who may do what with a board or a device type."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from devices import board_commands, seen, type_commands
from devices.admin_pages import InventoryAdmin
from devices.domain import names
from devices.domain.access import RIGHTS, WORDS
from devices.models import Board
from devices.seen import AccessView
from lab.kernel.errors import Rejected


class AccessForm(forms.Form):
    """A list for each right, an entry on each line."""

    reason = forms.CharField(
        required=False,
        max_length=names.MAX_REASON,
        label="Reason for the change",
        help_text="Goes into the history.",
    )
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, shown: AccessView, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own, effective = shown.own or {}, shown.effective or {}
        lists = {
            right: forms.CharField(
                required=False,
                label=right,
                initial="\n".join(own.get(right, ())),
                help_text=_help(right, own, effective),
                widget=forms.Textarea(attrs={"rows": 3, "cols": 40, "spellcheck": "false"}),
            )
            for right in RIGHTS
        }
        self.fields = lists | self.fields
        self.initial.setdefault("version", shown.version)

    def lists(self) -> dict[str, list[str]]:
        """Return the lists as they were written."""
        return {
            right: [line.strip() for line in self.cleaned_data[right].splitlines() if line.strip()]
            for right in RIGHTS
        }


def _help(right: str, own: dict[str, list[str]], effective: dict[str, list[str]]) -> str:
    words = f"Who may {WORDS[right]}."  # type: ignore[index]  # one of the rights
    if right in own or right not in effective:
        return words
    return f"{words} Left empty, as its type or the lab says: {', '.join(effective[right])}."


class AccessPages(InventoryAdmin):
    """The pages of things that have lists."""

    def get_urls(self) -> list[URLPattern]:
        info = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view(self.access_view)
        return [path("<path:object_id>/access/", view, name=f"{info}_access"), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        has_lists = obj is not None and self.has_change_permission(request, obj)
        context = {"has_lists": has_lists} | (extra_context or {})
        return super().change_view(request, object_id, form_url, context)

    def access_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the lists of a board or a type; change them by the command."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._gone(request, object_id)
        if not self.has_change_permission(request, obj):
            raise PermissionDenied
        is_board = self.model is Board
        shown = (seen.board_access if is_board else seen.type_access)(request.user, obj.pk)
        form = AccessForm(shown, request.POST if request.method == "POST" else None)
        if form.is_valid():
            change = (
                board_commands.change_board_access if is_board else type_commands.change_device_type_access
            )
            try:
                change(
                    obj.pk,
                    form.lists(),
                    form.cleaned_data["reason"],
                    actor=request.user,
                    cause="admin",
                    expected_version=form.cleaned_data["version"],
                )
            except Rejected as exc:
                form.add_error(None, str(exc))
            else:
                self.message_user(request, f"{self._what(obj)}: it is on record.", messages.SUCCESS)
                return HttpResponseRedirect(self._address("change", obj))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": f"Who may do what with {obj}",
            "object": obj,
            "form": form,
            "back": self._address("change", obj),
        }
        return TemplateResponse(request, "admin/devices/access.html", context)
