"""What people may do to a running job with their hands: take a keyboard, type, give it back; hold the job.

Commands like those of `jobs.commands`: pages, API, sockets and command lines all call these.
"""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.db import transaction

from jobs import access
from jobs.commands import retried
from jobs.domain import hand_rules
from jobs.domain import job as life
from jobs.domain.hands import Keyboard
from jobs.hand_projections import HELD
from jobs.loading import load_job
from jobs.models import Job as JobRow
from jobs.models import KeyboardInput, Phase
from jobs.sight import User
from lab.eventstore import live
from lab.eventstore.store import store
from lab.kernel.errors import NotPermitted, Rejected
from lab.kernel.events import Event, Meta
from lab.kernel.ports import Append

MOST_TYPED = 16 * 1024
"""Bytes that may be typed at once. More comes in several pieces."""
LONGEST_REASON = 500
NOBODYS = 0
"""A ticket that is never given."""
READ_WITHIN = 10.0
"""Seconds in which the worker of a job reads what was typed, if it ever does."""


def take_keyboard(number: int, node: int, *, user: User, cause: str) -> Keyboard:
    """Take the keyboard of a node: from now on only this user types there.

    Raises `hand_rules.Taken` where somebody else has it, `Rejected` where nobody can type.
    """
    access.require(user, "console", number)
    name = user.get_username()

    def once() -> Keyboard:
        job, version = load_job(number)
        ticket = version + 1  # given once, and rises with every taking
        events = hand_rules.take_keyboard(job, node, user=name, ticket=ticket, at=time.time())
        _append(number, version, events, Meta(actor=name, cause=cause))
        return Keyboard(node=node, user=name, ticket=ticket, since=time.time())

    return retried(once)


def give_keyboard(
    number: int, node: int, *, ticket: int | None = None, reason: str, user: User, cause: str
) -> bool:
    """Give a keyboard back; returns whether it was still taken.

    `ticket`: only if it is that taking. Without one the keyboard of somebody else can be taken away, by who
    may cancel the job.
    """
    access.require(user, "see", number)
    name = user.get_username()

    def once() -> bool:
        job, version = load_job(number)
        hand_rules.name_of(job, node)
        held = hand_rules.keyboard_of(job, node)
        if held is not None and ticket not in (None, held.ticket):
            return False
        if held is not None and held.user != name and not access.may(user, "cancel", number):
            raise NotPermitted(
                f"{held.user} has the keyboard: only {held.user} and who may cancel the job can give it back."
            )
        events = hand_rules.give_keyboard(job, node, ticket=ticket, reason=reason, at=time.time())
        if not events:
            return False
        _append(number, version, events, Meta(actor=name, cause=cause))
        return True

    return retried(once)


def type_keys(number: int, node: int, ticket: int, data: bytes, *, user: User) -> None:
    """Type on a node's console. What reaches it is recorded there, by the worker that runs the job.

    Raises `Rejected` if the ticket is not (any more) the one by which this user has the keyboard.
    """
    access.require(user, "console", number)
    if not data:
        return
    if len(data) > MOST_TYPED:
        raise Rejected(f"At most {MOST_TYPED} bytes can be typed at once, not {len(data)}.")
    with transaction.atomic():
        held = _held(number, node)
        if held is None or (held["ticket"], held["user"]) != (ticket, user.get_username()):
            raise Rejected("This keyboard was given back, or somebody else has it: nothing was typed.")
        KeyboardInput.objects.create(job=number, node=node, ticket=ticket, data=data)
        live.ring_on_commit()


def hand_back(number: int, node: int, *, ticket: int | None = None, user: User, cause: str) -> None:
    """Give back the keyboard that is taken now, once the worker has read what this user has typed: what it
    finds there afterwards is dropped. The keyboard of somebody else is taken away at once.

    `ticket`: only if it is that taking. What is taken meanwhile is never given back. Raises `Rejected` if not
    all was read, as far as is known; the keyboard is given back nevertheless.
    """
    access.require(user, "see", number)
    held = _held(number, node)
    if ticket is None:
        ticket = held["ticket"] if held else NOBODYS
    name = user.get_username()
    of_others = held is not None and held["ticket"] == ticket and held["user"] != name
    read = of_others or _is_read(number, node, ticket)
    give_keyboard(number, node, ticket=ticket, reason=f"{name} gave it back", user=user, cause=cause)
    if not read:
        raise Rejected(
            "The keyboard is given back, but the job's worker did not read all that was typed before:"
            " what was typed last did not get to the console, or only a part of it."
        )


def _is_read(number: int, node: int, ticket: int) -> bool:
    """Return whether all that was typed is read, as soon as that is known; no later than a worker takes."""
    left = KeyboardInput.objects.filter(job=number, node=node, ticket=ticket)
    if not left.exists():
        return True
    until = time.monotonic() + READ_WITHIN
    # Once it is given back what is left is dropped: that it is gone then says nothing.
    while (held := _held(number, node)) is not None and held["ticket"] == ticket:
        if not left.exists():
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return False


def _held(number: int, node: int) -> dict[str, Any] | None:
    """Return who has the keyboard of a node, as its row says."""
    taken = JobRow.objects.filter(pk=number).values_list("keyboards", flat=True).first() or []
    return next((one for one in taken if one["node"] == node), None)


def hold_job(
    number: int, seconds: int, reason: str = "", *, if_failed: bool = False, user: User, cause: str
) -> None:
    """Have a job held when its work is done, before its clean-up; held already, until so long from now."""
    access.require(user, "hold", number)
    name = user.get_username()

    def once() -> None:
        job, version = load_job(number)
        kinds = Phase.objects.filter(job=number, node=0, phase__in=("close", HELD))
        phases = set(kinds.values_list("phase", flat=True))
        events = hand_rules.hold(
            job,
            user=name,
            seconds=seconds,
            reason=reason.strip()[:LONGEST_REASON],
            if_failed=if_failed,
            longest=int(settings.LABBOOK["MAX_HOLD"]),
            at=time.time(),
            cleaning="close" in phases,
            held=HELD in phases,
        )
        _append(number, version, events, Meta(actor=name, cause=cause))

    retried(once)


def release_job(number: int, reason: str = "", *, user: User, cause: str) -> None:
    """Let a held job go on to its clean-up, or one that is to be held end as usual."""
    access.require(user, "hold", number)
    name = user.get_username()

    def once() -> None:
        job, version = load_job(number)
        events = hand_rules.release(job, user=name, reason=reason.strip()[:LONGEST_REASON], at=time.time())
        if events:
            _append(number, version, events, Meta(actor=name, cause=cause))

    retried(once)


def forget_keys() -> None:
    """Take away what was typed for jobs that have ended: a worker that is lost takes nothing away."""
    KeyboardInput.objects.exclude(job__in=JobRow.objects.filter(open=1).values("pk")).delete()


def _append(number: int, version: int, events: list[Event], meta: Meta) -> None:
    store.append(Append(stream=life.stream(number), expected=version, events=events), meta=meta)
