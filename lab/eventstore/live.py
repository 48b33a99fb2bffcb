"""The doorbell: a lossy hint, without content, that the log has something new."""

from __future__ import annotations


def ring() -> None:
    """Wake every reader of this lab. Never fails and never waits: who misses a ring polls a second later."""
