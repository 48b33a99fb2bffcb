"""Leases: by renewing its own a worker shows that it is alive. Rows, not events: they are no history."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from jobs.models import Lease

SECONDS = 60
"""How long a worker may be silent before its job is given up."""
RENEW_EVERY = 10.0
"""Seconds. Several renewals may fail before anything is lost."""


def grant(job: int, fence: int, worker: str) -> None:
    """Begin a lease."""
    Lease.objects.update_or_create(job=job, defaults={"fence": fence, "worker": worker, "until": _until()})


def renew(job: int, fence: int) -> bool:
    """Extend a lease; returns whether it was there to be extended."""
    return bool(Lease.objects.filter(job=job, fence=fence).update(until=_until()))


def heard_of(job: int, fence: int) -> datetime | None:
    """Return when the worker last showed that it is alive; None where there is no lease."""
    until = Lease.objects.filter(job=job, fence=fence).values_list("until", flat=True).first()
    return None if until is None else until - timedelta(seconds=SECONDS)


def drop(job: int, fence: int) -> None:
    """End a lease: the job has ended."""
    Lease.objects.filter(job=job, fence=fence).delete()


def expired() -> list[Lease]:
    """The leases that ran out."""
    return list(Lease.objects.filter(until__lt=timezone.now()).order_by("job"))


def _until() -> datetime:
    return timezone.now() + timedelta(seconds=SECONDS)
