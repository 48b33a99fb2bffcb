"""Which jobs somebody may know of, one by one and as sets for queries: the same rule twice.

A job is seen by those whom its visibility names *and* who may know of the machine that it ran on or is to
run on: its board, or while it has and asks for none, its type. Its submitter sees it in any case, and the
staff of the lab sees all. See docs/permissions.md.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin
from django.db.models import Q

from devices import access
from jobs.domain import job as life
from jobs.models import Job, JobGroup

User = AbstractBaseUser | AnonymousUser
NEEDED = ("visibility", "submitter", "health_check", "board", "pinned_board", "host_type")
"""The fields of a job that `Sight.sees` looks at."""


class Sight:
    """What one person may see, read once: for as many jobs as are asked about, not for longer."""

    def __init__(self, user: User) -> None:
        one = access.person(user)
        self.reads = one.reads
        self._name = one.name
        self._staff = (
            one.known and isinstance(user, PermissionsMixin) and bool(getattr(user, "is_staff", False))
        )
        self._groups = [entry.removeprefix("group:") for entry in one.entries if entry.startswith("group:")]
        self.hidden = access.Names() if self._staff else access.lacking(one, "view")

    def sees(self, row: Job) -> bool:
        """Whether this person may know of a job."""
        return life.may_be_seen(
            row.visibility,
            "" if row.health_check else row.submitter,
            user=self._name,
            staff=self._staff,
            groups=self._groups,
            anonymous_read=self.reads,
            knows_machine=not self._is_hidden(row),
        )

    def those_seen(self, numbers: Iterable[int]) -> set[int]:
        """Those of these jobs that this person may know of."""
        rows = Job.objects.filter(pk__in=list(numbers)).only(*NEEDED)
        return {row.id for row in rows if self.sees(row)}

    def sets(self) -> list[Q]:
        """The jobs that are seen, as sets that each can be read along an index; their union is meant."""
        if not self.reads:
            return []
        if self._staff:
            return [Q(public=1), Q(public=0)]
        known = self._machines()
        sets = [Q(public=1) & known]
        if self._name:
            mine = Q(submitter=self._name, health_check=False)
            sets += [Q(public=0) & mine, *([Q(public=1) & mine] if self.hidden else [])]
        if self._groups:
            shared = JobGroup.objects.filter(group__in=self._groups).values("job")
            sets.append(Q(public=0, pk__in=shared) & known)
        return sets

    def _is_hidden(self, row: Job) -> bool:
        board = row.board or row.pinned_board
        return board in self.hidden.boards if board else row.host_type in self.hidden.types

    def _machines(self) -> Q:
        """The jobs whose machines are known: `_is_hidden` for the database. Empty where nothing is hidden."""
        known = Q()
        if self.hidden.boards:
            known &= ~Q(board__in=self.hidden.boards) & ~Q(board="", pinned_board__in=self.hidden.boards)
        if self.hidden.types:
            known &= ~Q(board="", pinned_board="", host_type__in=self.hidden.types)
        return known
