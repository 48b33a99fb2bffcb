"""Lists of jobs that a user wants to see again, under names. No part of the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import QueryDict

from jobs.models import SavedView
from lab.kernel.errors import NotFound, Rejected

User = AbstractBaseUser | AnonymousUser
FILTERS = ("state", "submitter", "board", "type", "q", "sort")
"""What a view may hold: the filters in the address of the list."""
MOST = 20
"""That one user may keep."""
LONGEST_NAME = 60
LONGEST_QUERY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    name: str
    filters: dict[str, str]
    query: str
    """The filters as the list's address has them."""


def views(user: User) -> list[View]:
    """Return the views of a user, by name."""
    kept = SavedView.objects.filter(user=user.pk).order_by("name")
    return [_view(row) for row in kept]


def view(user: User, name: str) -> View:
    """Return one of them. Raises `NotFound`."""
    row = SavedView.objects.filter(user=user.pk, name=name).first()
    if row is None:
        raise NotFound(f"You have no view {name!r}.")
    return _view(row)


def keep(user: User, name: str, filters: Mapping[str, str]) -> View:
    """Keep filters under a name; what had the name before is replaced. Raises `Rejected`."""
    owner = user.pk
    assert owner is not None  # who is logged in has an account
    name = name.strip()
    chosen = {key: value for key in FILTERS if (value := filters.get(key, "").strip())}
    query = urlencode(chosen)
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Rejected(f"A view needs a name, of up to {LONGEST_NAME} characters.")
    if not chosen or len(query) > LONGEST_QUERY:
        raise Rejected("A view needs at least one filter, and not more than fit into an address.")
    mine = SavedView.objects.filter(user=owner)
    if mine.exclude(name=name).count() >= MOST:
        raise Rejected(f"There may be {MOST} views: forget one first.")
    row, _ = mine.update_or_create(name=name, defaults={"user_id": owner, "query": query})
    return _view(row)


def forget(user: User, name: str) -> None:
    """Forget a view, if it is there."""
    SavedView.objects.filter(user=user.pk, name=name).delete()


def _view(row: SavedView) -> View:
    filters = {key: value for key, value in QueryDict(row.query).items() if isinstance(value, str)}
    return View(name=row.name, filters=filters, query=row.query)
