"""A whole lab as its user starts it: real processes, real signals, a pretended execution."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.db import connection

from devices import queries as boards
from jobs import commands
from jobs.models import Job, Lease
from tests.support.databases import Database
from tests.support.jobs import definition, make_inventory, make_user, submit

pytestmark = pytest.mark.timeout(180)


def until(condition: Callable[[], object], what: str, seconds: float = 40) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)


class Lab:
    """A running ``manage.py serve`` (or worker)."""

    def __init__(self, var: Path, database: Database, *command: str) -> None:
        self.log = var / f"{command[0]}-{time.monotonic_ns()}.log"
        env = {
            **os.environ,
            "DATABASE_URL": database.url,
            "LABBOOK_VAR": str(var),
            "LABBOOK_EXECUTION": "tests.support.fake_execution",
            "LABBOOK_SECRET_KEY": settings.SECRET_KEY,  # signs the tasks that we queue for it
            "DJANGO_SETTINGS_MODULE": "lab.settings",
        }
        with self.log.open("w") as log:
            self.process = psutil.Popen(
                [sys.executable, str(settings.BASE_DIR / "manage.py"), *command],
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.family: set[int] = set()

    @property
    def said(self) -> str:
        return self.log.read_text()

    def ready(self) -> Lab:
        until(lambda: "Ctrl-C" in self.said or self.process.poll() is not None, "the start")
        assert self.process.poll() is None, self.said
        until(lambda: len(self.cluster()) >= 4, "the cluster")
        return self

    @property
    def url(self) -> str:
        found = re.search(r"http://\S+", self.said)
        assert found, self.said
        return found[0]

    def members(self) -> list[psutil.Process]:
        """All processes of the lab, the supervisor left out."""
        found = self.process.children(recursive=True)
        self.family |= {one.pid for one in found}
        return list(found)

    def cluster(self) -> list[psutil.Process]:
        """The processes of the task cluster and of jobs."""
        return [one for one in self.members() if "task_cluster" in " ".join(_command(one))]

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.members()
        self.process.send_signal(number)
        self.process.wait(60)

    def left_behind(self) -> list[int]:
        return [pid for pid in self.family if psutil.pid_exists(pid)]

    def __enter__(self) -> Lab:
        return self.ready()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            for one in [*self.members(), self.process]:
                one.kill()
            self.process.wait(10)


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def state(number: int) -> tuple[str, str]:
    row = Job.objects.get(pk=number)
    return row.state, row.outcome


def finished(number: int) -> Callable[[], bool]:
    return lambda: state(number)[0] == "finished"


def running(number: int) -> Callable[[], bool]:
    return lambda: state(number)[0] == "running" and Lease.objects.filter(job=number).exists()


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def lab(var: Path, sqlite_database: Database) -> Iterator[Lab]:
    make_inventory("alpha", "beta")
    with Lab(var, sqlite_database, "serve", "--port", "0", "--workers", "2") as one:
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
    var: Path, sqlite_database: Database
) -> None:
    make_inventory()
    number = submit(make_user(), definition("sleep 0"))
    commands.schedule()
    with Lab(var, sqlite_database, "serve", "--port", "0", "--workers", "1"):
        until(finished(number), "the job")
    assert state(number) == ("finished", "complete")


def test_a_request_to_cancel_ends_a_running_job_within_seconds(lab: Lab) -> None:
    erika = make_user()
    number = submit(erika, definition("sleep 100"))
    until(running(number), "the start")
    commands.request_cancel(number, "enough", user=erika, cause="test")
    asked = time.monotonic()
    until(finished(number), "the end")
    assert time.monotonic() < asked + 5
    assert state(number) == ("finished", "canceled")
    assert boards.board("alpha").free


def test_a_bug_ends_the_job_as_one_and_the_worker_logs_it(lab: Lab) -> None:
    number = submit(make_user(), definition("bug"))
    until(finished(number), "the end")
    row = Job.objects.get(pk=number)
    assert row.failure is not None
    assert (row.outcome, row.failure["kind"]) == ("incomplete", "bug")
    assert "a bug on purpose" in row.failure["message"]
    assert boards.board("alpha").free
    assert "Traceback" in lab.said


def test_a_job_whose_process_dies_is_lost_at_once_and_its_board_comes_back_clean(lab: Lab) -> None:
    number = submit(make_user(), definition("die"))
    until(finished(number), "the end", 10)
    row = Job.objects.get(pk=number)
    assert row.failure is not None
    assert row.failure["kind"] == "infrastructure"
    assert "killed by SIGKILL" in row.failure["message"]
    until(lambda: boards.board("alpha").free, "the recovery of the board")


def test_a_killed_worker_takes_its_job_along_in_order(lab: Lab) -> None:
    number = submit(make_user(), definition("sleep 100"))
    until(running(number), "the start")
    worker = int(Job.objects.get(pk=number).worker.rpartition("/")[2])
    os.kill(worker, signal.SIGKILL)
    until(finished(number), "the end", 10)
    row = Job.objects.get(pk=number)
    assert row.failure is not None
    assert "shut down" in row.failure["message"]
    again = submit(type(make_user("otto")).objects.get(username="otto"), definition("sleep 0"))
    until(finished(again), "the next job")


def test_a_cluster_that_hangs_is_replaced(lab: Lab) -> None:
    workers = [one for one in lab.cluster() if len(one.parents()) > 2]
    for one in workers:
        one.suspend()  # all of it, as after the death of a worker that held the queue's lock
    number = submit(make_user(), definition("sleep 0"))
    until(finished(number), "the job", 60)
    assert "starting it again" in lab.said


def test_a_web_server_that_dies_is_started_again_at_the_same_address(lab: Lab) -> None:
    [web] = [one for one in lab.members() if "web_server" in _command(one)]
    web.kill()
    with urllib.request.urlopen(lab.url + "admin/login/", timeout=30) as answer:
        assert answer.status == 200


def test_children_end_when_the_supervisor_is_killed(lab: Lab) -> None:
    number = submit(make_user(), definition("sleep 100"))
    until(running(number), "the start")
    lab.members()
    lab.process.kill()
    lab.process.wait(10)
    until(lambda: not lab.left_behind(), "the end of all")
    assert state(number) == ("finished", "incomplete")


def test_a_second_lab_in_the_same_folder_is_refused(lab: Lab, var: Path, sqlite_database: Database) -> None:
    second = Lab(var, sqlite_database, "serve", "--port", "0")
    assert second.process.wait(30) != 0
    assert "running already" in second.said


def test_a_port_in_use_is_refused_with_the_reason(var: Path, sqlite_database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        lab = Lab(var, sqlite_database, "serve", "--port", port)
        assert lab.process.wait(30) != 0
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
