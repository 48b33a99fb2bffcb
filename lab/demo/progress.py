"""A job in a terminal: a line when a node goes on, a line for each result, a table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from jobs import queries

Say = Callable[[str], None]
Job = dict[str, Any]
POLL = 0.2
"""Seconds between two looks at the job."""


def follow(user: User, number: int, say: Say, alive: Callable[[], bool]) -> Job:
    """Print what happens until the job has ended; returns it as `job_snapshot` gives it, with all results.

    Gives up with what there is when `alive` says that nobody runs jobs any more.
    """
    progress = _Progress(say)
    after = 0
    while True:
        job = queries.job_snapshot(user, number, after)
        after = job["position"]
        progress.show(job)
        if job["state"] == "finished" or not alive():
            return queries.job_snapshot(user, number)
        time.sleep(POLL)


def summary(job: Job) -> list[str]:
    """Return the table of results, and the one line that says it all."""
    names = {node["index"]: node["name"] for node in job["nodes"]}
    rows = [("node", "suite", "case", "result", "measurement")]
    for one in job["results"]:
        value = " ".join(word for word in (one["measurement"], one["units"]) if word)
        case = f"{one['set']}/{one['case']}" if one["set"] else one["case"]
        rows.append((names.get(one["node"], "?"), one["suite"], case, one["result"], value))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    table = [line.rstrip() for line in (lines[0], "  ".join("-" * width for width in widths), *lines[1:])]
    failure = job["failure"]
    why = [f"why: {failure['message']} ({failure['kind']})"] if failure else []
    counts = job["counts"]
    ended = job["outcome"] or job["state"]
    last = (
        f"job {job['id']} {ended}: {counts['pass']} passed, {counts['fail']} failed in {_seconds(job):.1f} s"
    )
    return ["", *table, "", *why, last]


def _seconds(job: Job) -> float:
    """From the submission to the end, or until now."""
    end = datetime.fromisoformat(job["finished_at"]).timestamp() if job["finished_at"] else time.time()
    return float(end - datetime.fromisoformat(job["submitted_at"]).timestamp())


class _Progress:
    """Knows what was printed already."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._began = time.monotonic()
        self._said: dict[str, str] = {}

    def show(self, job: Job) -> None:
        names = {node["index"]: node["name"] for node in job["nodes"]}
        self._once("", "job", self._state(job))
        for node in job["nodes"]:
            self._once(node["name"], f"node {node['index']}", self._node(node))
        for note in job["notes"]:
            if note["level"] in ("warning", "error"):
                self._once(names.get(note["node"], ""), note["key"], f"{note['level']}: {note['text']}")
        for one in job["results"]:
            value = " ".join(word for word in (one["measurement"], one["units"]) if word)
            text = f"{one['result'].upper()}  {one['suite']}: {one['case']}{'  ' + value if value else ''}"
            self._once(names.get(one["node"], ""), one["key"], text)

    def _once(self, who: str, key: str, text: str) -> None:
        if text and self._said.get(key) != text:
            self._said[key] = text
            self._say(f"{time.monotonic() - self._began:6.1f} s  {who or 'job':<8} {text}")

    @staticmethod
    def _state(job: Job) -> str:
        if job["state"] == "queued" and job["waiting"]:
            reasons = "; ".join(f"{one['board']}: {one['reason']}" for one in job["waiting"])
            return f"waits — {reasons}"
        return str(job["state"]) + (f" on {job['board']}" if job["state"] == "assigned" else "")

    @staticmethod
    def _node(node: Job) -> str:
        if node["closed"]:
            return f"closed: {node['closed']['reason']}"
        if node["waits"]:
            needs = ", ".join(node["waits"]["needs"])
            return f"waits: {node['waits']['kind']} {node['waits']['id']}" + (
                f" for {needs}" if needs else ""
            )
        return ": ".join(word for word in (node["state"], node["doing"]) if word)
