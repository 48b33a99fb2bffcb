"""Errands: what people have done to a board by a worker of its site, from where its networks can be reached.

`request` holds the board and queues the task; a worker `run`s it and reports step by step; an errand that
nobody takes, or whose worker falls silent, is given up, and whatever its worker says later is refused.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Callable

from django.utils import timezone

from devices import queries
from devices.board_commands import decide_on_board, may_handle
from devices.deciding import Decision
from devices.domain import board as boards
from devices.domain import errand as rules
from devices.domain.config import BoardConfig
from devices.domain.errand import Over
from devices.domain.errand_events import ErrandOutcome
from devices.drivers import trial
from devices.drivers.trial import Tried
from devices.fence import SHUT_DOWN, Fence
from devices.models import Board
from lab import cluster_ties
from lab.actors import LAB, Actor
from lab.kernel.aggregate import Loaded
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded, JobError, Rejected
from lab.kernel.events import Event, Meta
from lab.kernel.ports import FollowUp

TASK = "devices.tasks.run_errand"
WAIT = 300.0
"""Seconds until a worker must have taken it: all may be busy with jobs."""
SPARE = 60.0
"""Seconds beyond its own limits after which a worker counts as lost."""

log = logging.getLogger(__name__)


def request(name: str, what: str, *, actor: Actor, cause: str = "") -> int:
    """Have a worker do it; returns the errand's number. No job gets the board until that is over.

    `what`: ``test`` its connections, or switch its power ``on``, ``off``, or ``cycle`` it.
    """
    meta = may_handle(name, actor, f"have board {name} tested or its power switched", cause)
    if what == rules.CONSOLE:
        raise Rejected(
            f"The console of board {name} is taken on its page, or by “manage.py board … console”."
        )
    if what in rules.POWER and not queries.effective_config(name).power.present:
        raise Rejected(f"Board {name} has no power switch: its configuration has no power.method.")
    number = 0

    def decide(found: Loaded[boards.Board]) -> Decision:
        nonlocal number
        events = rules.request(found.state, found.version, what, within=WAIT)
        number = found.version + 1
        task = FollowUp(task=TASK, args=(name, number), site=found.state.site)
        return Decision(events=events, follow_ups=[task])

    decide_on_board(name, decide, meta)
    return number


def run(name: str, number: int) -> str:
    """Do it, on this worker; returns what came of it, in words.

    Tasks may come twice, or too late: such a one finds the errand taken, or over, and leaves.
    """
    worker = f"{socket.gethostname()}/{os.getpid()}"
    meta = Meta(actor=f"worker:{worker}", cause="errand")
    what = load_what(name)
    try:
        config = queries.effective_config(name)
        seconds = trial.budget(config, what)
        # As long as its power may still be switched, nobody else must get it.
        within = seconds + SPARE + (trial.patience(config) if config.power.present else 0)
        _append(name, meta, lambda state: rules.start(state, number, worker=worker, within=within))
    except Over as exc:
        return str(exc)
    except Rejected as exc:
        why = "its configuration cannot be used"  # a rule may be newer than it
        with contextlib.suppress(Over):
            _append(name, meta, lambda state: rules.end(state, number, outcome="fail", reason=why))
        return str(exc)
    fence = Fence(name, number)
    deadline = Deadline.after(seconds, "the errand", stop=fence.stop)
    outcome: ErrandOutcome = "lost"
    reason = "Labbook itself failed: see the log of the worker"
    try:
        failed = _done(name, number, what, config, deadline, meta, fence)
        outcome, reason = ("fail", f"{', '.join(failed)}") if failed else ("pass", "")
    except Over as exc:
        return str(exc)
    except JobError as exc:
        # Everybody reads the reason, and the error may tell how the board is reached.
        log.warning("errand %d of board %s ended early: %s", number, name, exc)
        if isinstance(exc, DeadlineExceeded):
            outcome, reason = "fail", "it did not finish in time"
        else:
            reason = SHUT_DOWN if cluster_ties.stopping() else "its worker could not go on: see its log"
    finally:
        with contextlib.suppress(Over):
            _append(name, meta, lambda state: rules.end(state, number, outcome=outcome, reason=reason))
    return f"errand {number} of board {name}: {outcome}"


def load_what(name: str) -> str:
    """Return what is to be done; empty: nothing (any more)."""
    return Board.objects.filter(pk=name).values_list("errand_what", flat=True).first() or ""


def _done(
    name: str, number: int, what: str, config: BoardConfig, deadline: Deadline, meta: Meta, fence: Fence
) -> list[str]:
    """Try everything, record each step; returns the steps that failed."""
    failed: list[str] = []

    def report(tried: Tried) -> None:
        def told(state: boards.Board) -> list[Event]:
            events = rules.note(
                state,
                number,
                step=tried.step,
                result=tried.result,
                said=tried.said,
                transcript=tried.transcript,
                seconds=round(tried.seconds, 2),
            )
            for action, power in tried.switched:
                events += boards.note_power(state, action, power)
            return events

        _append(name, meta, told)
        if tried.result == "fail":
            failed.append(tried.step)

    if what == "test":
        trial.try_connections(config, name, deadline, report, fence)
    else:
        trial.switch_power(config, what, deadline, report, fence)
    return failed


def give_up_lost() -> list[tuple[str, int]]:
    """End errands that nobody took, or whose worker is silent; returns them as (board, number)."""
    given_up = []
    for row in Board.objects.filter(errand__isnull=False, errand_until__lt=timezone.now()).order_by("pk"):
        number = row.errand or 0
        why = f"worker {row.errand_worker} fell silent"
        if not row.errand_worker:
            why = f"no worker of the site {row.site} took it within {WAIT / 60:.0f} minutes: is one running?"
        meta = Meta(actor=LAB, cause="lease")
        try:
            _append(
                row.pk,
                meta,
                lambda state, n=number, w=why: rules.end(state, n, outcome="lost", reason=w),  # type: ignore[misc]
            )
        except Over:
            continue
        log.error("errand %d of board %s is lost: %s", number, row.pk, why)
        given_up.append((row.pk, number))
    return given_up


def _append(name: str, meta: Meta, decide: Callable[[boards.Board], list[Event]]) -> None:
    decide_on_board(name, lambda found: Decision(events=decide(found.state)), meta)
