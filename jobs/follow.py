"""A job watched from a terminal: a line for every phase of a node and every result, and how it ended.

Reads the job's events by position, so nothing is missed or told twice; asks again when the log has grown.
Everything a target printed is shown as text only: no escape sequence of a guest reaches the terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TextIO

from jobs import queries
from jobs.queries import JsonObject, User
from jobs.terminal import (
    FAILED,
    PASSED,
    Screen,
    Told,
    ending,
    exit_status,
    plain_text,
    results,
    waiting_words,
)
from lab.eventstore.store import store

__all__ = [
    "FAILED",
    "PASSED",
    "Screen",
    "changes",
    "ending",
    "exit_status",
    "follow",
    "plain_text",
    "results",
    "waiting_words",
]

POLL = 0.1
"""Seconds between two looks at the log's length."""


def changes(
    number: int,
    user: User,
    *,
    alive: Callable[[], bool] = lambda: True,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[list[JsonObject]]:
    """Yield what happened to a job, in order, as it happens; empty lists when only something else did.

    Ends with the job, or when `alive` says that nobody runs jobs any more. Raises `NotFound` for a job that
    the user may not see.
    """
    queries.seen_job(user, number)
    after, head = 0, -1
    while True:
        grown = store.head()
        if grown == head:
            if not alive():
                return
            sleep(POLL)
            continue
        head = grown
        events = queries.job_events(number, after)
        yield events
        if events:
            after = events[-1]["position"]
            if any(event["type"] == "job.finished" for event in events):
                return


def follow(
    number: int,
    user: User,
    out: TextIO,
    *,
    colour: bool | None = None,
    alive: Callable[[], bool] = lambda: True,
    sleep: Callable[[float], object] = time.sleep,
) -> JsonObject:
    """Print how a job goes until it has ended (or nobody is `alive` to run it); returns its last snapshot.

    The last line is that of `ending`.
    """
    screen = Screen(out, colour=colour)
    told = Told(queries.job_snapshot(user, number), screen)
    for events in changes(number, user, alive=alive, sleep=sleep):
        for event in events:
            told.event(event)
        if told.queued:
            told.waiting(queries.job_snapshot(user, number, after=2**62)["waiting"])
    last = queries.job_snapshot(user, number)
    screen.line()
    for line in (*results(last, screen), screen.paint(ending(last), str(last["outcome"]))):
        screen.line(line)
    return last
