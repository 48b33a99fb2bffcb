"""Processes that end with whoever started them, however that ends."""

from __future__ import annotations

import os
import sys

# Becomes a program that the kernel ends (PR_SET_PDEATHSIG) when whoever started it dies, however it dies.
_TIED = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGTERM);"
    " os.getppid() == int(sys.argv[1]) or sys.exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


def tied(*command: str, parent: int | None = None) -> list[str]:
    """Return the command that runs `command` (its program by full path) tied to `parent`, by default to us.

    The parent is the thread that starts it, as far as the kernel is concerned: it must live as long.
    """
    return [sys.executable, "-IS", "-c", _TIED, str(parent or os.getpid()), *command]
