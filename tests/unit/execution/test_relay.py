"""The relay between a VM and its terminal, with a printer that does to its stdin what QEMU does."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from jobs.execution import scripts
from lab.kernel.deadline import Deadline

PRINT = f"""{sys.executable} -c '
import fcntl, os, sys
flags = fcntl.fcntl(0, fcntl.F_GETFL)
fcntl.fcntl(0, fcntl.F_SETFL, flags | os.O_NONBLOCK)
for number in range(20000):
    sys.stdout.write("line %06d of a guest in a hurry\\n" % number)
    sys.stdout.flush()
'"""
WANTED = b"".join(b"line %06d of a guest in a hurry\n" % number for number in range(20000))


@pytest.fixture(params=["perl", "dd"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A PATH with what each way needs, and not the other way's."""
    if request.param == "perl" and shutil.which("perl") is None:
        pytest.skip("there is no perl here")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "tty", "stty", "sleep", request.param):
        (folder / name).symlink_to(str(shutil.which(name)))
    return str(folder)


def wait_until_full(terminal: int) -> None:
    """Wait until the terminal takes no more, because nobody has read from it."""
    deadline, before, now = Deadline.after(10, "the terminal to fill up"), -1, 0
    while now == 0 or now > before:
        deadline.check()
        time.sleep(0.05)
        waiting = fcntl.ioctl(terminal, termios.FIONREAD, bytes(4))
        before, now = now, int.from_bytes(waiting, sys.byteorder)


def test_everything_arrives_in_few_pieces_though_the_terminal_is_slow(path: str) -> None:
    ours, theirs = os.openpty()
    script = f"stty raw -echo -onlcr\n{scripts.RELAY.format(command=PRINT)}"
    with subprocess.Popen(["sh", "-c", script], stdin=theirs, stdout=theirs, env={"PATH": path}) as printer:
        os.close(theirs)
        received, reads = bytearray(), 0
        try:
            wait_until_full(ours)
            while len(received) < len(WANTED):
                received += os.read(ours, 65536)
                reads += 1
        finally:
            os.close(ours)
            printer.kill()
    assert bytes(received) == WANTED
    assert reads < 2000
