"""What happens to device types and boards. Streams: ``device-type/<name>`` and ``board/<name>``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from lab.kernel.events import Event, codec

Kind = Literal["board", "vm"]
Health = Literal["unknown", "good", "bad"]

codec.upcaster("device_type.registered", 1)(lambda data: data)
codec.upcaster("board.registered", 1)(lambda data: data)


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTypeRegistered(Event):
    """Schema 1 had no `base`."""

    type = "device_type.registered"
    schema = 2
    name: str
    kind: Kind
    description: str
    config: dict[str, Any]
    base: str = ""
    """The type whose configuration this one's is laid over; empty: none."""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTypeChanged(Event):
    """Only the fields that changed are in `changes`, by name, with their new values."""

    type = "device_type.changed"
    changes: dict[str, Any]
    reason: str = ""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTypeAccessChanged(Event):
    """Who may do what with it from now on: see `devices.domain.access`."""

    type = "device_type.access_changed"
    access: dict[str, list[str]]
    reason: str = ""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTypeRetired(Event):
    type = "device_type.retired"
    reason: str


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRegistered(Event):
    """Schema 1 had no `cloned_from`."""

    type = "board.registered"
    schema = 2
    name: str
    device_type: str
    site: str
    tags: list[str]
    description: str
    config: dict[str, Any]
    cloned_from: str = ""
    """The board it was made after; empty: none."""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardChanged(Event):
    """Only the fields that changed are in `changes`, by name, with their new values."""

    type = "board.changed"
    changes: dict[str, Any]
    reason: str = ""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardAccessChanged(Event):
    """Who may do what with it from now on, where that is not as its type says."""

    type = "board.access_changed"
    access: dict[str, list[str]]
    reason: str = ""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardReserved(Event):
    type = "board.reserved"
    job: int


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardReleased(Event):
    type = "board.released"
    job: int
    reason: str


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardTakenOffline(Event):
    """Out of use by a decision, or because it could not be proven clean (`quarantined`)."""

    type = "board.taken_offline"
    reason: str
    quarantined: bool


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardBroughtOnline(Event):
    type = "board.brought_online"
    reason: str


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardHealthChanged(Event):
    type = "board.health_changed"
    health: Health
    reason: str
    job: int | None = None


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardCheckRequested(Event):
    """Its health is to be checked by a job."""

    type = "board.check_requested"
    reason: str
    first: bool
    """No other job gets the board before it has passed."""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardCheckQueued(Event):
    """Appended together with the `job.submitted` of its health check."""

    type = "board.check_queued"
    job: int


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardCheckUndecided(Event):
    """Its health check ended without saying anything about it; or (`job` None) could not be submitted."""

    type = "board.check_undecided"
    job: int | None
    reason: str
    again: bool
    """Another one takes its place."""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPowerSwitched(Event):
    """Somebody switched its power by hand. What jobs do about power is in their own events."""

    type = "board.power_switched"
    action: str
    """``on``, ``off`` or ``cycle``."""
    power: str
    """What the switch says since: ``on``, ``off``, or ``unknown`` where it cannot tell."""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRetired(Event):
    type = "board.retired"
    reason: str
