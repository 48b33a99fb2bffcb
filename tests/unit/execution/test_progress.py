"""Transfers as facts: not too many, the last one always, the rate that people would work out."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jobs.domain.events import Fact, ImageUsed, NoteTaken, TransferProgressed
from jobs.execution.cache import Fetched
from jobs.execution.journal import Journal
from jobs.execution.ports import Reporter
from jobs.execution.progress import Deploying, Teller, Transfer, Unwatched


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Log(Reporter):
    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def report(self, *facts: Fact) -> None:
        self.facts += facts

    @property
    def moved(self) -> list[TransferProgressed]:
        return [fact for fact in self.facts if isinstance(fact, TransferProgressed)]


@pytest.fixture
def log() -> Log:
    return Log()


def transfer(log: Log, clock: Clock) -> Transfer:
    return Transfer(Journal(log), 1, "copy disk", clock)


def test_a_short_transfer_is_told_of_once(log: Log) -> None:
    clock = Clock()
    one = transfer(log, clock)
    for done in (0, 50, 100):
        one(done, 100)
        clock.now += 0.1

    one.end()

    (fact,) = log.moved
    assert (fact.node, fact.what, fact.done, fact.total, fact.ended) == (1, "copy disk", 100, 100, True)
    assert fact.rate == pytest.approx(333.3)


def test_a_long_one_about_once_a_second(log: Log) -> None:
    clock = Clock()
    one = transfer(log, clock)
    for step in range(1001):
        one(step * 10, None)
        clock.now += 0.01

    one.end()

    assert 10 <= len(log.moved) <= 12
    assert [fact.ended for fact in log.moved] == [False] * (len(log.moved) - 1) + [True]
    assert all(fact.rate == pytest.approx(1000, rel=0.01) for fact in log.moved)


def test_the_rate_follows_what_happens(log: Log) -> None:
    clock = Clock()
    one = transfer(log, clock)
    done = 0
    for rate in (1000, 1000, 1000, 10, 10, 10, 10, 10, 10, 10):
        one(done, None)
        done += rate
        clock.now += 1

    one(done, None)

    assert log.moved[2].rate == pytest.approx(1000)
    assert log.moved[-1].rate < 30


def test_what_goes_on_where_it_broke_off_is_not_fast(log: Log) -> None:
    clock = Clock()
    one = transfer(log, clock)
    one(5_000_000, 5_000_100)
    clock.now += 10
    one(5_000_100, 5_000_100)

    one.end()

    assert log.moved[-1].rate == pytest.approx(10)


def test_nothing_is_told_of_what_did_not_move(log: Log) -> None:
    one = transfer(log, Clock())
    one.end()
    one(0, 100)
    one.end()

    assert log.facts == []


def test_an_end_is_told_once(log: Log) -> None:
    one = transfer(log, Clock())
    one(3, 3)
    one.end()
    one.end()

    assert len(log.moved) == 1


def test_troubles_are_notes(log: Log) -> None:
    transfer(log, Clock()).trouble("it broke off")

    (note,) = log.facts
    assert isinstance(note, NoteTaken)
    assert (note.node, note.level, note.text) == (1, "warning", "it broke off")


def test_who_moves_the_same_thing_to_a_node_tells_of_it_together(log: Log) -> None:
    teller = Teller(Journal(log), 1)
    with teller.transfer("fetch disk") as one:
        with teller.transfer("fetch disk") as other, teller.transfer("fetch kernel") as third:
            assert other is one
            assert third is not one
            other(5, 10)
        assert log.moved == []
        one(10, 10)

    (fact,) = log.moved
    assert (fact.done, fact.ended) == (10, True)


def test_many_threads_may_tell(log: Log) -> None:
    teller = Teller(Journal(log), 1)

    def move() -> None:
        with teller.transfer("fetch disk") as one:
            for done in range(1000):
                one(done, 1000)

    threads = [threading.Thread(target=move) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 <= len(log.moved) <= 4
    assert log.moved[-1].ended


def test_the_files_of_a_deploy_come_one_after_the_other(log: Log) -> None:
    with Deploying(Journal(log), 0) as progress:
        progress("kernel", 0, 10)
        progress("kernel", 10, 10)
        progress("command 2 of 2", 0, None)
        progress("image", 20, 20)

    assert [(one.what, one.done, one.ended) for one in log.moved] == [
        ("deploy kernel", 10, True),
        ("deploy image", 20, True),
    ]


def test_nobody_need_look() -> None:
    Unwatched()(1, 2)
    Unwatched().trouble("it broke off")


def test_the_files_that_are_used_are_recorded(log: Log) -> None:

    file = Fetched(url="lab:disk", path=Path("x"), sha256="b" * 64, size=3, source_sha256="a" * 64)
    Teller(Journal(log), 2).used("image", file)

    (fact,) = log.facts
    assert isinstance(fact, ImageUsed)
    assert (fact.node, fact.key, fact.url, fact.sha256, fact.size) == (2, "image", "lab:disk", "a" * 64, 3)
