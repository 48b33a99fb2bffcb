"""Filters of the inventory's lists in the admin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from devices.models import Board, DeviceType

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
