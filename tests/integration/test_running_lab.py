"""A lab that runs: what goes wrong with jobs and processes, and how it goes on."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator

import psutil
import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoDbBlocker

from devices import queries as boards
from jobs import commands
from jobs.models import Job
from tests.support.databases import Database, SqliteDatabases
from tests.support.jobs import definition, make_inventory, make_user, submit
from tests.support.labs import Lab, command_of, finished, running, until

pytestmark = [pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def database(_sqlite_databases: SqliteDatabases, django_db_blocker: DjangoDbBlocker) -> Iterator[Database]:
    """One for all tests of this module, which share a lab: to start one takes seconds."""
    with django_db_blocker.unblock(), _sqlite_databases.fresh() as one:
        yield one


@pytest.fixture(scope="module")
def erika(database: Database) -> User:
    make_inventory("alpha", "beta", "gamma")
    return make_user()


@pytest.fixture(scope="module")
def shared_lab(database: Database, erika: User, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    with Lab(folder, database, "serve", "--port", "0", "--workers", "2") as one:
        yield one
        one.stop()


@pytest.fixture
def lab(shared_lab: Lab, django_db_blocker: DjangoDbBlocker) -> Iterator[Lab]:
    with django_db_blocker.unblock():
        yield shared_lab


def test_a_request_to_cancel_ends_a_running_job_within_seconds(lab: Lab, erika: User) -> None:
    number = submit(erika, definition("sleep 100"))
    until(running(number), "the start")
    commands.request_cancel(number, "enough", user=erika, cause="test")
    asked = time.monotonic()
    until(finished(number), "the end")
    assert time.monotonic() < asked + 15
    row = Job.objects.get(pk=number)
    assert row.outcome == "canceled"
    assert boards.board(row.board).free


def test_a_bug_ends_the_job_as_one_and_the_worker_logs_it(lab: Lab, erika: User) -> None:
    number = submit(erika, definition("bug"))
    until(finished(number), "the end")
    row = Job.objects.get(pk=number)
    assert row.failure is not None
    assert (row.outcome, row.failure["kind"]) == ("incomplete", "bug")
    assert "a bug on purpose" in row.failure["message"]
    assert boards.board(row.board).free
    assert "Traceback" in lab.said


def test_a_job_whose_process_dies_is_lost_at_once_and_its_board_comes_back_clean(
    lab: Lab, erika: User
) -> None:
    number = submit(erika, definition("die"))
    until(finished(number), "the end", 50)
    row = Job.objects.get(pk=number)
    assert row.failure is not None
    assert row.failure["kind"] == "infrastructure"
    assert "killed by SIGKILL" in row.failure["message"]
    until(lambda: boards.board(row.board).free, "the recovery of the board")


def test_a_killed_worker_takes_its_job_along_in_order(lab: Lab, erika: User) -> None:
    number = submit(erika, definition("sleep 100"))
    until(running(number), "the start")
    worker = psutil.Process(int(Job.objects.get(pk=number).worker.rpartition("/")[2]))
    until(worker.children, "the process of the job")
    worker.kill()
    until(finished(number), "the end", 100)
    row = Job.objects.get(pk=number)
    assert row.failure is not None
    assert "shut down" in row.failure["message"]
    again = submit(erika, definition("sleep 0"))
    until(finished(again), "the next job")


def test_a_web_server_that_dies_is_started_again_at_the_same_address(lab: Lab, erika: User) -> None:
    [web] = [one for one in lab.members() if "web_server" in command_of(one)]
    web.kill()
    with urllib.request.urlopen(lab.url + "admin/login/", timeout=90) as answer:
        assert answer.status == 200


def test_a_second_lab_in_the_same_folder_is_refused(lab: Lab, database: Database) -> None:
    second = Lab(lab.folder, database, "serve", "--port", "0")
    assert second.process.wait(90) != 0
    assert "running already" in second.said
