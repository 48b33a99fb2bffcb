"""Health checks become jobs: those that were asked for, and those whose time has come.

The inventory holds the request; a job is queued for it in one append with the board's own event, so a request
becomes one job, however many workers look at once.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.utils import timezone

from devices import board_commands
from devices import queries as inventory
from devices.domain import board as boards
from devices.domain import checks
from devices.loading import load_board
from jobs import lab_view
from jobs.commands import SCHEDULE, cancel, new_job, retried, submission
from jobs.domain.definition.model import Invalid, Problem
from jobs.domain.definition.validate import read_accepted, validate
from jobs.domain.health import Filled, for_board
from jobs.models import Job as JobRow
from lab.actors import LAB, Actor
from lab.eventstore.store import store
from lab.kernel.errors import Conflict, Rejected
from lab.kernel.events import Meta
from lab.kernel.ports import Append

CAUSE = "health-check"
META = Meta(actor=LAB, cause=CAUSE)

log = logging.getLogger(__name__)


class CannotBeChecked(Rejected):
    """The definition of a board's health check is not accepted."""


def check_board(name: str, reason: str = "", *, actor: Actor, cause: str) -> int:
    """Have a board's health checked; returns the job's number.

    Raises `Rejected` where it has no check, or cannot be checked now.
    """
    board_commands.request_board_check(name, reason, actor=actor, cause=cause)
    return queue(name)


def queue(name: str) -> int:
    """Submit the health check that a board waits for; returns the number, also of one that is there already.

    Raises `CannotBeChecked`; the board then waits no longer, or is taken out if it had to be checked first.
    """

    def once() -> int:
        board = load_board(name)
        state = boards.exists(board.state, name)
        if state.check_job is not None:
            return state.check_job
        definition = inventory.effective_config(name).health.definition
        filled = for_board(definition, state.device_type, name)
        accepted = validate(filled.text, lab_view.lab_view(LAB))
        number, append = new_job(submission(filled.text, accepted, LAB, health_check=True))
        own = Append(stream=board.stream, expected=board.version, events=checks.queue(state, number))
        store.append(append, own, meta=META, follow_ups=[SCHEDULE])
        return number

    try:
        return retried(once)
    except Invalid as exc:
        words = " ".join(f"{problem}." for problem in exc.problems)
        why = f"The definition of the health check is not accepted: {words}"
        _drop(name, why)
        raise CannotBeChecked(f"Board {name} cannot be checked. {why}") from exc


def _drop(name: str, reason: str) -> None:
    def once() -> None:
        board = load_board(name)
        if events := checks.drop(board.state, reason):
            append = Append(stream=board.stream, expected=board.version, events=events)
            store.append(append, meta=META)

    retried(once)


def queue_due() -> list[int]:
    """Queue the checks that boards wait for and those whose time has come; returns the jobs' numbers.

    A board is checked by the clock only while it is free.
    """
    now = timezone.now()
    found = []
    for board in inventory.boards_for_scheduling():
        try:
            if board.check and board.check_job is None and not board.offline:
                found.append(queue(board.name))
            elif board.free and not board.check and _is_due(board, now):
                reason = f"due every {board.check_every:g} hours"
                found.append(check_board(board.name, reason, actor=LAB, cause="schedule"))
        except (Conflict, Rejected) as exc:
            log.warning("board %s is not checked: %s", board.name, exc)
    return found


def _is_due(board: inventory.BoardView, now: datetime) -> bool:
    if not board.check_every:
        return False
    return board.checked_at is None or now >= board.checked_at + timedelta(hours=board.check_every)


def cancel_orphans() -> list[int]:
    """End queued health checks whose board does not wait for them any more; returns their numbers."""
    wanted = {board.check_job for board in inventory.boards_for_scheduling()}
    queued = JobRow.objects.filter(open=1, state="queued", health_check=True).order_by("id")
    orphans = [row.id for row in queued if row.id not in wanted]
    for number in orphans:
        cancel(number, "its board is not to be checked any more", META)
    return orphans


def problems(definition: str) -> list[str]:
    """Return what is wrong with the definition of a health check, whatever the inventory is."""
    filled = for_board(definition, "any-type", "any-board")
    try:
        read_accepted(filled.text)
    except Invalid as exc:
        return [_told(filled, problem) for problem in exc.problems]
    return []


def _told(filled: Filled, problem: Problem) -> str:
    return str(replace(problem, line=filled.line(problem.line)))
