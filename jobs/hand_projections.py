"""How the events of keyboards and holds become part of a job's row."""

from __future__ import annotations

from collections.abc import Callable

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
from jobs.models import Job
from lab.eventstore.projecting import Projection
from lab.kernel.events import Recorded


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
        _change(recorded, lambda hold: hold.started(event))

    @jobs.on(HoldExtended)
    def extended(event: HoldExtended, recorded: Recorded) -> None:
        _change(recorded, lambda hold: hold.extended(event))

    @jobs.on(HoldReleased)
    def released(event: HoldReleased, recorded: Recorded) -> None:
        _update(recorded, hold=None)

    @jobs.on(HoldEnded)
    def ended(event: HoldEnded, recorded: Recorded) -> None:
        _update(recorded, hold=None)


def _change(recorded: Recorded, change: Callable[[Hold], Hold]) -> None:
    row = _row(recorded)
    if row.hold is not None:
        _update(recorded, hold=change(Hold.from_json(row.hold)).as_json())


def _row(recorded: Recorded) -> Job:
    return Job.objects.only("consoles", "keyboards", "hold").get(pk=life.number_of(recorded.stream))


def _update(recorded: Recorded, **fields: object) -> None:
    Job.objects.filter(pk=life.number_of(recorded.stream)).update(position=recorded.position, **fields)
