"""Starting processes and keeping them: one supervisor, a few children, nothing left behind.

A child that ends is started again, after a pause that grows while it keeps failing. A child that says it is
stuck is killed with all its descendants and started again. SIGTERM and Ctrl-C stop everything, orderly
first; a second one does not wait. The supervisor is the *subreaper* of all that descends from it, so even
processes in sessions of their own, whose parents died, are found and ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PARENT = "LABBOOK_SUPERVISOR"
TICK = 0.2
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STEADY = 60.0
"""Seconds after which a child counts as well, and its next failure as the first."""

log = logging.getLogger(__name__)


def die_with_supervisor() -> None:
    """Have the kernel send us SIGTERM when our supervisor dies. For children, first thing."""
    if parent := os.environ.get(PARENT):
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):  # it died before we asked
            os.kill(os.getpid(), signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


class Child:
    """A process that the supervisor keeps alive. Subclasses may say that it is stuck."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        fds: Sequence[int] = (),
        grace: float = 10.0,
    ) -> None:
        self.name, self.grace = name, grace
        self._command, self._env, self._fds = list(command), dict(env or {}), list(fds)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._restart_at = 0.0
        self._pause = FIRST_PAUSE

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def start(self) -> None:
        self._spawn({}, [])

    def stop(self) -> None:
        """Ask it to end."""
        if self._process is not None and self.alive:
            self._process.terminate()

    def stuck(self) -> str:
        """Why it must be replaced though it is alive; empty: it need not."""
        return ""

    def kill(self) -> None:
        """End it at once, with everything in its session and everything that descends from it."""
        if self._process is None:
            return
        family = [self._process.pid, *descendants(self._process.pid)]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def tend(self) -> None:
        """Start it again if it ended, or is stuck."""
        now = time.monotonic()
        if self._restart_at:
            if now >= self._restart_at:
                self._restart_at = 0.0
                self.start()
            return
        why = ""
        if self._process is None or (status := self._process.poll()) is None:
            why = self.stuck()
        else:
            why = f"it ended with status {status}"
        if not why:
            return
        if self.age > STEADY:
            self._pause = FIRST_PAUSE
        log.error("%s: %s; starting it again in %.1f s", self.name, why, self._pause)
        self.kill()
        self._restart_at = now + self._pause
        self._pause = min(LONGEST_PAUSE, self._pause * 2)

    def _spawn(self, env: Mapping[str, str], fds: Sequence[int]) -> None:
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            self._command,
            env={**os.environ, PARENT: str(os.getpid()), **self._env, **env},
            pass_fds=[*self._fds, *fds],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the supervisor, which stops its children in order
        )


class Supervisor:
    """Runs children until it is told to stop."""

    def __init__(self, children: Sequence[Child], *, say: Callable[[str], None]) -> None:
        self._children, self._say = children, say
        self._signals = 0
        """How often we were asked to stop. No event, no lock: a signal may come while this very thread holds
        the lock in which it waits, and its handler would then wait for ever."""

    def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Start the children and keep them alive; returns when all are gone after a stop."""
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        before = {
            number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            for child in self._children:
                child.start()
            started()
            while not self._signals:
                time.sleep(TICK)
                for child in self._children:
                    child.tend()
                self._reap()
            self._stop()
        finally:
            self._end_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """Ask for the end: as Ctrl-C does."""
        self._signals += 1

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()

    def _stop(self) -> None:
        self._say("Stopping. Running jobs get time to clean up; press Ctrl-C again not to wait for them.")
        for child in self._children:
            child.stop()
        longest = max((child.grace for child in self._children), default=0)
        begun = time.monotonic()
        while self._signals < 2 and time.monotonic() < begun + longest:
            if not any(child.alive for child in self._children):
                break
            for child in self._children:
                if child.alive and time.monotonic() > begun + child.grace:
                    child.kill()
            self._reap()
            time.sleep(0.05)

    def _end_all(self) -> None:
        """Kill what is left, until nothing is: a process may have been forking just then."""
        for child in self._children:
            child.kill()
        for _ in range(100):
            left = descendants(os.getpid())
            if not left:
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._reap()
            time.sleep(0.02)

    def _reap(self) -> None:
        """Bury orphans that came to us. Our own children are waited for by themselves."""
        own = {child.pid for child in self._children}
        for pid in psutil.Process().children():
            if pid.pid not in own and pid.status() == psutil.STATUS_ZOMBIE:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid.pid, os.WNOHANG)


def descendants(pid: int) -> list[int]:
    """All processes that descend from this one, zombies left out."""
    try:
        family = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    alive = []
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.status() != psutil.STATUS_ZOMBIE:
                alive.append(one.pid)
    return alive
