"""Commands of the site that run on the worker: shell text of a configuration, in a group of its own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time

from devices.drivers.shell import Completed
from lab.kernel.deadline import Deadline

OUTPUT = 64 * 1024
"""Bytes of a command's output that are kept: the last ones."""
PASSED_ON = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "SSH_AUTH_SOCK", "TMPDIR", "TZ", "USER")
"""The worker's own environment holds passwords (database, broker), and what a command prints may be shown."""


def environment() -> dict[str, str]:
    """Return the environment for a program that the configuration names."""
    known = {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith("LC_")}
    return {"PATH": os.defpath, **known, "TERM": "dumb"}


def run(script: str, deadline: Deadline) -> Completed:
    """Run shell text to its end; what it prints on both streams is its output, in order.

    A command that is not done in time is killed with all it started in its process group, and what the
    deadline raises is raised. What it leaves in the background on purpose is not waited for.
    """
    deadline.check()
    with subprocess.Popen(
        ["sh", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        pipe, output = process.stdout.fileno(), bytearray()
        os.set_blocking(pipe, False)
        try:
            while (status := process.poll()) is None:
                _drain(pipe, output, min(deadline.tick, 0.05))
                deadline.check()
            _drain(pipe, output, 0)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return Completed(status=status if status >= 0 else None, stdout=bytes(output), stderr=b"")


def _drain(pipe: int, output: bytearray, seconds: float) -> None:
    """Add to `output` what is in the pipe, after waiting for something up to `seconds`."""
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    if not waiting.poll(seconds * 1000):
        return
    with contextlib.suppress(BlockingIOError):
        while data := os.read(pipe, OUTPUT):
            output += data
            del output[:-OUTPUT]
            if seconds:
                return
        if seconds:  # it closed its output and goes on
            time.sleep(seconds)
