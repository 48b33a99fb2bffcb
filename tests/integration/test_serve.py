"""A lab is started and stopped, killed, and started twice."""

from __future__ import annotations

import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from devices import queries as boards
from jobs import commands
from jobs.models import Job
from tests.support.databases import Database
from tests.support.jobs import definition, make_inventory, make_user, submit
from tests.support.labs import Lab, finished, running, until

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def lab(tmp_path: Path, sqlite_database: Database) -> Iterator[Lab]:
    make_inventory("alpha", "beta")
    with Lab(tmp_path, sqlite_database, "serve", "--port", "0", "--workers", "2") as one:
        yield one


def test_a_lab_serves_pages_and_runs_jobs_and_leaves_nothing_behind(lab: Lab) -> None:
    with urllib.request.urlopen(lab.url + "admin/login/") as answer:
        assert answer.status == 200
    number = submit(make_user(), definition("talk 100"))
    until(finished(number), "the job")
    row = Job.objects.get(pk=number)
    assert (row.outcome, row.passed) == ("complete", 101)
    lab.stop(signal.SIGINT)
    assert lab.process.returncode == 0
    assert lab.left_behind() == []
    assert "Stopped." in lab.said
    assert "misconfigured" not in lab.said
    assert "Traceback" not in lab.said


def test_jobs_that_run_at_a_shutdown_end_as_incomplete_and_their_boards_are_free(lab: Lab) -> None:
    number = submit(make_user(), definition("sleep 100"))
    until(running(number), "the start")
    lab.stop()
    row = Job.objects.get(pk=number)
    assert (row.state, row.outcome) == ("finished", "incomplete")
    assert row.failure is not None
    assert row.failure["message"] == "the worker was shut down while the job ran"
    assert boards.board("alpha").free
    assert lab.left_behind() == []


def test_a_job_submitted_while_nothing_runs_is_run_at_the_next_start(
    tmp_path: Path, sqlite_database: Database
) -> None:
    make_inventory()
    number = submit(make_user(), definition("sleep 0"))
    commands.schedule()
    with Lab(tmp_path, sqlite_database, "serve", "--port", "0", "--workers", "1"):
        until(finished(number), "the job")
    assert Job.objects.get(pk=number).outcome == "complete"


def test_a_cluster_that_hangs_is_replaced(lab: Lab) -> None:
    erika = make_user()
    until(finished(submit(erika, definition("sleep 0"))), "a first job")
    workers = [one for one in lab.cluster() if len(one.parents()) > 2]
    for one in workers:
        one.suspend()  # all of it, as after the death of a worker that held the queue's lock
    number = submit(erika, definition("sleep 0"))
    until(finished(number), "the job", 120)
    assert "starting it again" in lab.said


def test_children_end_when_the_supervisor_is_killed(lab: Lab) -> None:
    number = submit(make_user(), definition("sleep 100"))
    until(running(number), "the start")
    lab.members()
    lab.process.kill()
    lab.process.wait(10)
    until(lambda: not lab.left_behind(), "the end of all")
    assert Job.objects.get(pk=number).outcome == "incomplete"


def test_a_port_in_use_is_refused_with_the_reason(tmp_path: Path, sqlite_database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        lab = Lab(tmp_path, sqlite_database, "serve", "--port", port)
        assert lab.process.wait(90) != 0
    assert f"Cannot listen at 127.0.0.1 port {port}: Address already in use" in lab.said


def test_two_machines_on_one_database_run_every_job_once(tmp_path: Path, postgres_database: Database) -> None:
    make_inventory(*(f"board-{number}" for number in range(4)))
    erika = make_user()
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with (
        Lab(folders[0], postgres_database, "worker", "--workers", "2"),
        Lab(folders[1], postgres_database, "worker", "--workers", "2"),
    ):
        numbers = [submit(erika, definition("talk 3")) for _ in range(12)]
        for number in numbers:
            until(finished(number), f"job {number}")
    connection.close()
    rows = Job.objects.filter(pk__in=numbers)
    assert {(row.outcome, row.passed) for row in rows} == {("complete", 4)}
    assert len({row.worker for row in rows}) > 1
