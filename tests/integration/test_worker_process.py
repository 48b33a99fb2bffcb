"""The process of one job: it starts, ends when told to, and never outlives its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from jobs.run_watch import Stop
from jobs.worker_process import Ended, WorkerProcess
from tests.support.databases import Database

pytestmark = pytest.mark.usefixtures("sqlite_database")


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def ended(process: WorkerProcess, seconds: float = 20) -> Ended:
    """Wait for the end, and leave nothing."""
    end = time.monotonic() + seconds
    while (how := process.wait(0.05)) is None:
        assert time.monotonic() < end
    process.close()
    return how


def wait_for_stop(stop: Stop) -> None:
    until(lambda: stop.requested)


def test_work_that_is_done_ends_orderly(tmp_path: Path) -> None:
    how = ended(WorkerProcess(lambda stop: (tmp_path / "done").touch()))
    assert how.orderly
    assert str(how) == "exit status 0"
    assert (tmp_path / "done").exists()


def test_it_is_a_session_of_its_own(tmp_path: Path) -> None:
    def work(stop: Stop) -> None:
        (tmp_path / "sid").write_text(str(os.getsid(0)))

    process = WorkerProcess(work)
    ended(process)
    assert (tmp_path / "sid").read_text() == str(process.pid)


def test_it_is_asked_to_stop_and_does_so(tmp_path: Path) -> None:
    def work(stop: Stop) -> None:
        wait_for_stop(stop)
        (tmp_path / "cleaned").touch()

    process = WorkerProcess(work)
    process.stop()
    assert ended(process).orderly
    assert (tmp_path / "cleaned").exists()


def test_who_does_not_stop_is_killed_after_the_grace() -> None:
    process = WorkerProcess(lambda stop: time.sleep(1000), grace=0.1)
    process.stop()
    assert str(ended(process)) == "killed by SIGKILL"


def test_who_does_not_stop_when_the_supervisor_is_gone_kills_itself() -> None:
    process = WorkerProcess(lambda stop: time.sleep(1000), grace=0.1)
    os.close(process._lifeline)
    until(lambda: process.wait(0.05))
    assert str(process.ended) == "killed by SIGKILL"
    process._lifeline = os.open(os.devnull, os.O_RDONLY)
    process.close()


def test_what_it_started_goes_with_it(tmp_path: Path) -> None:
    def work(stop: Stop) -> None:
        child = subprocess.Popen(["sleep", "1000"])
        (tmp_path / "pid").write_text(str(child.pid))
        os._exit(0)

    assert ended(WorkerProcess(work)).orderly
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_a_bug_is_not_an_orderly_end(capfd: pytest.CaptureFixture[str]) -> None:
    def work(stop: Stop) -> None:
        raise KeyError("a bug on purpose")

    how = ended(WorkerProcess(work))
    assert str(how) == "exit status 70"


def test_a_descriptor_with_news_ends_the_waiting_early() -> None:
    process = WorkerProcess(wait_for_stop)
    reads, writes = os.pipe()
    os.close(writes)
    begun = time.monotonic()
    assert process.wait(10, reads) is None
    assert time.monotonic() < begun + 5
    os.close(reads)
    process.stop()
    assert ended(process).orderly


SUPERVISOR = """
import os, sys, time, pathlib, django
django.setup()
from jobs.worker_process import WorkerProcess
folder = pathlib.Path(sys.argv[1])

def work(stop):
    (folder / "pid").write_text(str(os.getpid()))
    while not stop.requested:
        time.sleep(0.01)
    (folder / "cleaned").touch()

process = WorkerProcess(work)
process.wait(1000)
"""


def test_it_ends_orderly_when_its_supervisor_is_killed(tmp_path: Path, sqlite_database: Database) -> None:
    env = {**os.environ, "DATABASE_URL": sqlite_database.url}
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(tmp_path)], env=env)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 40)
    pid = int((tmp_path / "pid").read_text())
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait(10)
    until(lambda: (tmp_path / "cleaned").exists())
    until(lambda: not psutil.pid_exists(pid))
