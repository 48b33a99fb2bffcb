"""Sitting at the console of a board that no job has: it is reserved meanwhile, and all of it is recorded."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from devices import queries
from devices.access import permit
from devices.board_commands import decide_on_board
from devices.deciding import Decision
from devices.domain import board as boards
from devices.domain import errand as rules
from devices.domain.config import BoardConfig
from devices.domain.errand import Over
from devices.domain.errand_events import ErrandOutcome, StepResult
from devices.drivers import session
from devices.drivers.expect import clean
from devices.drivers.session import Person
from devices.loading import load_board
from lab.actors import Actor
from lab.kernel.aggregate import Loaded
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError, Rejected
from lab.kernel.events import Event, Meta

SPARE = 60.0
"""Seconds beyond the limit of a sitting after which the board is anybody's again, whatever became of us."""
LONGEST = 24 * 3600.0
LOOK_EVERY = 2.0
"""Seconds between two looks whether somebody took the board away."""


def sit(
    name: str,
    person: Person,
    *,
    seconds: float,
    power: str = "",
    say: Callable[[str], None],
    actor: Actor,
    cause: str = "",
) -> Path:
    """Connect somebody with a board's console until they leave, at most so long; returns the record.

    `power`: ``on`` or ``cycle`` to switch it once the console is open; it is off afterwards unless it was on.
    `say` is told how things stand. Raises `Rejected` with a sentence where it cannot be, and for what ended
    it before its time.
    """
    meta = Meta(
        actor=permit(actor, "console", name, "devices.change_board", "type on the console"), cause=cause
    )
    if not 0 < seconds <= LONGEST:
        raise Rejected(
            f"A board can be had for up to {LONGEST / 3600:.0f} hours, not for {seconds / 60:g} min."
        )
    config = queries.effective_config(name)
    if power and not config.power.present:
        raise Rejected(f"Board {name} has no power switch: its configuration has no power.method.")
    errand = _reserve(name, meta, seconds + SPARE)
    outcome: ErrandOutcome = "lost"
    reason = "Labbook itself failed"
    try:
        deadline = Deadline.after(seconds, "the sitting", stop=_Watch(name, errand))
        path = _record_of(name, errand)
        _sat(name, errand, meta, person, config, path, deadline, power=power, say=say)
        outcome, reason = "pass", ""
    except InfrastructureError as exc:
        # What failed is in the step: it may tell how the board is reached, which is not for everybody.
        outcome, reason = "fail", "its console could not be used to the end"
        raise Rejected(f"Board {name}: {exc}.") from exc
    except KeyboardInterrupt:
        outcome, reason = "pass", "interrupted"
        raise
    finally:
        _end(name, errand, meta, outcome, reason)
    return path


def _sat(
    name: str,
    errand: int,
    meta: Meta,
    person: Person,
    config: BoardConfig,
    path: Path,
    deadline: Deadline,
    *,
    power: str,
    say: Callable[[str], None],
) -> None:
    begun, heard, failed = time.monotonic(), b"", ""
    try:
        with contextlib.ExitStack() as stack:
            cast = stack.enter_context(session.recording(path, f"{name}, {meta.actor}"))
            terminal = stack.enter_context(session.line(config, deadline, say))
            say(f"Board {name}, {session.kind_of(config)}. Ctrl-] leaves.")
            if power:
                state = stack.enter_context(session.power(config, power, deadline))
                _note(name, errand, meta, "power", "pass", f"switched {power}, is {state}", "", 0.0)
                say(f"Its power is {state}.")
            heard = session.talk(terminal, person, cast, config, deadline)
    except InfrastructureError as exc:
        failed = str(exc)
        raise
    finally:
        text = clean(heard).decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
        said = failed or f"recorded in {path}"
        with contextlib.suppress(Over):
            spent = time.monotonic() - begun
            _note(name, errand, meta, "console", "fail" if failed else "pass", said, text, spent)


def _reserve(name: str, meta: Meta, within: float) -> int:
    number = 0

    def ask(found: Loaded[boards.Board]) -> Decision:
        nonlocal number
        number = found.version + 1
        return Decision(events=rules.request(found.state, found.version, rules.CONSOLE, within=within))

    decide_on_board(name, ask, meta)
    _append(name, meta, lambda state: rules.start(state, number, worker=meta.actor, within=within))
    return number


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


class _Watch:
    """Looks now and then whether the board is still ours: somebody may release it."""

    def __init__(self, name: str, errand: int) -> None:
        self._name, self._errand = name, errand
        self._look_at = 0.0

    def __call__(self) -> Exception | None:
        now = time.monotonic()
        if now < self._look_at:
            return None
        self._look_at = now + LOOK_EVERY
        if load_board(self._name).state.errand == self._errand:
            return None
        return InfrastructureError("somebody took the board away; see its history")


def _record_of(name: str, errand: int) -> Path:
    """Return where the record goes: a file beside the lab's other data, on this machine."""
    day = datetime.now(UTC)
    return Path(settings.VAR_DIR) / "consoles" / name / f"{day:%Y%m%d-%H%M%S}-{errand}.cast"
