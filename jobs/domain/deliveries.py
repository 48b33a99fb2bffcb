"""Who is told how a job ended, and when it is tried again: mails, and results that go to a server.

A delivery is planned in the step that ends its job, so none is forgotten. An attempt is an event before it is
made: of two workers that have got the same task one finds it taken. What a worker began and never ended is
begun again after `ABANDONED` seconds, so what is delivered comes once, except where a worker died between the
other side's answer and its record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jobs.domain.definition.model import Definition, SubmitResults
from jobs.domain.definition.values import is_http
from jobs.domain.events import DeliveryBegun, DeliveryEnded, DeliveryKind, DeliveryPlanned, Outcome

ABANDONED = 600.0
"""Seconds after which an attempt that has not ended is over; longer than any may take."""

State = Literal["planned", "sending", "waiting", "delivered", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What decisions about a delivery are made from."""

    number: int
    kind: DeliveryKind
    target: str
    stream: str = ""
    state: State = "planned"
    attempts: int = 0
    due: float | None = None
    """Seconds since the epoch."""


class NotDue(Exception):
    """There is nothing to do for it now: it has arrived, is given up, is under way, or not yet due."""


def plan(definition: Definition, outcome: Outcome) -> list[DeliveryPlanned]:
    """Return the deliveries of a job that ended like this: mails first, each address and server once."""
    addresses = list(definition.notify)
    if outcome != "complete":
        addresses += definition.notify_on_incomplete
    sent = [
        action
        for action in definition.actions
        if isinstance(action, SubmitResults) and is_http(action.server)
    ]
    wanted: list[tuple[DeliveryKind, str, str]] = [("mail", one, "") for one in addresses]
    wanted += [("results", action.server, action.stream) for action in sent]
    return [
        DeliveryPlanned(number=number, kind=kind, target=target, stream=stream)
        for number, (kind, target, stream) in enumerate(dict.fromkeys(wanted), 1)
    ]


def begin(delivery: Delivery, now: float) -> DeliveryBegun:
    """Take it for an attempt. Raises `NotDue`."""
    if delivery.due is None:
        raise NotDue(f"delivery {delivery.number} is over: {delivery.state}")
    if delivery.state == "sending" and now < delivery.due:
        raise NotDue(f"delivery {delivery.number} is under way")
    if now < delivery.due:
        raise NotDue(f"delivery {delivery.number} is not due for {delivery.due - now:.0f} s")
    return DeliveryBegun(number=delivery.number, attempt=delivery.attempts + 1, at=now)


def end(
    delivery: Delivery,
    *,
    now: float,
    ok: bool,
    message: str,
    delays: Sequence[float],
    hopeless: bool = False,
) -> DeliveryEnded:
    """Record what came of the attempt; a failed one is repeated after the next of `delays` (seconds).

    `hopeless`: the other side has said that it never will.
    """
    again = None
    if not ok and not hopeless and delivery.attempts <= len(delays):
        again = now + delays[delivery.attempts - 1]
    return DeliveryEnded(
        number=delivery.number,
        attempt=delivery.attempts,
        ok=ok,
        message=message[:1000],
        again_at=again,
        at=now,
    )
