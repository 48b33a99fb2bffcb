"""Telling people and servers how a job ended: the commands, and the one attempt between them."""

from __future__ import annotations

import logging
import time

from django.conf import settings

from jobs import mail, queries, result_document, result_post
from jobs.domain import deliveries
from jobs.domain import job as life
from jobs.domain.definition.model import Invalid
from jobs.domain.definition.validate import read_accepted
from jobs.domain.deliveries import Delivery, NotDue
from jobs.domain.events import DeliveryEnded, DeliveryPlanned, Outcome
from jobs.loading import stream_version
from jobs.mail import NotSent
from jobs.models import Delivery as DeliveryRow
from lab.actors import LAB
from lab.eventstore.store import store
from lab.kernel.errors import Conflict
from lab.kernel.events import Event, Meta
from lab.kernel.ports import Append, FollowUp

META = Meta(actor=LAB, cause="task")

log = logging.getLogger(__name__)


def planned(number: int, outcome: Outcome) -> list[DeliveryPlanned]:
    """Return who is to be told that a job has ended like this."""
    try:
        return deliveries.plan(read_accepted(queries.definition_text(number)), outcome)
    except Invalid as exc:
        log.error(
            "job %d: nobody is told that it ended: its definition is no longer accepted: %s", number, exc
        )
        return []


def follow_ups(number: int, planned: list[DeliveryPlanned]) -> list[FollowUp]:
    """The tasks that make the first attempts; the reconciler sees to the others."""
    return [task(number, one.number) for one in planned]


def task(job: int, delivery: int) -> FollowUp:
    return FollowUp(task="jobs.tasks.deliver", args=(job, delivery))


def deliver(job: int, number: int) -> DeliveryEnded:
    """Make one attempt, if one is due. Raises `NotDue`."""
    delivery = _begin(job, number)
    hopeless = False
    try:
        ok, words = True, _attempt(job, delivery)
    except NotSent as exc:
        ok, words, hopeless = False, str(exc), exc.hopeless
    except Exception as exc:  # a bug of ours must not leave it under way
        log.exception("job %d, delivery %d: a bug in Labbook", job, number)
        ok, words = False, f"Labbook itself failed: {type(exc).__name__}"
    delays = settings.LABBOOK["DELIVERY_DELAYS"]
    ended = deliveries.end(delivery, now=time.time(), ok=ok, message=words, delays=delays, hopeless=hopeless)
    while True:
        # Nobody else touches a delivery that is under way: a lost race is about something else of the job.
        try:
            _append(job, ended)
        except Conflict:
            continue
        return ended


def _begin(job: int, number: int) -> Delivery:
    while True:
        version = stream_version(job)
        delivery = load_delivery(job, number)
        try:
            _append(job, deliveries.begin(delivery, time.time()), version)
        except Conflict:
            continue  # decide again: perhaps somebody has taken it
        return load_delivery(job, number)


def load_delivery(job: int, number: int) -> Delivery:
    """Return a delivery as it is now. Raises `NotDue` if there is none."""
    row = DeliveryRow.objects.filter(job=job, number=number).first()
    if row is None:
        raise NotDue(f"job {job} has no delivery {number}")
    return Delivery(
        number=row.number,
        kind=row.kind,  # type: ignore[arg-type]  # written from the same words
        target=row.target,
        stream=row.stream,
        state=row.state,  # type: ignore[arg-type]
        attempts=row.attempts,
        due=row.due,
    )


def _attempt(job: int, delivery: Delivery) -> str:
    if delivery.kind == "mail":
        return mail.send(queries.whole_snapshot(job), delivery.target, delivery.number)
    document = result_document.result_document(job, stream=delivery.stream)
    return result_post.post(delivery.target, document, key=f"labbook-job-{job}-delivery-{delivery.number}")


def _append(job: int, event: Event, version: int | None = None) -> None:
    expected = stream_version(job) if version is None else version
    store.append(Append(stream=life.stream(job), expected=expected, events=[event]), meta=META)
