"""A job that runs in the test's own process, with a console on one node that prints what is typed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.contrib.auth.models import User

from devices.domain.config import Waits
from jobs import queries
from jobs.domain.hands_events import ConsoleOpened
from jobs.execution.hands import Hands
from jobs.execution.ports import Cancellation, Superseded
from jobs.log_writer import LogWriter
from jobs.models import Job
from jobs.recorder import Recorder
from jobs.run_watch import Stop, watched
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError
from tests.support.jobs import started


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class Echo:
    """A console that prints what is typed, as a shell's terminal does."""

    waits = Waits()

    def __init__(self, writer: LogWriter, node: int) -> None:
        self._writer, self._node = writer, node
        self.typed = bytearray()
        self.broken = ""

    def send(self, data: bytes, deadline: Deadline) -> None:
        if self.broken:
            raise InfrastructureError(self.broken)
        self.typed += data
        self._writer.write(self._node, data.replace(b"\r", b"\r\n"))


class Running:
    """A job that runs, with a console on node 1."""

    def __init__(self, recorder: Recorder, writer: LogWriter, hands: Hands, cancel: Cancellation) -> None:
        self.number, self.recorder, self.writer = recorder.number, recorder, writer
        self.hands, self.cancel = hands, cancel
        self.console = Echo(writer, 1)
        hands.attach(1, self.console)
        writer.report(ConsoleOpened(node=1, at=time.time()))
        writer.flush()

    @property
    def row(self) -> Job:
        return Job.objects.get(pk=self.number)

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [one["data"] for one in queries.job_events(self.number) if one["type"] == f"job.{kind}"]


@contextmanager
def running(user: User) -> Iterator[Running]:
    _, recorder = started(user)
    writer = LogWriter(recorder, max_console=10_000_000)
    hands, cancel = Hands(), Cancellation()
    try:
        with watched(recorder, writer, cancel, hands, Stop()):
            yield Running(recorder, writer, hands, cancel)
    finally:
        with suppress(Superseded):  # where the test has ended the job, and the watch has seen it
            writer.close()
