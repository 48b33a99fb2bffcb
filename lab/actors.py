"""Who does something: a user, or Labbook itself. The one way in which commands check permissions.

Commands take ``actor``. A user object is somebody at a page, an API client or the admin, and needs the
permission; commands ask, so pages need not. A string is trusted code acting by itself: ``lab``,
``worker:<name>``, or ``cli:<login name>`` for whoever may run ``manage.py`` and so owns the database anyway.
The name of a user as a string is refused, so that nobody gets past the check by passing one.
"""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin

from lab.kernel.errors import NotPermitted

Actor = str | AbstractBaseUser | AnonymousUser
LAB = "lab"


def authorise(actor: Actor, permission: str, to_do: str) -> str:
    """Return the actor's name for the log. `to_do` completes "may not …".

    Raises `NotPermitted` if a user lacks `permission` (``devices.change_board``) or is not active.
    """
    if isinstance(actor, str):
        if actor != LAB and not actor.startswith(("worker:", "cli:")):
            raise ValueError(f"actor {actor!r} is no part of Labbook: pass the user object of a person")
        return actor
    if not isinstance(actor, PermissionsMixin | AnonymousUser) or not actor.has_perm(permission):
        who = actor.get_username() or "Somebody who is not logged in"
        raise NotPermitted(f"{who} may not {to_do}: that needs the permission {permission}.")
    return str(actor.get_username())
