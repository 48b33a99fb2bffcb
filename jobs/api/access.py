"""Who may use the API at all. What somebody may see or do with a job is for queries and commands to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:  # the framework imports this module while it is being imported
    from rest_framework.views import APIView


class MayUseApi(BasePermission):
    """Users may; visitors may read, where the site lets them."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        visitors: bool = settings.LABBOOK["ANONYMOUS_READ"]
        return bool(request.user.is_authenticated) or (visitors and request.method in SAFE_METHODS)
