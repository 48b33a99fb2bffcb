"""Background tasks of the inventory. They are delivered at least once, now and then twice."""

from __future__ import annotations

from devices import errands, sitting


def run_errand(board: str, errand: int) -> str:
    """Do what somebody asked for, on a worker of the board's site; returns what came of it."""
    return errands.run(board, errand)


def run_sitting(board: str, errand: int, seconds: float, power: str) -> str:
    """Have a board's console for somebody in a browser, on a worker of its site; returns what came of it."""
    return sitting.serve(board, errand, seconds, power)
