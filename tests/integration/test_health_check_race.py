"""Health checks when everybody looks at once, on both databases."""

from __future__ import annotations

from devices import board_commands, type_commands
from devices import queries as boards
from jobs import commands, health
from jobs.models import Job
from tests.support.databases import Database
from tests.support.jobs import BOARD_CONFIG, VM_CONFIG, definition
from tests.support.threads import run_at_once


def test_a_request_becomes_one_job_however_many_look_at_once(database: Database) -> None:
    check = {"definition": definition("is it well?"), "every": 24}
    type_commands.register_device_type("kvm", "vm", "", VM_CONFIG, actor="lab")
    type_commands.register_device_type("bench", "board", "", {**BOARD_CONFIG, "health": check}, actor="lab")
    for name in ("alpha", "beta"):
        board_commands.register_board(name, "bench", "default", [], "", {}, actor="lab")
    run_at_once(*[health.queue_due] * 4)
    assert sorted(Job.objects.values_list("pinned_board", flat=True)) == ["alpha", "beta"]
    run_at_once(*[commands.schedule] * 3)
    held = {board.name: board.held_by_job for board in boards.boards_for_scheduling()}
    assert held == {board.name: board.check_job for board in boards.boards_for_scheduling()}
