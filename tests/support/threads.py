"""Threads for tests of races."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import connections


def run_at_once(*functions: Callable[[], object], seconds: float = 60) -> None:
    """Run functions in a thread each, starting together, and raise what the first of them raised.

    Each thread's database connection is closed at its end.
    """
    start = threading.Barrier(len(functions), timeout=seconds)

    def run(function: Callable[[], object]) -> None:
        try:
            start.wait()
            function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(functions)) as pool:
        for future in [pool.submit(run, function) for function in functions]:
            future.result(timeout=seconds)
