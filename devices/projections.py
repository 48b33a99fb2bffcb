"""Read rows of the inventory, drawn from its events by the same `apply` that decisions are made from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from devices.domain import board as boards
from devices.domain import device_type as types
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
from devices.models import FOREVER, Board, DeviceType, Span
from devices.states import board_state, type_state
from lab.eventstore import projecting
from lab.eventstore.projecting import Projection
from lab.kernel.events import Event, Recorded

inventory = Projection(name="inventory", models=[DeviceType, Board, Span])


@inventory.on(DeviceTypeRegistered, DeviceTypeChanged, DeviceTypeAccessChanged, DeviceTypeRetired)
def draw_device_type(event: Event, recorded: Recorded) -> None:
    name = recorded.stream.partition("/")[2]
    row = DeviceType.objects.filter(pk=name).first() or DeviceType(
        pk=name, registered_at=recorded.recorded_at
    )
    state = types.apply(type_state(row), event)
    row.kind, row.base = state.kind, state.base
    row.description, row.config, row.access = state.description, dict(state.config), dict(state.access)
    row.retired_reason, row.version = state.retired, recorded.version
    if isinstance(event, DeviceTypeRetired):
        row.retired_at = recorded.recorded_at
    else:
        row.changed_at = recorded.recorded_at
    row.save()


@inventory.on(
    BoardRegistered,
    BoardChanged,
    BoardAccessChanged,
    BoardReserved,
    BoardReleased,
    BoardTakenOffline,
    BoardBroughtOnline,
    BoardHealthChanged,
    BoardCheckRequested,
    BoardCheckQueued,
    BoardCheckUndecided,
    BoardPowerSwitched,
    BoardErrandRequested,
    BoardErrandStarted,
    BoardErrandStep,
    BoardErrandEnded,
    BoardReleaseForced,
    BoardRetired,
)
def draw_board(event: Event, recorded: Recorded) -> None:
    name = recorded.stream.partition("/")[2]
    row = Board.objects.filter(pk=name).first() or Board(pk=name, registered_at=recorded.recorded_at)
    before = board_state(row)
    state = boards.apply(before, event)
    row.device_type_id, row.site, row.tags = state.device_type, state.site, list(state.tags)
    row.description, row.config, row.access = state.description, dict(state.config), dict(state.access)
    row.held_by, row.offline_reason, row.quarantined = state.held_by, state.offline, state.quarantined
    row.health, row.health_reason, row.retired_reason = state.health, state.health_reason, state.retired
    row.health_job, row.check_reason, row.check_first = state.health_job, state.check, state.check_first
    row.check_job, row.check_attempts = state.check_job, state.check_attempts
    row.errand, row.errand_what = state.errand, state.errand_what
    row.errand_worker, row.errand_by = state.errand_worker, state.errand_by
    row.state, row.refusal, row.version = state.state, state.refusal, recorded.version
    at = recorded.recorded_at
    match event:
        case BoardRegistered() | BoardChanged():
            row.changed_at = at
        case BoardReserved():
            row.held_since = at
        case BoardReleased():
            row.held_since = None
        case BoardTakenOffline():
            row.offline_since = row.offline_since or at
        case BoardBroughtOnline():
            row.offline_since = None
        case BoardHealthChanged():
            row.health_since = at
            row.checked_at = row.checked_at if event.job is None else at
        case BoardCheckUndecided():
            row.checked_at = at
        case BoardErrandRequested() | BoardErrandStarted():
            row.errand_until = at + timedelta(seconds=event.within)
        case BoardErrandEnded():
            row.errand_until = None
        case BoardRetired():
            row.retired_at = at
    row.save()
    _draw_spans(name, _tracks(before), _tracks(state), recorded)


Track = tuple[str, int | None, str]
"""What a board is kept from jobs by: kind, job and reason, as in `Span`."""


def _tracks(state: boards.Board) -> dict[str, Track]:
    """Return what keeps a board from (other) jobs in this state, by what can go on side by side."""
    if state.retired:
        return {}
    tracks: dict[str, Track] = {}
    if state.held_by is not None:
        tracks["held"] = ("job", state.held_by, "")
    elif state.errand is not None:
        tracks["errand"] = ("errand", None, state.errand_words)
    if state.offline:
        tracks["out"] = ("quarantined" if state.quarantined else "offline", None, state.offline)
    if state.health == "bad":
        tracks["health"] = ("unhealthy", state.health_job, state.health_reason)
    return tracks


def _draw_spans(
    name: str, before: Mapping[str, Track], after: Mapping[str, Track], recorded: Recorded
) -> None:
    at, actor, event = recorded.recorded_at.timestamp(), recorded.meta.actor, recorded.event
    for track in (*before, *(one for one in after if one not in before)):
        old, new = before.get(track), after.get(track)
        if old == new:
            continue
        lasting = Span.objects.filter(board=name, until=FOREVER)
        if old is not None and new is not None and old[:2] == new[:2]:
            lasting.filter(kind=old[0]).update(reason=new[2], begun_by=actor)
            continue
        if old is not None:
            why = {"reason": event.reason} if isinstance(event, BoardReleased) else {}
            lasting.filter(kind=old[0]).update(until=at, ended_by=actor, **why)
        if new is not None:
            Span.objects.create(
                board=name,
                kind=new[0],
                job=new[1],
                since=at,
                had_before=_had(name) if new[0] == "job" else 0.0,
                reason=new[2],
                begun_by=actor,
            )


def _had(name: str) -> float:
    """Return for how many seconds jobs have had a board that none has now."""
    last = Span.objects.filter(board=name, kind="job").order_by("-until", "-id").first()
    return 0.0 if last is None else last.had_before + (last.until - last.since)


def install() -> None:
    """Make the projections of this app part of every append."""
    projecting.install(inventory)
