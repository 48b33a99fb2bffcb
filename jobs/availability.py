"""What the lab could give a job now: boards by type, what is free, and how many jobs wait for each type."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Count

from devices import queries as inventory
from devices.images import queries as image_library
from jobs.models import Job
from jobs.queries import User, may_see

JsonObject = dict[str, Any]


def availability(user: User) -> JsonObject:
    """Return the board types with their boards and queues, and what else a definition may name.

    Which job holds a board is told only to those who may see the job; that it is held, to everybody.
    """
    queues = dict(
        Job.objects.filter(open=1, state="queued")
        .values_list("host_type")
        .annotate(count=Count("id"))
        .order_by()
    )
    types = inventory.board_types()
    holders = {board.held_by_job for one in types for board in one.boards if board.held_by_job is not None}
    seen = {job.id for job in Job.objects.filter(pk__in=holders) if may_see(user, job)}
    return {
        "board_types": [
            {
                "name": one.name,
                "description": one.description,
                "runs": list(one.runs),
                "deploy": one.deploy,
                "free": sum(board.free for board in one.boards),
                "queued": queues.get(one.name, 0),
                "boards": [_board(board, seen) for board in one.boards],
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
            for one in inventory.vm_types()
        ],
        "groups": sorted(Group.objects.values_list("name", flat=True)) if user.is_authenticated else [],
        "images": sorted(one.name for one in image_library.images()),
    }


def _board(board: inventory.BoardView, seen: set[int]) -> JsonObject:
    held = board.held_by_job is not None and board.held_by_job not in seen
    return {
        "name": board.name,
        "state": board.state,
        "free": board.free,
        "reason": "held by a job" if held else board.reason,
        "job": board.held_by_job if board.held_by_job in seen else None,
        "tags": list(board.tags),
    }
