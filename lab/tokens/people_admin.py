"""Users and groups in the admin: Django's own pages, but nobody makes themselves more than they are.

With Django's defaults, whoever may change users can make anybody a superuser, or set a superuser's password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest

TOLD = ("last_login", "date_joined")
"""What happened is not edited."""
POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")
"""What only superusers give and take."""

if TYPE_CHECKING:
    Users = UserAdmin[User]
else:
    Users = UserAdmin


class PeopleAdmin(Users):
    list_display = (
        "username",
        "email",
        "shown_groups",
        "is_active",
        "is_staff",
        "is_superuser",
        "last_login",
    )
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = [*super().get_readonly_fields(request, obj), *TOLD]
        return fields if _superuser(request) else [*fields, *POWERS]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Delete those that the actor may delete."""
        super().delete_queryset(
            request, queryset if _superuser(request) else queryset.filter(is_superuser=False)
        )

    @admin.display(description="groups")
    def shown_groups(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all()) or "–"


class PeopleGroupAdmin(GroupAdmin):
    list_display = ("name", "members")

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        return () if _superuser(request) else ("permissions",)

    @admin.display(description="members")
    def members(self, group: Group) -> str:
        return str(group.user_set.count())


def _superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _may_touch(request: HttpRequest, obj: User | None) -> bool:
    return obj is None or not obj.is_superuser or _superuser(request)


def register() -> None:
    """Put these in the place of Django's."""
    admin.site.unregister([User, Group])
    admin.site.register(User, PeopleAdmin)
    admin.site.register(Group, PeopleGroupAdmin)
