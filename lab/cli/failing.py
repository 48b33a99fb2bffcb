"""How a command fails: a sentence and an exit status."""

from __future__ import annotations

FAILED, INVALID, INTERRUPTED = 1, 2, 130


class Failed(Exception):
    """The command cannot go on. `status` is that of the process."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


class Unreachable(Failed):
    """The lab does not answer, or not as a lab: it may in a while."""
