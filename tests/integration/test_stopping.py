"""A request to stop is heeded, whatever the process was doing just then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.support.databases import Database

pytestmark = pytest.mark.timeout(120)

# Runs supervisors in forked processes, each of which gets its SIGTERM at another line of the loop. Prints the
# lines at which one did not end.
EVERYWHERE = """
import os, signal, sys, time
from lab import supervise
supervise.TICK = 0.005

def supervised(line):
    seen = 0
    def trace(frame, event, arg):
        nonlocal seen
        if frame.f_code.co_filename.endswith(("supervise.py", "threading.py")) and started:
            seen += event == "line"
            if seen == line:
                os.kill(os.getpid(), signal.SIGTERM)
        return trace
    child = supervise.Child("child", ["sleep", "1000"])
    started = []
    sys.settrace(trace)
    supervise.Supervisor([child], say=lambda text: None).run(lambda: started.append(True))

for line in range(1, 46):
    pid = os.fork()
    if pid == 0:
        supervised(line)
        os._exit(0)
    end = time.monotonic() + 10
    while not (gone := os.waitpid(pid, os.WNOHANG)[0]) and time.monotonic() < end:
        time.sleep(0.005)
    if not gone:
        print(line, flush=True)
        os.kill(pid, signal.SIGKILL)
        break
"""

# Gets its SIGTERM when it is about to fork the process that guards the others.
AT_THE_FORK = """
import os, signal, sys
from multiprocessing.context import ForkProcess
start = ForkProcess.start
def interrupted(process):
    if os.getpid() == me:
        os.kill(me, signal.SIGTERM)
        print("interrupted", flush=True)
    start(process)
me = os.getpid()
ForkProcess.start = interrupted
import django
django.setup()
from django.core.management import call_command
call_command("task_cluster")
"""


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=settings.BASE_DIR, env=os.environ | environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=100,
    )  # fmt: skip


def test_a_supervisor_ends_wherever_the_signal_finds_it() -> None:
    done = python(EVERYWHERE)

    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_a_task_cluster_that_is_told_to_stop_while_it_comes_up_stops(
    tmp_path: Path, sqlite_database: Database
) -> None:
    done = python(
        AT_THE_FORK,
        DJANGO_SETTINGS_MODULE="lab.settings",
        DATABASE_URL=sqlite_database.url,
        LABBOOK_VAR=str(tmp_path),
        LABBOOK_EXECUTION="tests.support.fake_execution",
        LABBOOK_SECRET_KEY=settings.SECRET_KEY,
    )

    assert ("interrupted" in done.stdout, done.returncode) == (True, 0), done.stderr
