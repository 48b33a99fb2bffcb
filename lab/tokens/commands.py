"""Making and revoking tokens; the profile page and the API call these."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import User

from lab.kernel.errors import NotFound, NotPermitted, Rejected
from lab.tokens.models import MOST_DAYS, SCOPES, ApiToken, new_token

MOST_TOKENS = 50
"""That one user may have."""


def tokens(user: User) -> list[ApiToken]:
    """Return the tokens of a user, by name."""
    return list(ApiToken.objects.filter(user=user).order_by("name", "id"))


def token(user: User, number: int) -> ApiToken:
    """Return one of them. Raises `NotFound`."""
    found = ApiToken.objects.filter(user=user, pk=number).first()
    if found is None:
        raise NotFound(f"You have no token {number}.")
    return found


def make(
    user: User, name: str, *, scopes: Collection[str], days: int | None, by: ApiToken | None = None
) -> tuple[ApiToken, str]:
    """Make a token; returns what is kept of it, and the token, which can be seen this once.

    `by`: the token of the program that asks. It can make none that may more, or lasts longer, than itself.
    Raises `Rejected`, `NotPermitted`.
    """
    name = " ".join(name.split())
    if not name or len(name) > 100 or not name.isprintable():
        raise Rejected("Say in up to 100 characters what the token is for.")
    if not scopes or (unknown := set(scopes) - set(SCOPES)):
        named = f", not {', '.join(sorted(unknown))}" if scopes else ""
        raise Rejected(f"A token is for some of {', '.join(SCOPES)}{named}.")
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise Rejected(f"A token is good for 1 to {MOST_DAYS} days, or until it is revoked.")
    if by is not None and (more := set(scopes) - set(by.scopes)):
        raise NotPermitted(
            f"A token makes none that may more than itself: it lacks {', '.join(sorted(more))}."
        )
    if ApiToken.objects.filter(user=user).count() >= MOST_TOKENS:
        raise Rejected(f"You have {MOST_TOKENS} tokens: revoke one first.")
    return new_token(user, name, scopes=scopes, days=days, latest=by.expires_at if by else None)


def revoke(user: User, number: int) -> ApiToken:
    """Take a token back: from now on it opens nothing. Raises `NotFound`."""
    found = token(user, number)
    found.delete()
    return found
