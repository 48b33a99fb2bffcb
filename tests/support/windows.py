"""A terminal in which a command runs, and somebody sits before it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Window:
    def __init__(self, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.end, theirs = pty.openpty()
        self.process = subprocess.Popen(
            words, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env=environment,
        )  # fmt: skip
        os.close(theirs)
        self.seen = b""

    def until(self, wanted: bytes) -> None:
        end = time.monotonic() + 60
        while wanted not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.end], [], [], 0.5)[0]:
                try:
                    self.seen += os.read(self.end, 4096)
                except OSError:  # nobody has the other end any more
                    raise AssertionError(f"it ended after {self.seen!r}") from None

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.end)
