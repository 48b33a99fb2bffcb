"""Requests from consoles to the group and back: phases, answers, deadlocks."""

from __future__ import annotations

import threading

import pytest

from devices.drivers.expect import Console
from jobs.domain.events import Fact, NodeClosed, NodePlan, PhaseStarted, WaitEnded, WaitStarted
from jobs.domain.signals import Request
from jobs.execution.journal import Journal
from jobs.execution.sync import Sync, Typist
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded
from tests.unit.drivers.scripted import Record, Scripted, wait_for

NODES = tuple(
    NodePlan(index=index, name=name, role=name, device_type="x")
    for index, name in enumerate(("host", "server", "client"))
)


class Facts:
    def __init__(self) -> None:
        self.all: list[Fact] = []

    def report(self, *facts: Fact) -> None:
        self.all += facts


class Room:
    """A group with scripted consoles."""

    def __init__(self, *, auto_start: bool = True, stuck_for: float = 3) -> None:
        self.facts, self.started, self.stuck = Facts(), threading.Event(), list[str]()
        self.sync = Sync(
            NODES,
            Journal(self.facts, clock=lambda: 1.0),
            auto_start=auto_start,
            start_vms=self.started.set,
            deadlocked=self.stuck.append,
            stuck_for=stuck_for,
        )
        self.terminals = {node.index: Scripted() for node in NODES}
        self.consoles = [Console(self.terminals[node.index], Record(), node.name) for node in NODES]
        self.typists = [Typist(console) for console in self.consoles]
        for node, typist in zip(NODES, self.typists, strict=True):
            self.sync.attach(node.index, typist)

    def ask(self, node: int, verb: str, *args: str) -> None:
        self.sync.request(node, Request(offset=0, verb=verb, args=args))

    def close(self) -> None:
        self.sync.stop("the test is over")
        for typist in self.typists:
            typist.close()
        for console in self.consoles:
            console.close()


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_message_reaches_who_waits_for_it(room: Room) -> None:
    room.sync.doing(1, "net")
    room.ask(1, "WAIT", "ready")
    room.ask(2, "SEND", "ready")

    wait_for(lambda: b"LAVA_WAIT_COMPLETE" in room.terminals[1].typed)
    phases = [(one.phase, one.what) for one in room.facts.all if isinstance(one, PhaseStarted)]
    assert phases == [("test", "net"), ("wait", "wait ready"), ("test", "net")]
    room.close()


def test_a_closed_node_releases_who_needs_it(room: Room) -> None:
    room.ask(1, "SYNC", "here")
    room.sync.close(2, "it panicked", ok=False)

    wait_for(lambda: b"nack" in room.terminals[1].typed)
    (ended,) = [one for one in room.facts.all if isinstance(one, WaitEnded)]
    assert "client is closed (it panicked)" in ended.reason
    room.close()


def test_a_node_is_closed_once(room: Room) -> None:
    room.sync.close(1, "done", ok=True)
    room.sync.close(1, "again", ok=False)

    assert [one.reason for one in room.facts.all if isinstance(one, NodeClosed)] == ["done"]
    room.close()


def test_the_gate_opens_with_the_last_vm(room: Room) -> None:
    thread = threading.Thread(target=room.sync.pass_gate, args=(Deadline.after(20),))
    thread.start()
    wait_for(lambda: any(isinstance(one, WaitStarted) for one in room.facts.all))
    room.sync.close(1, "done", ok=True)
    assert thread.is_alive()
    room.sync.close(2, "done", ok=True)
    thread.join(10)

    assert room.sync.gate_open
    assert not thread.is_alive()
    room.close()


def test_the_gate_keeps_its_deadline(room: Room) -> None:
    with pytest.raises(DeadlineExceeded):
        room.sync.pass_gate(Deadline.after(0.05, "the gate"))
    room.close()


def test_vms_are_started_when_the_host_asks() -> None:
    room = Room(auto_start=False)
    assert room.sync.gate_problem is not None
    room.ask(1, "START_VMS")
    started = [room.started.is_set()]  # only the host may
    room.ask(0, "START_VMS")
    started.append(room.started.is_set())

    assert started == [False, True]
    assert room.sync.gate_open is False
    room.close()


def test_a_deadlock_is_broken_up_after_a_moment() -> None:
    room = Room(stuck_for=0.05)
    for node in range(3):
        room.ask(node, "WAIT", f"from-{node}")

    wait_for(lambda: all(b"nack" in terminal.typed for terminal in room.terminals.values()))
    assert len(room.stuck) == 1
    assert "server waits for message 'from-1'" in room.stuck[0]
    room.close()


def test_a_message_in_time_lifts_the_alarm() -> None:
    room = Room(stuck_for=0.3)
    for node in range(3):
        room.ask(node, "WAIT", "x")
    room.ask(1, "SEND", "x")

    wait_for(lambda: all(b"COMPLETE" in terminal.typed for terminal in room.terminals.values()))
    threading.Event().wait(0.4)
    assert room.stuck == []
    room.close()


def test_a_host_that_waits_while_its_vms_were_never_started() -> None:
    room = Room(auto_start=False, stuck_for=0.05)
    room.ask(0, "WAIT", "ready")

    wait_for(lambda: bool(room.stuck))
    assert "lava-start-vms" in room.stuck[0]
    room.close()


def test_a_console_that_takes_nothing_holds_nobody_up(room: Room) -> None:
    class Stubborn(Scripted):
        def write(self, data: bytes, deadline: Deadline) -> None:
            while True:
                deadline.check()
                threading.Event().wait(0.01)

    console = Console(Stubborn(), Record(), "stubborn")
    typist = Typist(console)
    room.sync.attach(1, typist)
    room.ask(1, "SYNC", "x")
    room.ask(2, "SYNC", "x")
    room.ask(0, "SYNC", "x")

    wait_for(lambda: b"COMPLETE" in room.terminals[2].typed)
    typist.close()
    console.close()
    room.close()
