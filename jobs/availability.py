"""What the lab could give a job now: boards by type, what is free, and how many jobs wait for each type."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Count

from devices import access, seen
from devices.images import queries as image_library
from jobs.models import Job
from jobs.sight import Sight, User

JsonObject = dict[str, Any]
NOTHING = access.Barred(boards={}, types={})


def availability(user: User) -> JsonObject:
    """Return the board types with their boards and queues, and what else a definition may name.

    Which job holds a board is told only to those who may see the job; that it is held, to everybody. A board
    that the user may not run jobs on is not free for them, and says who can help.
    """
    queues = dict(
        Job.objects.filter(open=1, state="queued")
        .values_list("host_type")
        .annotate(count=Count("id"))
        .order_by()
    )
    types = seen.board_types(user)
    (barred,) = access.barred(access.person(user)) if user.is_authenticated else (NOTHING,)
    holders = {board.held_by_job for one in types for board in one.boards if board.held_by_job is not None}
    known = Sight(user).those_seen(holders)
    return {
        "board_types": [
            {
                "name": one.name,
                "description": one.description,
                "runs": list(one.runs),
                "deploy": one.deploy,
                "free": sum(board.free and board.name not in barred.boards for board in one.boards),
                "queued": queues.get(one.name, 0),
                "boards": [_board(board, known, barred) for board in one.boards],
            }
            for one in types
        ],
        "vm_types": [
            {
                "name": one.name,
                "description": one.description,
                "memory": one.config.memory,
                "cpus": one.config.cpus,
            }
            for one in seen.vm_types(user)
        ],
        "groups": sorted(Group.objects.values_list("name", flat=True)) if user.is_authenticated else [],
        "images": sorted(one.name for one in image_library.images()),
    }


def _board(board: seen.BoardView, known: set[int], barred: access.Barred) -> JsonObject:
    held = board.held_by_job is not None and board.held_by_job not in known
    reason = "held by a job" if held else board.reason
    if granters := barred.boards.get(board.name):
        reason = f"not for you: {granters} can grant the use of it"
    return {
        "name": board.name,
        "state": board.state,
        "free": board.free and not granters,
        "reason": reason,
        "job": board.held_by_job if board.held_by_job in known else None,
        "tags": list(board.tags),
    }
