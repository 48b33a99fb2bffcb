"""The process in which one job runs, and the watch over it.

The process is forked from the worker, which has everything imported: it begins to work a few milliseconds
after the task came, where a fresh interpreter needs most of a second. It is the leader of a session of its
own, so that it and all it starts can be killed as one group. It ends orderly on SIGTERM, and when its
supervisor dies: both hold one end of a pipe that nobody ever writes to.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from django.db import connections

from jobs.run_watch import Stop

GRACE = 90.0
"""Seconds from SIGTERM until the whole group is killed, where nothing else is said."""
TICK = 0.25

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    status: int
    """As `os.waitstatus_to_exitcode` has it: negative for a signal."""

    @property
    def orderly(self) -> bool:
        return self.status == 0

    def __str__(self) -> str:
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        return f"exit status {self.status}"


class WorkerProcess:
    """A forked process that does `work`. Start it in the main thread; nothing else may use its database
    connections meanwhile."""

    def __init__(self, work: Callable[[Stop], None], *, grace: float = GRACE) -> None:
        self._grace = grace
        # A connection must not be shared between two processes.
        connections.close_all()
        reads, writes = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        # Held back, not lost, until the new process can do something about it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self.pid = os.fork()
        if self.pid == 0:
            os.close(writes)
            _work(work, reads, grace)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(reads)
        self._lifeline = writes
        self._handle = os.pidfd_open(self.pid)
        self._kill_at: float | None = None
        self.ended: Ended | None = None

    def wait(self, seconds: float, *others: int) -> Ended | None:
        """Wait for the end, at most so long or until one of `others` (file descriptors) has news."""
        if self.ended is None:
            ready, _, _ = select.select([self._handle, *others], [], [], seconds)
            if self._handle in ready:
                _, status = os.waitpid(self.pid, 0)
                self.ended = Ended(os.waitstatus_to_exitcode(status))
            elif self._kill_at is not None and time.monotonic() > self._kill_at:
                log.error("process %d did not end in %d s, killing its group", self.pid, self._grace)
                self._signal_group(signal.SIGKILL)
        return self.ended

    def stop(self) -> None:
        """Ask it to end, once; `wait` kills the group when the grace has passed."""
        if self.ended is None and self._kill_at is None:
            self._kill_at = time.monotonic() + self._grace
            os.kill(self.pid, signal.SIGTERM)

    def close(self) -> None:
        """Leave nothing of it."""
        self._signal_group(signal.SIGKILL)
        while self.wait(1.0) is None:
            pass
        os.close(self._handle)
        os.close(self._lifeline)

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            if self.ended is None:  # it has not come to its setsid() yet
                os.kill(self.pid, number)


def _work(work: Callable[[Stop], None], lifeline: int, grace: float) -> NoReturn:
    """The life of the new process. Never returns into the code of the one it was forked from."""
    status = 70
    try:
        os.setsid()
        stop = Stop()
        # The worker ignores SIGINT; what is inherited by a program we start could not be interrupted.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        watch = threading.Thread(target=_watch_lifeline, args=(lifeline, grace), name="lifeline", daemon=True)
        watch.start()
        work(stop)
        status = 0
    except BaseException:  # the process ends here, and must say why
        log.exception("the process of a job failed")
    finally:
        logging.shutdown()
        os._exit(status)


def _watch_lifeline(lifeline: int, grace: float) -> None:
    os.read(lifeline, 1)  # returns at the end of the supervisor, for nothing is ever written
    signal.alarm(int(grace) + 10)  # by the kernel, should no thread of ours get to run any more
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    os.killpg(0, signal.SIGKILL)
