"""A running lab: ``manage.py serve`` or ``worker`` as real processes, with a pretended execution."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from django.conf import settings

from jobs.models import Job, Lease
from tests.support.databases import Database


def until(condition: Callable[[], object], what: str, seconds: float = 90) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)


class Lab:
    """All processes of one supervisor."""

    def __init__(self, folder: Path, database: Database, *command: str) -> None:
        self.folder = folder
        self.log = folder / f"{command[0]}-{time.monotonic_ns()}.log"
        env = {
            **os.environ,
            "DATABASE_URL": database.url,
            "LABBOOK_VAR": str(folder),
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
        until(lambda: "Ctrl-C" in self.said or self.process.poll() is not None, "the start", 120)
        assert self.process.poll() is None, self.said
        until(lambda: len(self.cluster()) >= 4, "the cluster", 120)
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
        return [one for one in self.members() if "task_cluster" in " ".join(command_of(one))]

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.members()
        self.process.send_signal(number)
        self.process.wait(60)

    def left_behind(self) -> list[int]:
        return [pid for pid in self.family if psutil.pid_exists(pid)]

    def __enter__(self) -> Lab:
        try:
            return self.ready()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End all of it, in whatever state it is."""
        if self.process.poll() is None:
            for one in [*self.members(), self.process]:
                one.kill()
            self.process.wait(10)


def command_of(process: psutil.Process) -> list[str]:
    """The command line of a process; empty if it is gone."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def running(number: int) -> Callable[[], bool]:
    """Whether a worker runs the job."""
    return lambda: Job.objects.get(pk=number).state == "running" and Lease.objects.filter(job=number).exists()


def finished(number: int) -> Callable[[], bool]:
    """Whether the job has ended."""
    return lambda: Job.objects.get(pk=number).state == "finished"
