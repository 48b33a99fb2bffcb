"""Who has the keyboard of a node, and how long a job is held: what is known of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from jobs.domain.hands_events import (
    HoldExtended,
    HoldRequested,
    HoldStarted,
    KeyboardTaken,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyboard:
    """Somebody may type on a node's console."""

    node: int
    user: str
    ticket: int
    since: float
    """Seconds since the epoch."""

    @classmethod
    def of(cls, taken: KeyboardTaken) -> Keyboard:
        return cls(node=taken.node, user=taken.user, ticket=taken.ticket, since=taken.at)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Keyboard:
        return cls(**data)

    def as_json(self) -> dict[str, Any]:
        return {"node": self.node, "user": self.user, "ticket": self.ticket, "since": self.since}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A job is to be held, or is held, before its clean-up."""

    user: str
    seconds: int
    reason: str
    if_failed: bool
    since: float | None = None
    """When it began, in seconds since the epoch; None: its work is not done yet."""
    until: float | None = None

    @property
    def begun(self) -> bool:
        return self.since is not None

    @property
    def words(self) -> str:
        """For whom it is held, and why."""
        return f"held by {self.user}" + (f": {self.reason}" if self.reason else "")

    @classmethod
    def of(cls, requested: HoldRequested) -> Hold:
        return cls(
            user=requested.user,
            seconds=requested.seconds,
            reason=requested.reason,
            if_failed=requested.if_failed,
        )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Hold:
        return cls(**data)

    def as_json(self) -> dict[str, Any]:
        return {
            "user": self.user,
            "seconds": self.seconds,
            "reason": self.reason,
            "if_failed": self.if_failed,
            "since": self.since,
            "until": self.until,
        }

    def started(self, event: HoldStarted) -> Hold:
        return replace(self, since=event.at, until=event.until)

    def extended(self, event: HoldExtended) -> Hold:
        return replace(self, user=event.user, until=event.until, reason=event.reason or self.reason)
