"""A stream of the inventory told in words: what happened, what it changed from and to, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from devices.domain import board as boards
from devices.domain import device_type as types
from devices.domain.board import Board
from devices.domain.device_type import DeviceType
from devices.domain.errand_events import (
    BoardErrandEnded,
    BoardErrandRequested,
    BoardErrandStarted,
    BoardErrandStep,
    BoardReleaseForced,
)
from devices.domain.events import (
    BoardAccessChanged,
    BoardBroughtOnline,
    BoardChanged,
    BoardCheckQueued,
    BoardCheckRequested,
    BoardCheckUndecided,
    BoardHealthChanged,
    BoardPowerSwitched,
    BoardRegistered,
    BoardReleased,
    BoardReserved,
    BoardRetired,
    BoardTakenOffline,
    DeviceTypeAccessChanged,
    DeviceTypeChanged,
    DeviceTypeRegistered,
    DeviceTypeRetired,
)
from lab.kernel.events import Event, Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value before and after; None where there was or is none."""

    what: str
    """Field or path below ``config``, for example ``config.ssh.port``."""
    old: str | None
    new: str | None

    def __str__(self) -> str:
        new = "nothing" if self.new is None else self.new or "empty"
        return f"{self.what}: {new}" if self.old is None else f"{self.what}: {self.old or 'empty'} → {new}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event in words."""

    position: int
    version: int
    at: datetime
    who: str
    cause: str
    """The interface it came by."""
    type: str
    text: str
    changes: tuple[Change, ...]
    why: str


def board_history(recorded: Iterable[Recorded], state: Board | None = None) -> list[Entry]:
    """Tell a board's stream, in its order; `state` is what it was before the first of these events."""
    state, entries = state or Board(), []
    for one in recorded:
        text, changes, why = _board_words(state, one.event)
        entries.append(_entry(one, text, changes, why))
        state = boards.apply(state, one.event)
    return entries


def device_type_history(recorded: Iterable[Recorded], state: DeviceType | None = None) -> list[Entry]:
    """Tell a device type's stream, in its order; `state` as for a board."""
    state, entries = state or DeviceType(), []
    for one in recorded:
        text, changes, why = _type_words(state, one.event)
        entries.append(_entry(one, text, changes, why))
        state = types.apply(state, one.event)
    return entries


Words = tuple[str, list[Change], str]
DONE = {"pass": "works", "fail": "does not work", "skip": "not tried"}
"""What a step came to. What it said is not for everybody who reads a history."""


def _board_words(state: Board, event: Event) -> Words:
    match event:
        case BoardRegistered():
            shown = {
                key: getattr(event, key) for key in ("device_type", "site", "tags", "description", "config")
            }
            return "registered", differences({}, {"cloned_from": event.cloned_from, **shown}), ""
        case BoardChanged():
            old = {key: getattr(state, key) for key in event.changes}
            return _changed(event.changes), differences(old, event.changes), event.reason
        case BoardAccessChanged():
            return _access_words(state.access, event.access, event.reason)
        case BoardReserved():
            return f"reserved for job {event.job}", [], ""
        case BoardReleased():
            return f"released by job {event.job}", [], event.reason
        case BoardTakenOffline(quarantined=True):
            return "still quarantined" if state.quarantined else "quarantined", [], event.reason
        case BoardTakenOffline():
            return "still offline" if state.offline else "taken offline", [], event.reason
        case BoardBroughtOnline():
            words = "quarantine ended, brought online" if state.quarantined else "brought online"
            return words, [], event.reason
        case BoardHealthChanged():
            by = f", found by job {event.job}" if event.job is not None else ""
            change = Change(what="health", old=state.health, new=event.health)
            return f"health is {event.health}{by}", [change] if change.old != change.new else [], event.reason
        case BoardCheckRequested():
            words = "health check asked for" + (", before any other job" if event.first else "")
            return words, [], event.reason
        case BoardCheckQueued():
            return f"health check queued, job {event.job}", [], ""
        case BoardCheckUndecided(job=None):
            return "health check could not be submitted", [], event.reason
        case BoardCheckUndecided():
            words = f"health check, job {event.job}, ended undecided" + (", once more" if event.again else "")
            return words, [], event.reason
        case BoardPowerSwitched():
            done = "switched off and on again" if event.action == "cycle" else f"switched {event.action}"
            return (
                f"power {done} by hand" + ("" if event.power == "unknown" else f", is {event.power}"),
                [],
                "",
            )
        case BoardReleaseForced():
            held = f", which {event.worker} had begun" if event.worker else ""
            return f"taken from job {event.job} ({event.was}{held})", [], event.reason
        case BoardRetired():
            return "retired", [], event.reason
    return _errand_words(state, event), [], event.reason if isinstance(event, BoardErrandEnded) else ""


def _errand_words(state: Board, event: Event) -> str:
    if "console" in (state.errand_what, getattr(event, "what", "")):
        return _console_words(state, event)
    what = "test of its connections" if state.errand_what == "test" else f"power {state.errand_what}"
    what = what if state.errand_what else "errand"  # its request is on an earlier page
    match event:
        case BoardErrandRequested():
            return (
                "test of its connections asked for"
                if event.what == "test"
                else f"power {event.what} asked for"
            )
        case BoardErrandStarted():
            return f"{what} begun by {event.worker}"
        case BoardErrandStep():
            return f"{event.step} {DONE[event.result]}"
        case BoardErrandEnded():
            return f"{what} " + {"pass": "passed", "fail": "failed", "lost": "lost"}[event.outcome]
    return event.type


def _console_words(state: Board, event: Event) -> str:
    match event:
        case BoardErrandRequested():
            return f"reserved for {event.by or 'somebody'} who wants to type on its console"
        case BoardErrandStarted():
            return f"console taken by {state.errand_by or event.worker}"
        case BoardErrandStep(step="console"):
            return "console left" if event.result == "pass" else "console failed"
        case BoardErrandStep():
            return f"{event.step} {DONE[event.result]}"
        case BoardErrandEnded():
            return "console given back" if event.outcome == "pass" else "console lost"
    return event.type


def _type_words(state: DeviceType, event: Event) -> Words:
    match event:
        case DeviceTypeRegistered():
            shown = {key: getattr(event, key) for key in ("kind", "base", "description", "config")}
            return "registered", differences({}, shown), ""
        case DeviceTypeChanged():
            old = {key: getattr(state, key) for key in event.changes}
            return _changed(event.changes), differences(old, event.changes), event.reason
        case DeviceTypeAccessChanged():
            return _access_words(state.access, event.access, event.reason)
        case DeviceTypeRetired():
            return "retired", [], event.reason
    return event.type, [], ""


def _access_words(old: Mapping[str, Any], new: Mapping[str, Any], reason: str) -> Words:
    return "changed who may do what", differences({"access": old}, {"access": new}), reason


def _changed(changes: Mapping[str, Any]) -> str:
    return f"changed {' and '.join(changes)}".replace("_", " ")


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return what differs, leaf by leaf; a text that is empty before and after is no difference."""
    before, after = _leaves("", old), _leaves("", new)
    paths = [*after, *(path for path in before if path not in after)]
    return [
        Change(
            what=path.replace("_", " ") if "." not in path else path,
            old=before.get(path),
            new=after.get(path),
        )
        for path in paths
        if before.get(path) != after.get(path) and (before.get(path) or after.get(path))
    ]


def _leaves(path: str, value: Any) -> dict[str, str]:
    """Return the texts at the ends of nested mappings by path."""
    if isinstance(value, Mapping):
        found: dict[str, str] = {}
        for key, below in value.items():
            found |= _leaves(f"{path}.{key}" if path else str(key), below)
        return found
    if isinstance(value, list | tuple) and any(isinstance(entry, Mapping) for entry in value):
        return {
            leaf: text
            for index, entry in enumerate(value)
            for leaf, text in _leaves(f"{path}[{index}]", entry).items()
        }
    if isinstance(value, list | tuple):
        return {path: ", ".join(str(entry) for entry in value)}
    return {path: str(value)}


def _entry(recorded: Recorded, text: str, changes: list[Change], why: str) -> Entry:
    return Entry(
        position=recorded.position,
        version=recorded.version,
        at=recorded.recorded_at,
        who=recorded.meta.actor,
        cause=recorded.meta.cause,
        type=recorded.event.type,
        text=text,
        changes=tuple(changes),
        why=why,
    )
