"""How the events of keyboards and holds become part of a job's row."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import QuerySet

from jobs.domain import job as life
from jobs.domain.hands import Hold, Keyboard
from jobs.domain.hands_events import (
    ConsoleClosed,
    ConsoleOpened,
    HoldEnded,
    HoldExtended,
    HoldReleased,
    HoldRequested,
    HoldStarted,
    KeyboardGiven,
    KeyboardTaken,
)
from jobs.models import Job, Phase
from lab.eventstore.projecting import Projection
from lab.kernel.events import Recorded

HELD = "hold"
"""The kind of phase that a hold is."""


def join(jobs: Projection) -> None:
    """Make these part of the projection of jobs."""

    @jobs.on(ConsoleOpened)
    def opened(event: ConsoleOpened, recorded: Recorded) -> None:
        row = _row(recorded)
        _update(recorded, consoles=sorted({*row.consoles, event.node}))

    @jobs.on(ConsoleClosed)
    def closed(event: ConsoleClosed, recorded: Recorded) -> None:
        row = _row(recorded)
        _update(recorded, consoles=[node for node in row.consoles if node != event.node])

    @jobs.on(KeyboardTaken)
    def taken(event: KeyboardTaken, recorded: Recorded) -> None:
        others = [one for one in _row(recorded).keyboards if one["node"] != event.node]
        _update(recorded, keyboards=[*others, Keyboard.of(event).as_json()])

    @jobs.on(KeyboardGiven)
    def given(event: KeyboardGiven, recorded: Recorded) -> None:
        left = [one for one in _row(recorded).keyboards if one["ticket"] != event.ticket]
        _update(recorded, keyboards=left)

    @jobs.on(HoldRequested)
    def requested(event: HoldRequested, recorded: Recorded) -> None:
        _update(recorded, hold=Hold.of(event).as_json())

    @jobs.on(HoldStarted)
    def started(event: HoldStarted, recorded: Recorded) -> None:
        held = _change(recorded, lambda hold: hold.started(event))
        _end_phase(recorded, event.at)
        if held is not None:
            # For the timeline it is what the host does meanwhile.
            Phase.objects.create(
                job_id=life.number_of(recorded.stream),
                version=recorded.version,
                position=recorded.position,
                node=0,
                phase=HELD,
                what=held.words,
                start=event.at,
            )

    @jobs.on(HoldExtended)
    def extended(event: HoldExtended, recorded: Recorded) -> None:
        held = _change(recorded, lambda hold: hold.extended(event))
        if held is not None:
            _phase(recorded).filter(phase=HELD).update(what=held.words, position=recorded.position)

    @jobs.on(HoldReleased)
    def released(event: HoldReleased, recorded: Recorded) -> None:
        _update(recorded, hold=None)

    @jobs.on(HoldEnded)
    def ended(event: HoldEnded, recorded: Recorded) -> None:
        _update(recorded, hold=None)
        _end_phase(recorded, event.at)


def _change(recorded: Recorded, change: Callable[[Hold], Hold]) -> Hold | None:
    row = _row(recorded)
    if row.hold is None:
        return None
    changed = change(Hold.from_json(row.hold))
    _update(recorded, hold=changed.as_json())
    return changed


def _phase(recorded: Recorded) -> QuerySet[Phase]:
    """The phase of the host that has not ended."""
    return Phase.objects.filter(job=life.number_of(recorded.stream), node=0, end=None)


def _end_phase(recorded: Recorded, at: float) -> None:
    _phase(recorded).update(end=at, position=recorded.position)


def _row(recorded: Recorded) -> Job:
    return Job.objects.only("consoles", "keyboards", "hold").get(pk=life.number_of(recorded.stream))


def _update(recorded: Recorded, **fields: object) -> None:
    Job.objects.filter(pk=life.number_of(recorded.stream)).update(position=recorded.position, **fields)
