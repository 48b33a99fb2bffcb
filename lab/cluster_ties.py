"""What ties the processes of a task cluster to the supervisor that started them: two pipes.

*Lifeline*: the supervisor holds the writing end and never writes. At its end, or when it closes the pipe to
stop the cluster, everybody who holds the reading end knows.

*Pulse*: workers say in one short line when they begin and end a task, so that the supervisor can tell a
cluster that has nothing to do from one that hangs.

Without a supervisor (a plain ``manage.py qcluster``) there are no ties, and all of this does nothing.
"""

from __future__ import annotations

import contextlib
import os
import select

LIFELINE = "LABBOOK_LIFELINE"
PULSE = "LABBOOK_PULSE"


def descriptors() -> list[int]:
    """The file descriptors that have news when the cluster must stop."""
    fd = os.environ.get(LIFELINE)
    return [int(fd)] if fd else []


def stopping() -> bool:
    """Whether the supervisor wants the cluster to stop, or is gone."""
    return bool(ties := descriptors()) and bool(select.select(ties, [], [], 0)[0])


def pulse(what: str, task: object) -> None:
    """Tell the supervisor of a task. Lines this short are written whole or not at all."""
    if fd := os.environ.get(PULSE):
        with contextlib.suppress(OSError):  # a supervisor that is gone, or does not keep up, misses nothing
            os.write(int(fd), f"{what} {os.getpid()} {task}\n".encode())
