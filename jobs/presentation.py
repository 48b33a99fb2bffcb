"""How states and outcomes of jobs are said to people: a word, a tone (colour) and an icon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a status pill shows."""

    word: str
    tone: str
    """``pass``, ``fail``, ``run``, ``wait`` or ``idle``."""
    icon: str


QUEUED = Verdict(word="Waiting", tone="idle", icon="hourglass")
ASSIGNED = Verdict(word="Starting", tone="run", icon="player-play")
RUNNING = Verdict(word="Running", tone="run", icon="player-play")
HELD = Verdict(word="Held", tone="wait", icon="clock-pause")
CANCELING = Verdict(word="Cancelling", tone="wait", icon="ban")
CANCELED = Verdict(word="Cancelled", tone="idle", icon="ban")
INCOMPLETE = Verdict(word="Incomplete", tone="fail", icon="alert-triangle")
FAILED = Verdict(word="Failed", tone="fail", icon="x")
PASSED = Verdict(word="Passed", tone="pass", icon="check")
COMPLETE = Verdict(word="Complete", tone="idle", icon="check")

STATES = {"queued": QUEUED, "assigned": ASSIGNED, "running": RUNNING, "canceling": CANCELING}


def verdict(job: Mapping[str, Any]) -> Verdict:
    """Return the one word for a job in a list: what state it is in, or how it ended."""
    if job["state"] == "running" and (job.get("hold") or {}).get("since") is not None:
        return HELD
    if job["state"] != "finished":
        return STATES[job["state"]]
    if job["outcome"] == "canceled":
        return CANCELED
    if job["outcome"] == "incomplete":
        return INCOMPLETE
    counts = job["counts"]
    if counts.get("fail"):
        return FAILED
    return PASSED if counts.get("pass") else COMPLETE


def tally(counts: Mapping[str, int]) -> tuple[str, str]:
    """Return the words beside a result bar: (failures or empty, the rest)."""
    failed, passed = counts.get("fail", 0), counts.get("pass", 0)
    if not any(counts.values()):
        return "", "none yet"
    if failed:
        return f"{failed} failed", f"{passed} passed" if passed else ""
    if passed:
        return "", f"{passed} passed"
    return "", f"{counts.get('skip', 0) + counts.get('unknown', 0)} skipped"


def bar(counts: Mapping[str, int]) -> list[tuple[str, float, float]]:
    """Return the pieces of a result bar as (kind, left, width) in percent; failures first, none below 4."""
    total = sum(counts.values())
    if not total:
        return []
    parts = [
        ("fail", counts.get("fail", 0)),
        ("pass", counts.get("pass", 0)),
        ("skip", counts.get("skip", 0) + counts.get("unknown", 0)),
    ]
    widths = [(kind, max(4.0, 100 * number / total)) for kind, number in parts if number]
    scale = 100 / sum(width for _, width in widths)
    pieces, left = [], 0.0
    for kind, width in widths:
        pieces.append((kind, round(left, 2), round(width * scale, 2)))
        left += width * scale
    return pieces
