"""Health checks in the log: asked for, queued, run, concluded."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from devices import board_commands, type_commands
from devices import queries as boards
from devices.domain.parse_config import BadConfig
from devices.models import Board
from jobs import commands, health, queries
from jobs.domain.events import Failure
from jobs.models import Job
from jobs.reconciler import Reconciler
from jobs.recorder import Recorder
from lab.actors import LAB
from lab.eventstore.store import store
from lab.kernel.errors import NotPermitted, Rejected
from lab.tokens.models import make_token
from tests.support.jobs import BOARD_CONFIG, VM_CONFIG, definition, make_user, result, submit

pytestmark = pytest.mark.django_db

CHECK = definition("is it well?", priority="low").replace('"device_type": "bench", ', "")


def make_inventory(every: float = 0, *names: str) -> None:
    check = {"definition": CHECK, "every": every}
    type_commands.register_device_type("kvm", "vm", "", VM_CONFIG, actor="lab")
    type_commands.register_device_type("bench", "board", "", {**BOARD_CONFIG, "health": check}, actor="lab")
    for name in names or ("alpha",):
        board_commands.register_board(name, "bench", "default", [], "", {}, actor="lab")


def run(number: int) -> Recorder:
    """Start a job that has its board."""
    return Recorder(number, commands.start_job(number, "worker-1"))


def asked(name: str = "alpha") -> int:
    return health.check_board(name, actor="lab", cause="test")


def test_a_check_is_a_job_of_the_labs_own_on_that_very_board() -> None:
    make_inventory(0, "alpha", "beta")
    number = asked("beta")
    row = Job.objects.get(pk=number)
    assert (row.submitter, row.pinned_board, row.host_type, row.health_check) == (
        "lab",
        "beta",
        "bench",
        True,
    )
    assert '"board": "beta"' in queries.definition_text(number)
    assert boards.board("beta").check_job == number
    assert [one.board for one in commands.schedule()] == ["beta"]
    assert boards.board("beta").state == "reserved"


def test_a_check_goes_before_jobs_that_wait_longer_and_are_more_urgent() -> None:
    make_inventory()
    submit(make_user(), definition(priority="high"))
    number = asked()
    assert [one.job for one in commands.schedule()] == [number]


def test_a_check_that_passes_says_that_the_board_is_well() -> None:
    make_inventory()
    number = asked()
    commands.schedule()
    run(number).finish(outcome="complete")
    board = boards.board("alpha")
    assert (board.state, board.health, board.health_job, board.check) == ("free", "good", number, "")
    assert board.checked_at is not None


def test_a_check_that_fails_takes_the_board_out_with_reason_and_job() -> None:
    make_inventory()
    number = asked()
    commands.schedule()
    recorder = run(number)
    recorder.record([result("memory", "fail"), result("disk", "pass")])
    recorder.finish(outcome="complete")
    board = boards.board("alpha")
    assert (board.state, board.health_job) == ("unhealthy", number)
    assert board.reason == "unhealthy: health check failed: 1 test failed (memory)"
    waiting = submit(make_user())
    assert commands.schedule() == []
    (told,) = queries.waiting_for(LAB, Job.objects.get(pk=waiting))["waiting"]
    assert told == {"board": "alpha", "reason": f"is {board.reason}"}


def test_a_repaired_board_takes_no_other_job_before_it_has_passed() -> None:
    make_inventory()
    board_commands.set_board_health("alpha", "bad", "no prompt", actor="lab")
    waiting = submit(make_user())
    board_commands.bring_board_online("alpha", "new cable", actor="cli:ada")
    assert boards.board("alpha").reason == "unhealthy: no prompt"
    assert OrmQ.objects.filter().count(), "it need not wait for the reconciler"
    (number,) = health.queue_due()
    assert [one.job for one in commands.schedule()] == [number]
    run(number).finish(outcome="complete")
    assert [one.job for one in commands.schedule()] == [waiting]


def test_the_reconciler_sees_to_a_check_that_no_task_saw_to() -> None:
    make_inventory()
    board_commands.take_board_offline("alpha", "dust", actor="lab")
    Board.objects.update(quarantined=True)
    board_commands.bring_board_online("alpha", "dusted", actor="lab")
    assert boards.board("alpha").state == "unchecked"
    Reconciler().look()
    (row,) = Job.objects.all()
    assert (row.state, row.health_check) == ("assigned", True)


def test_boards_are_checked_by_the_clock_while_they_are_free() -> None:
    make_inventory(24, "alpha", "beta")
    board_commands.take_board_offline("beta", "dust", actor="lab")
    (first,) = health.queue_due()
    assert health.queue_due() == []
    commands.schedule()
    run(first).finish(outcome="complete")
    assert health.queue_due() == []
    Board.objects.filter(pk="alpha").update(checked_at=timezone.now() - timedelta(hours=25))
    assert health.queue_due() == [first + 1]
    assert "due every 24 hours" in [entry.why for entry in boards.board_history("alpha")]


def test_a_board_that_is_in_use_is_checked_later() -> None:
    make_inventory(1)
    submit(make_user())
    commands.schedule()
    assert health.queue_due() == []


def test_a_board_without_a_health_check_comes_back_at_once_and_cannot_be_checked() -> None:
    make_inventory()
    type_commands.change_device_type("bench", config=BOARD_CONFIG, actor="lab")
    with pytest.raises(
        Rejected, match=r"Board alpha has no health check: give its type .* health\.definition"
    ):
        asked()
    with pytest.raises(Rejected, match="There is no board 'nix'"):
        asked("nix")
    board_commands.take_board_offline("alpha", "dust", actor="lab")
    board_commands.bring_board_online("alpha", actor="lab")
    assert boards.board("alpha").free


def test_a_canceled_check_of_a_repaired_board_keeps_it_out() -> None:
    make_inventory()
    board_commands.set_board_health("alpha", "bad", "no prompt", actor="lab")
    board_commands.bring_board_online("alpha", "new cable", actor="lab")
    (number,) = health.queue_due()
    staff = make_user("ada", is_staff=True, is_superuser=True)
    commands.request_cancel(number, "enough", user=staff, cause="test")
    board = boards.board("alpha")
    assert (board.state, board.check) == ("quarantined", "")
    assert "its health check, job 1, was canceled: enough" in board.reason
    assert health.queue_due() == []


def test_a_user_who_is_called_lab_may_not_cancel_the_labs_checks() -> None:
    make_inventory()
    with pytest.raises(NotPermitted):
        commands.request_cancel(asked(), user=make_user("lab"), cause="test")


def test_a_check_that_was_lost_is_made_again_once_the_board_is_clean() -> None:
    make_inventory()
    number = asked()
    commands.schedule()
    recorder = run(number)
    assert commands.lose_job(number, recorder.fence, "worker-1 is silent")
    assert boards.board("alpha").state == "quarantined"
    assert health.queue_due() == []
    assert commands.return_board(number, "looked")
    assert health.queue_due() == [number + 1]


def test_a_check_that_a_worker_ended_for_its_own_end_is_made_again() -> None:
    make_inventory()
    number = asked()
    commands.schedule()
    failure = Failure(kind="infrastructure", message="the worker was shut down")
    run(number).finish(outcome="incomplete", failure=failure, interrupted=True)
    assert boards.board("alpha").health == "unknown"
    assert health.queue_due() == [number + 1]


def test_a_queued_check_ends_with_its_board() -> None:
    make_inventory()
    number = asked()
    assert health.cancel_orphans() == []
    board_commands.retire_board("alpha", "burnt", actor="lab")
    assert health.cancel_orphans() == [number]
    assert Job.objects.get(pk=number).outcome == "canceled"


def test_a_definition_that_is_wrong_is_refused_where_it_is_written_at_its_line() -> None:
    make_inventory()
    text = "timeout: 60\njob_name: x\nvm_group:\n  host:\n    rule: a\n  vms: []\nactions: []\n"
    with pytest.raises(BadConfig) as caught:
        type_commands.change_device_type("bench", config={"health": {"definition": text}}, actor="lab")
    told = [problem.message for problem in caught.value.problems]
    assert any("line 5" in one and "rule" in one for one in told), told
    assert any("line 6" in one and "vms" in one for one in told), told
    assert {problem.path for problem in caught.value.problems} == {"health.definition"}


def test_a_definition_that_the_inventory_has_outgrown_is_dropped_with_the_reason() -> None:
    make_inventory()
    board_commands.change_board("alpha", config={"runs": []}, actor="lab")
    board_commands.set_board_health("alpha", "bad", "no prompt", actor="lab")
    board_commands.bring_board_online("alpha", "new cable", actor="lab")
    assert health.queue_due() == []
    board = boards.board("alpha")
    assert board.state == "quarantined"
    assert "not checked after repair: The definition of the health check is not accepted" in board.reason
    with pytest.raises(Rejected, match="bring it online"):
        asked()


# -- for people and programs -----------------------------------------------------------------------


def manage(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_a_check_is_asked_for_at_a_terminal() -> None:
    make_inventory(24)
    told = manage("board", "alpha", "check", "--reason", "new cable")
    assert told == "Job 1 checks the health of board alpha.\nBoard alpha is free, health unknown.\n"
    shown = manage("board", "alpha", "show")
    assert "  checks   every 24 hours, job 1 does one" in shown
    assert "health check queued, job 1" in shown
    assert "health check asked for: new cable" in shown
    with pytest.raises(CommandError, match="is being checked already, by job 1"):
        manage("board", "alpha", "check")
    assert "is it well?  [health check]" in manage("jobs")


def test_a_check_is_asked_for_by_a_program_that_may() -> None:
    make_inventory()
    address = "/api/v1/boards/alpha/health-check/"

    def post(user: Any, **body: str) -> Any:
        headers = {"Authorization": f"Token {make_token(user, 'test')}"}
        return Client(headers=headers).post(address, json.dumps(body), content_type="application/json")

    assert Client().post(address).status_code in (401, 403)
    assert post(make_user()).status_code == 403
    answer = post(make_user("ada", is_staff=True, is_superuser=True), reason="because")
    assert (answer.status_code, answer.json()["id"]) == (201, 1)
    assert answer["Location"].endswith("/api/v1/jobs/1/")
    job = queries.job_snapshot(make_user("otto"), 1)
    assert job["health_check"] is True
    assert [entry.why for entry in boards.board_history("alpha")][1] == "because"
    assert store.read("board/alpha")[1].meta.actor == "ada"


def test_checks_stand_out_on_the_pages() -> None:
    make_inventory()
    number = asked()
    client = Client()
    client.force_login(make_user())
    assert "health check" in client.get("/jobs/").content.decode()
    assert "health check" in client.get(f"/jobs/{number}/").content.decode()
    assert f"#{number}" in client.get("/boards/alpha/").content.decode()
    commands.schedule()
    recorder = run(number)
    recorder.finish(outcome="complete")
    assert "found by" in client.get("/boards/alpha/").content.decode()
