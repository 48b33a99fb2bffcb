"""A job watched over the API: what happens to it, in order, until it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TextIO

from jobs.terminal import JsonObject, Screen, Told, ending, results
from lab.cli.api import Api

POLL = 0.5
"""Seconds between two looks at a job."""
WHY_EVERY = 5.0
"""Seconds between two looks at why it waits."""
ONLY_THE_JOB = 2**62
"""A position that no row was touched after."""


def changes(
    api: Api, number: int, *, sleep: Callable[[float], object] = time.sleep
) -> Iterator[list[JsonObject]]:
    """Yield what happened to a job, as it happens; empty lists while nothing does. Ends with the job.

    A lab that restarts meanwhile is waited for.
    """
    after = 0
    while True:
        page = api.patiently("GET", f"jobs/{number}/events/", {"after": after}).json()
        yield page["events"]
        after = page["position"]
        if any(event["type"] == "job.finished" for event in page["events"]):
            return
        if not page["more"]:
            sleep(POLL)


def follow(api: Api, number: int, out: TextIO, *, clock: Callable[[], float] = time.monotonic) -> JsonObject:
    """Print how a job goes until it has ended; returns its last snapshot. The last line is how it ended."""
    screen = Screen(out)
    told = Told(_snapshot(api, number, ONLY_THE_JOB), screen)
    looked = 0.0
    for events in changes(api, number):
        for event in events:
            told.event(event)
        if told.queued and clock() - looked > WHY_EVERY:
            looked = clock()
            told.waiting(_snapshot(api, number, ONLY_THE_JOB)["waiting"])
    last = _snapshot(api, number)
    screen.line()
    for line in (*results(last, screen), screen.paint(ending(last), str(last["outcome"]))):
        screen.line(line)
    return last


def wait(api: Api, number: int) -> JsonObject:
    """Say nothing until a job has ended; returns its last snapshot."""
    for _ in changes(api, number):
        pass
    return _snapshot(api, number)


def _snapshot(api: Api, number: int, after: int = 0) -> JsonObject:
    found: JsonObject = api.patiently("GET", f"jobs/{number}/", {"after": after}).json()
    return found
