"""Who may use the API at all. What somebody may see or do with a job is for queries and commands to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from lab.tokens.models import ApiToken

if TYPE_CHECKING:  # the framework imports this module while it is being imported
    from rest_framework.views import APIView


class MayUseApi(BasePermission):
    """Users may; visitors may read, where the site lets them; programs what their token is for.

    Reading needs the scope ``read``. What else a view does needs its `scope`, ``submit`` unless it says so.
    """

    message = ""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if isinstance(request.auth, ApiToken):
            scope = "read" if request.method in SAFE_METHODS else getattr(view, "scope", "submit")
            if scope not in request.auth.scopes:
                self.message = f"This token is not for that: it lacks the scope {scope}."
                return False
        visitors: bool = settings.LABBOOK["ANONYMOUS_READ"]
        return bool(request.user.is_authenticated) or (visitors and request.method in SAFE_METHODS)
