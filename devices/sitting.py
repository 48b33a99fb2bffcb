"""Sitting at the console of a board that no job has: it is reserved meanwhile, and all of it is recorded.

Somebody sits at their own terminal (`sit`), on a machine that reaches the board; or in a browser (`request`),
and a worker of the board's site has its line for them (`serve`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import transaction

from devices import queries, sitting_input, sitting_life
from devices.access import permit
from devices.board_commands import decide_on_board
from devices.deciding import Decision
from devices.domain import board as boards
from devices.domain import errand as rules
from devices.domain.config import BoardConfig
from devices.domain.errand import Over
from devices.domain.errand_events import ErrandOutcome, StepResult
from devices.domain.parse_config import BadConfig
from devices.drivers import session
from devices.drivers.board import PowerState
from devices.drivers.expect import clean
from devices.drivers.session import Person
from devices.drivers.trial import patience
from devices.fence import SHUT_DOWN, Fence
from devices.sitting_input import Relayed
from devices.sitting_record import Recorder
from lab import cluster_ties
from lab.actors import LAB, Actor
from lab.eventstore import live
from lab.eventstore.ears import Ears
from lab.kernel.aggregate import Loaded
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError, JobError, Rejected
from lab.kernel.events import Event, Meta
from lab.kernel.ports import FollowUp

TASK = "devices.tasks.run_sitting"
WAIT = 300.0
"""Seconds until a worker must have taken it: all may be busy with jobs."""
SPARE = 60.0
"""Seconds beyond the limit of a sitting after which the board is anybody's again, whatever became of us."""
LONGEST = 24 * 3600.0

log = logging.getLogger(__name__)


def sit(
    name: str,
    person: Person,
    *,
    seconds: float,
    power: str = "",
    say: Callable[[str], None],
    actor: Actor,
    cause: str = "",
) -> int:
    """Connect somebody with a board's console until they leave, at most so long; returns the errand's number.

    `power`: ``on`` or ``cycle`` to switch it once the console is open; it is off afterwards unless it was on.
    `say` is told how things stand. Raises `Rejected` with a sentence where it cannot be, and for what ended
    it before its time.
    """
    meta, config = _wanted(name, seconds, power, actor, cause)
    errand = 0

    def ask(found: Loaded[boards.Board]) -> Decision:
        nonlocal errand
        errand = found.version + 1
        events = rules.request(found.state, found.version, rules.CONSOLE, within=seconds, by=meta.actor)
        return Decision(events=events)

    decide_on_board(name, ask, meta)
    _start(name, errand, meta, meta.actor, seconds, config)
    outcome: ErrandOutcome = "lost"
    reason = "Labbook itself failed"
    try:
        say(f"Board {name}, {session.kind_of(config)}. Ctrl-] leaves.")
        with sitting_life.signs(name, errand):
            _sat(name, errand, meta, person, config, seconds, power=power, say=say)
        outcome, reason = "pass", ""
    except (InfrastructureError, Over) as exc:
        # What failed is in the step: it may tell how the board is reached, which is not for everybody.
        outcome, reason = "fail", "its console could not be used to the end"
        raise Rejected(f"Board {name}: {exc}.") from exc
    except KeyboardInterrupt:
        outcome, reason = "pass", "interrupted"
        raise
    finally:
        _end(name, errand, meta, outcome, reason)
    return errand


def request(name: str, *, seconds: float, power: str = "", actor: Actor, cause: str = "") -> int:
    """Have a worker open a board's console for somebody in a browser; returns the errand's number.

    What they type goes by `sitting_input.put`, what they see is the record. Raises `Rejected`.
    """
    meta, _ = _wanted(name, seconds, power, actor, cause)
    errand = 0

    def ask(found: Loaded[boards.Board]) -> Decision:
        nonlocal errand
        errand = found.version + 1
        events = rules.request(found.state, found.version, rules.CONSOLE, within=WAIT, by=meta.actor)
        task = FollowUp(task=TASK, args=(name, errand, seconds, power), site=found.state.site)
        return Decision(events=events, follow_ups=[task])

    with transaction.atomic():
        decide_on_board(name, ask, meta)
        sitting_life.begin(name, errand)
    return errand


def leave(name: str, errand: int, *, actor: Actor, cause: str = "") -> None:
    """Give a console back; what was typed before is typed yet.

    Raises `Rejected` where it is not the actor's.
    """
    who = permit(actor, "console", name, "devices.change_board", "type on the console")
    row = sitting_input.check_theirs(name, errand, who)
    sitting_life.leave(name, errand)
    if not row.errand_worker:
        _end_unbegun(name, errand, Meta(actor=who, cause=cause), "")
    live.ring()


def serve(name: str, errand: int, seconds: float, power: str) -> str:
    """Have a board's line for who asked for it, on this worker; returns what came of it, in words.

    Tasks may come twice, or too late: such a one finds the errand taken, or over, and leaves.
    """
    worker = f"{socket.gethostname()}/{os.getpid()}"
    meta = Meta(actor=f"worker:{worker}", cause="errand")
    try:
        config = queries.effective_config(name)
        _start(name, errand, meta, worker, seconds, config)
    except Over as exc:
        return str(exc)
    except Rejected as exc:
        _end(name, errand, meta, "fail", "its configuration cannot be used")  # a rule may be newer than it
        return str(exc)
    rung = threading.Event()
    person = Relayed(name, errand, float(settings.LABBOOK["KEYBOARD_IDLE"]), rung)
    outcome: ErrandOutcome = "lost"
    reason = "Labbook itself failed: see the log of the worker"
    try:
        if sitting_life.is_anybody_there(name, errand):
            with Ears(rung), sitting_life.signs(name, errand):
                in_time = not _sat(name, errand, meta, person, config, seconds, power=power)
            person.why = person.why or ("" if in_time else "its time was over")
        elif not person.has_left():
            person.why = sitting_input.GONE
        outcome, reason = "pass", person.why
    except (JobError, Over) as exc:
        log.warning("the sitting at board %s ended early: %s", name, exc)
        outcome, reason = "fail", "its console could not be used to the end"
        if cluster_ties.stopping():
            outcome, reason = "lost", SHUT_DOWN
    finally:
        _end(name, errand, meta, outcome, reason)
    return f"console of board {name}: {reason or 'left'}"


def give_up_lost() -> list[tuple[str, int]]:
    """End the sittings whose worker, or who sits there, is gone; returns them as (board, errand)."""
    sitting_life.forget()
    meta = Meta(actor=LAB, cause="lease")
    silent = sitting_life.without_worker()
    for name, errand in silent:
        log.error("the worker that had the console of board %s is lost", name)
        _end(name, errand, meta, "lost", "its worker fell silent")
    left = sitting_life.without_person()
    for name, errand in left:
        _end_unbegun(name, errand, meta, sitting_input.GONE)
    return silent + left


def _start(name: str, errand: int, meta: Meta, worker: str, seconds: float, config: BoardConfig) -> None:
    """Note that it has begun. As long as the power may still be switched, nobody else must get the board."""
    within = seconds + SPARE + (patience(config) if config.power.present else 0)
    with transaction.atomic():
        _append(name, meta, lambda state: rules.start(state, errand, worker=worker, within=within))
        sitting_life.begin_work(name, errand)


def _end_unbegun(name: str, errand: int, meta: Meta, reason: str) -> None:
    """End it, unless a worker has begun: then that one does."""

    def end(state: boards.Board) -> list[Event]:
        return [] if state.errand_worker else rules.end(state, errand, outcome="pass", reason=reason)

    with contextlib.suppress(Over):
        _append(name, meta, end)


def _wanted(name: str, seconds: float, power: str, actor: Actor, cause: str) -> tuple[Meta, BoardConfig]:
    meta = Meta(
        actor=permit(actor, "console", name, "devices.change_board", "type on the console"), cause=cause
    )
    if not 0 < seconds <= LONGEST:
        raise Rejected(
            f"A board can be had for up to {LONGEST / 3600:.0f} hours, not for {seconds / 60:g} min."
        )
    if power not in ("", "on", "cycle"):
        raise Rejected(f"{power[:60]!r} is nothing to do with power here: it is on, cycle, or nothing.")
    try:
        config = queries.effective_config(name)
    except BadConfig as exc:  # what is wrong with it is not for everybody
        words = "its configuration cannot be used, and who administers it can see why"
        raise Rejected(f"Board {name}: {words}.") from exc
    if power and not config.power.present:
        raise Rejected(f"Board {name} has no power switch: its configuration has no power.method.")
    return meta, config


def _sat(
    name: str,
    errand: int,
    meta: Meta,
    person: Person,
    config: BoardConfig,
    seconds: float,
    *,
    power: str,
    say: Callable[[str], None] = lambda _: None,
) -> bool:
    """Sit there; returns whether it ended because the time was over."""
    fence = Fence(name, errand)
    deadline = Deadline.after(seconds, "the sitting", stop=fence.stop)
    begun, failed = time.monotonic(), ""
    record = Recorder(name, errand, settings.LABBOOK["MAX_CONSOLE_BYTES"])

    def dropped(text: str) -> None:
        record.say(text.partition(" (")[0])  # not why: that may tell how the board is reached
        say(text)

    def switched(action: str, state: PowerState) -> None:
        _append(name, meta, lambda board: _switched(board, errand, action, state))
        record.say(f"its power is {state}")
        say(f"Its power is {state}.")

    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(record)
            terminal = stack.enter_context(session.line(config, deadline, dropped))
            record.say(f"the {'serial console' if config.console.present else 'login shell'} is open")
            if power:
                stack.enter_context(session.power(config, power, deadline, fence, switched))
            session.talk(terminal, person, record, config, deadline, fence)
            return deadline.expired
    except InfrastructureError as exc:
        failed = str(exc)
        raise
    finally:
        text = clean(bytes(record.heard)).decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
        with contextlib.suppress(Over):
            spent = time.monotonic() - begun
            _note(name, errand, meta, "console", "fail" if failed else "pass", failed, text, spent)


def _switched(board: boards.Board, errand: int, action: str, state: PowerState) -> list[Event]:
    """Note in the errand, and in the board's life, that its power was switched."""
    told = f"switched {action}, is {state}"
    step = rules.note(board, errand, step="power", result="pass", said=told, transcript="", seconds=0.0)
    return [*step, *boards.note_power(board, action, state)]


def _note(
    name: str, errand: int, meta: Meta, step: str, result: StepResult, said: str, text: str, seconds: float
) -> None:
    _append(
        name,
        meta,
        lambda state: rules.note(
            state, errand, step=step, result=result, said=said, transcript=text, seconds=round(seconds, 2)
        ),
    )


def _end(name: str, errand: int, meta: Meta, outcome: ErrandOutcome, reason: str) -> None:
    with contextlib.suppress(Over):
        _append(name, meta, lambda state: rules.end(state, errand, outcome=outcome, reason=reason))


def _append(name: str, meta: Meta, decide: Callable[[boards.Board], list[Event]]) -> None:
    decide_on_board(name, lambda found: Decision(events=decide(found.state)), meta)
