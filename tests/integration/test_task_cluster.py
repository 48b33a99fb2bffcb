"""The eye on the task cluster: what counts as hanging, and what comes back when it is replaced."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from lab import cluster_ties, task_cluster
from lab.task_broker import Broker
from lab.task_cluster import TaskCluster

pytestmark = pytest.mark.django_db

# Says what its standard input would: it has the pulse, and ends with its lifeline.
CHILD = """
import os, select, sys
from lab import cluster_ties
for line in sys.argv[1:]:
    os.write(int(os.environ[cluster_ties.PULSE]), line.encode() + b"\\n")
select.select(cluster_ties.descriptors(), [], [])
"""


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(task_cluster, "time", one)
    return one


class Watched:
    """A cluster whose processes say what the test wants them to."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.cluster = TaskCluster([sys.executable, "-c", CHILD], queue="default", workers=2, grace=5)
        self.cluster.start()
        self.says("ready 7 0")

    def says(self, *lines: str) -> None:
        for line in lines:
            what, pid, row = line.split()
            self.cluster._heard(what, int(pid), int(row))

    def stuck_after(self, seconds: float) -> str:
        """Look, wait, and look again."""
        self.cluster.stuck()
        self.clock.now += seconds
        return self.cluster.stuck()


@pytest.fixture
def watched(clock: Clock) -> Iterator[Watched]:
    one = Watched(clock)
    yield one
    one.cluster.kill()


def due(seconds: int = 60) -> int:
    """A task in the queue that has been due for so long."""
    row = OrmQ.objects.create(key="default", payload="", lock=timezone.now() - timedelta(seconds=seconds))
    return int(row.pk)


def test_a_cluster_without_work_does_not_hang(watched: Watched) -> None:
    assert watched.stuck_after(3600) == ""


def test_tasks_that_nobody_takes_though_workers_are_idle_mean_that_it_hangs(watched: Watched) -> None:
    due()
    assert watched.stuck_after(15) == ""
    assert "not taken" in watched.stuck_after(6)


def test_a_cluster_that_is_not_up_yet_gets_time(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.cluster._ready = False
    due()
    monkeypatch.setattr(TaskCluster, "age", 170.0)
    assert watched.stuck_after(60) == ""
    monkeypatch.setattr(TaskCluster, "age", 181.0)
    assert "did not come up" in watched.stuck_after(60)


def test_a_task_that_was_taken_but_never_begun_means_that_it_hangs(watched: Watched) -> None:
    watched.says(f"claim {os.getpid()} 5")
    assert watched.stuck_after(15) == ""
    assert "not begun" in watched.stuck_after(6)


def test_tasks_may_wait_as_long_as_all_workers_are_busy(watched: Watched) -> None:
    me = os.getpid()
    watched.says(f"claim {me} 1", f"begin {me} 1", f"claim {me} 2", f"begin {me} 2", f"claim {me} 3")
    due()
    assert watched.stuck_after(3600) == ""
    watched.says(f"end {me} 1")
    assert watched.stuck_after(15) == ""  # from now on one is idle
    assert "not begun" in watched.stuck_after(6)


def test_a_worker_that_died_is_not_busy(watched: Watched) -> None:
    me = os.getpid()
    watched.says(f"claim {me} 1", f"begin {me} 1", "claim 4194305 2", "begin 4194305 2", f"claim {me} 3")
    assert "not begun" in watched.stuck_after(21)


def test_a_task_that_ended_is_no_longer_watched(watched: Watched) -> None:
    me = os.getpid()
    watched.says(f"claim {me} 1", f"begin {me} 1", f"end {me} 1")
    assert watched.stuck_after(3600) == ""


def test_what_a_replaced_cluster_had_taken_is_due_again(watched: Watched) -> None:
    later = timezone.now() + timedelta(minutes=2)
    mine, others = (OrmQ.objects.create(key="default", payload="", lock=later).pk for _ in range(2))
    watched.says(f"claim {os.getpid()} {mine}", f"begin {os.getpid()} {mine}")
    watched.cluster.kill()
    assert OrmQ.objects.get(pk=mine).lock <= timezone.now()
    assert OrmQ.objects.get(pk=others).lock == later


def test_the_pulse_reaches_the_supervisor(clock: Clock) -> None:
    command = [sys.executable, "-c", CHILD, "claim 7 1", "begin 7 1", "begin 7 None", "claim 7 2"]
    cluster = TaskCluster(command, queue="default", workers=2, grace=5)
    cluster.start()
    try:
        while set(cluster._claimed) != {1, 2}:
            cluster._listen()
        assert cluster._busy == {1: 7}
    finally:
        cluster.kill()


def test_without_a_supervisor_there_are_no_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cluster_ties.LIFELINE, raising=False)
    monkeypatch.delenv(cluster_ties.PULSE, raising=False)
    assert not cluster_ties.stopping()
    cluster_ties.pulse("begin", 1)


def test_the_oldest_task_is_taken_first_and_by_one_only() -> None:
    young, old = due(10), due(60)
    taken = [Broker("default").dequeue() for _ in range(2)]
    assert [task[0][0] for task in taken if task] == [old, young]
    assert Broker("default").dequeue() is None
    assert Broker("elsewhere").dequeue() is None
