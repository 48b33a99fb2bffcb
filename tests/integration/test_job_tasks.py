"""The task that runs a job, carried out in this very process; the job's own process is a real one."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from django_q.models import OrmQ

from devices import queries as boards
from devices.models import Board
from jobs import commands, queries, tasks
from jobs.models import Job
from jobs.worker_process import WorkerProcess
from lab.cluster_ties import LIFELINE
from tests.support.databases import Database
from tests.support.jobs import definition, make_inventory, make_user, submit


@pytest.fixture(autouse=True)
def _pretending(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support import fake_execution

    monkeypatch.setattr("jobs.runner.execution", lambda: fake_execution)
    make_inventory("alpha")


def assigned(name: str, **what: int) -> int:
    number = submit(make_user(), definition(name, **what))  # type: ignore[arg-type]
    commands.schedule()
    return number


def failure(number: int) -> str:
    row = Job.objects.get(pk=number)
    assert row.failure is not None
    return f"{row.outcome} {row.failure['kind']}: {row.failure['message']}"


def test_it_runs_an_assigned_job_to_its_end() -> None:
    number = assigned("talk 5")
    assert tasks.run_job(number) == f"job {number}: exit status 0"
    assert Job.objects.get(pk=number).outcome == "complete"
    assert boards.board("alpha").free


def test_a_second_delivery_leaves_quietly() -> None:
    number = assigned("sleep 0")
    tasks.run_job(number)
    before = queries.job_events(number)
    assert "cannot be started (again)" in tasks.run_job(number)
    assert queries.job_events(number) == before


def test_a_board_that_was_left_unclean_is_quarantined_for_what_was_found() -> None:
    tasks.run_job(assigned("dirty"))
    assert "a process is left" in boards.board("alpha").reason


def test_a_job_that_overruns_everything_is_ended_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_grace", lambda board: 0.2)
    number = assigned("stubborn", timeout=1)
    assert tasks.run_job(number) == f"job {number}: killed by SIGKILL"
    assert failure(number) == (
        "incomplete infrastructure: the process that ran the job is gone (killed by SIGKILL)"
    )


def test_a_job_that_was_given_up_meanwhile_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "LOOK_EVERY", 0.1)
    number = assigned("sleep 1000")

    # A process that is forked while another of its threads is inside SQLite may hang there for ever. Workers
    # have no such thread then; neither shall this test.
    forked = threading.Event()

    class Noted(WorkerProcess):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            forked.set()

    monkeypatch.setattr(tasks, "WorkerProcess", Noted)

    def give_up() -> None:
        forked.wait(30)
        while not (fence := Job.objects.get(pk=number).fence):
            time.sleep(0.02)
        commands.lose_job(number, fence, "silence")
        connection.close()

    thread = threading.Thread(target=give_up)
    thread.start()
    assert tasks.run_job(number) == f"job {number}: exit status 0"
    thread.join()
    assert failure(number) == "incomplete infrastructure: silence"


def test_a_worker_that_is_shutting_down_begins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    reads, writes = os.pipe()
    os.close(writes)
    monkeypatch.setenv(LIFELINE, str(reads))
    number = assigned("sleep 0")
    assert "left to another worker" in tasks.run_job(number)
    os.close(reads)
    assert Job.objects.get(pk=number).state == "assigned"


def test_an_inventory_that_no_longer_fits_is_the_labs_failure() -> None:
    number = assigned("sleep 0")
    Board.objects.filter(pk="alpha").update(config={"ssh": {"host": 5}})
    tasks.run_job(number)
    assert failure(number).startswith("incomplete infrastructure: the inventory has changed")
    assert boards.board("alpha").free


def test_the_lock_of_a_running_task_is_extended() -> None:
    row = OrmQ.objects.create(key="default", payload="", lock=timezone.now())
    tasks._begin(None, {"ack_id": row.pk})
    row.refresh_from_db()
    assert row.lock > timezone.now() + timedelta(seconds=100)
    tasks._end(None, {"ack_id": row.pk})
    assert tasks._delivery is None


@override_settings(LABBOOK={"EXECUTION": "jobs.real_execution"})
def test_the_real_execution_has_what_a_run_needs() -> None:
    from importlib import import_module

    real = import_module("jobs.real_execution")
    assert callable(real.run_job)
    assert callable(real.clean_host)


def test_a_job_can_be_run_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    number = assigned("bug")
    call_command("run_job", number)
    assert capsys.readouterr().out.startswith(f"job {number} incomplete: Labbook itself failed: KeyError")


def test_by_hand_only_an_assigned_job_can_be_run() -> None:
    number = submit(make_user())
    with pytest.raises(CommandError, match="is queued: it cannot be started"):
        call_command("run_job", number)


def test_a_run_that_hangs_when_its_hold_is_over_is_ended_from_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(tasks, "_grace", lambda board: 0.3)
    number = assigned("stubborn", timeout=1)
    hold = {"user": "erika", "seconds": 30, "reason": "", "if_failed": False, "since": 0}
    Job.objects.filter(pk=number).update(hold={**hold, "until": time.time() + 1})
    assert tasks.run_job(number) == f"job {number}: killed by SIGKILL"
