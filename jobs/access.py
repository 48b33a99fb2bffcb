"""Who may do what with a job: pages ask what to offer, commands ask again.

``may(user, "console", job)`` answers, `require` raises. What somebody may see of jobs is for `jobs.queries`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from devices import access as inventory
from devices.domain.access import Right, Rules, allows, granted_by
from jobs.models import Job
from jobs.sight import Sight, User
from lab.kernel.errors import NotFound, NotPermitted

Deed = Literal["see", "cancel", "console", "hold"]
WORDS: Mapping[Deed, str] = {
    "see": "see job {0}",
    "cancel": "cancel job {0}",
    "console": "type into the consoles of job {0}",
    "hold": "hold job {0} before its clean-up",
}


def may(user: User, deed: Deed, job: Job | int) -> bool:
    """Whether somebody may do this to a job; false for one that there is not.

    ``cancel``: its submitter, who may handle its board, and who has the permission ``jobs.cancel_any_job``.
    ``console``, ``hold``: who has the right ``console`` on its board, which its submitter usually has.
    """
    row = Job.objects.filter(pk=job).first() if isinstance(job, int) else job
    if row is None or not Sight(user).sees(row):
        return False
    match deed:
        case "see":
            return True
        case "cancel":
            return is_submitter(user, row) or has_perm(user, CANCEL) or _on_board(user, "handle", row)
        case "console" | "hold":
            return _on_board(user, "console", row)


def require(user: User, deed: Deed, number: int) -> Job:
    """Return the job. Raises `NotFound` if the user may not see it, `NotPermitted` with who may instead."""
    inventory.require_reading(user)
    row = Job.objects.filter(pk=number).first()
    if row is None or not Sight(user).sees(row):
        raise NotFound(f"There is no job {number}, or you may not see it.")
    if may(user, deed, row):
        return row
    who = user.get_username() or "Somebody who is not logged in"
    raise NotPermitted(f"{who} may not {WORDS[deed].format(number)}: {_who_may(deed, row)}.")


def is_submitter(user: User, row: Job) -> bool:
    """Whether it is a job of this user's own. Health checks are the lab's."""
    if row.health_check:
        return False
    return user.is_authenticated and user.is_active and user.get_username() == row.submitter


def has_perm(user: User, permission: str) -> bool:
    return inventory.has_permission(user, permission)


CANCEL = "jobs.cancel_any_job"


def _on_board(user: User, right: Right, row: Job) -> bool:
    """Whether somebody has a right on the board of a job or, before it has one, on what it asks for."""
    rules = _rules(row)
    one = inventory.person(user)
    own = is_submitter(user, row)
    return rules is not None and allows(rules, right, one, everywhere=one.boards, own=own)


def _rules(row: Job) -> Rules | None:
    board = row.board or row.pinned_board
    return inventory.board_rules(board) if board else inventory.type_rules(row.host_type)


def _who_may(deed: Deed, row: Job) -> str:
    if deed == "cancel":
        return f"only {row.submitter}, who submitted it, who keeps its board, and the staff of the lab may"
    rules = _rules(row)
    granters = granted_by(rules) if rules else "the lab's administrators"
    what = f"board {row.board}" if row.board else f"the boards of type {row.host_type}"
    return f"that needs the right console of {what}, which {granters} can grant"
