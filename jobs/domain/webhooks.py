"""Webhooks: which events a user wants to be sent, how a message is signed, when it is sent again.

Signatures are those of the Standard Webhooks specification (standardwebhooks.com): HMAC-SHA256 over
``id.timestamp.body``, keyed by what follows ``whsec_`` in the secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

USUAL = ("job.submitted", "job.started", "job.finished")
"""What most want to know."""
TEST = "webhook.test"
"""The type of a message that tries a webhook. No event of the log has it."""
SECRET = "whsec_"
JITTER = 0.2
"""Share of a delay by which it is made longer or shorter, so that not all come back at once."""
TRIES_IN_ORDER = 3
"""Attempts after which a message that its receiver answers, but does not take, holds up no others."""
BUSY = (408, 425, 429, 502, 503, 504)
"""Answers that say nothing about the message: there is nobody who could take any."""
GONE = 410
"""The answer by which a receiver says that it wants nothing any more."""
LONGEST_WAIT = 24 * 3600.0
"""Seconds that a receiver may ask to be left alone."""

State = Literal["on", "off", "broken", "done"]
"""``off``: by its owner; ``broken``: by the lab, nothing got through; ``done``: its only job has ended."""
MessageState = Literal["waiting", "sending", "delivered", "failed", "withheld", "skipped"]
"""``withheld``: its owner may not know of it any more; ``skipped``: he wanted only what comes later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an event is about, as far as wishes can tell it apart."""

    type: str
    stream: str
    job: int | None = None
    submitter: str = ""
    job_name: str = ""
    board: str = ""
    host_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Which events are wanted: those for which everything that is said here holds."""

    types: tuple[str, ...] = USUAL
    """Names of types; ``job.*`` and ``*`` stand for many."""
    mine: bool = True
    """Only jobs that the user submitted."""
    job: int | None = None
    job_name: str = ""
    """May hold ``*`` and ``?``."""
    board: str = ""
    host_type: str = ""


def wanted(wishes: Wishes, user: str, subject: Subject) -> bool:
    """Whether the event is one of those that the user wants. What he may see is another question."""
    if not any(fnmatchcase(subject.type, pattern) for pattern in wishes.types):
        return False
    if wishes.job is not None and subject.job != wishes.job:
        return False
    if wishes.mine and (subject.job is None or subject.submitter != user):
        return False
    if wishes.job_name and (subject.job is None or not fnmatchcase(subject.job_name, wishes.job_name)):
        return False
    if wishes.host_type and subject.host_type != wishes.host_type:
        return False
    return not wishes.board or wishes.board == subject.board


def unknown_types(patterns: Sequence[str], types: Collection[str]) -> list[str]:
    """Return the patterns that no type of event is meant by."""
    return [
        pattern
        for pattern in patterns
        if pattern not in types
        and pattern != "*"
        and not (pattern.endswith(".*") and any(one.startswith(pattern[:-1]) for one in types))
    ]


def secret_of(key: bytes) -> str:
    """Return a key as its owner is shown it."""
    return SECRET + base64.b64encode(key).decode()


def signature(key: bytes, message: str, timestamp: int, body: bytes) -> str:
    """Return what the header ``webhook-signature`` says of a message; several are joined by spaces."""
    digest = hmac.digest(key, f"{message}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def again_at(
    attempts: int, *, now: float, delays: Sequence[float], chance: float, asked: float = 0.0
) -> float | None:
    """Return when a message is sent again after so many attempts; None: never.

    `chance` (0 … 1) spreads the delay by `JITTER`; `asked`: how many seconds the receiver asked for.
    """
    if attempts > len(delays):
        return None
    delay = delays[attempts - 1] * (1 + JITTER * (2 * chance - 1))
    return now + max(delay, min(asked, LONGEST_WAIT))


def holds_up(attempts: int, status: int | None) -> bool:
    """Whether later messages wait for one whose last attempt ended so; None: there was no answer."""
    return status is None or status in BUSY or attempts < TRIES_IN_ORDER
