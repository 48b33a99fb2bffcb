"""A job in words for a terminal: lines about its events, its page, tables, how it ended.

Made of snapshots and events as the API and the queries have them, without Django: the ``labbook`` command of
another machine says the same as ``manage.py``. Everything a target printed is shown as text only: no escape
sequence of a guest reaches the terminal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TextIO

JsonObject = dict[str, Any]
BETWEEN_TRANSFERS = 10.0
"""Seconds between two lines about a transfer that goes on."""
COLOURS = {
    "pass": "32", "fail": "31", "skip": "33", "unknown": "33", "error": "31", "warning": "33",
    "complete": "32", "incomplete": "31", "canceled": "33", "time": "2",
}  # fmt: skip
PASSED, FAILED, INCOMPLETE, CANCELED = 0, 3, 4, 5
"""Exit statuses of commands that wait for a job (1: the command failed, 2: the definition is not valid)."""


def plain_text(text: str) -> str:
    """Return `text` on one line, with nothing in it that a terminal would act on."""
    return "".join(char if char.isprintable() else " " if char in "\n\t" else "\ufffd" for char in text)


class Screen:
    """Where lines go; colours only on a terminal, and not against NO_COLOR."""

    def __init__(self, out: TextIO, *, colour: bool | None = None) -> None:
        self._out = out
        wanted = out.isatty() and not os.environ.get("NO_COLOR") if colour is None else colour
        self.colour = bool(wanted)

    def paint(self, text: str, what: str) -> str:
        code = COLOURS.get(what) if self.colour else None
        return f"\x1b[{code}m{text}\x1b[0m" if code else text

    def line(self, text: str = "") -> None:
        self._out.write(text + "\n")
        self._out.flush()


class Told:
    """Turns events into lines."""

    def __init__(self, snapshot: JsonObject, screen: Screen) -> None:
        self._screen = screen
        self._start = datetime.fromisoformat(snapshot["submitted_at"]).timestamp()
        self._names = {node["index"]: node["name"] for node in snapshot["nodes"]}
        self._width = max(len(name) for name in (*self._names.values(), "job"))
        self._why: list[JsonObject] = []
        self._transfers: dict[tuple[int, str], float] = {}
        """When each was last told of."""
        self.queued = False

    def waiting(self, why: list[JsonObject]) -> None:
        """Say for what a queued job waits, when that has changed."""
        if why != self._why:
            for board in why:
                self._line(time.time(), None, "waits", waiting_words(board))
            self._why = why

    def event(self, event: JsonObject) -> None:
        data: JsonObject = event["data"]
        kind = event["type"].partition(".")[2]
        at = data.get("at") or datetime.fromisoformat(event["at"]).timestamp()
        self.queued = kind == "submitted" or (self.queued and kind not in ("assigned", "finished"))
        found = self._words(kind, data, event["text"])
        if found:
            what, text, colour = found
            self._line(at, data.get("node"), what, text, colour)

    def _words(self, kind: str, data: JsonObject, text: str) -> tuple[str, str, str] | None:
        """Return (what, the rest, colour of what) for what is worth a line."""
        match kind:
            case "submitted" | "assigned" | "started" | "cancel_requested" | "lost" | "gate_opened":
                return _JOB[kind], text, ""
            case "phase_started":
                return data["phase"], data["what"], ""
            case "transfer_progressed" if self._worth_telling(data):
                return "moves", text.partition(": ")[2], ""
            case "node_closed":
                return "closed", data["reason"], "" if data["ok"] else "error"
            case "result_reported":
                return data["result"], result_words(data), data["result"]
            case "attachment_kept":
                return "file", f"{data['name']} ({data['size']} bytes)", ""
            case "note_taken" if data["level"] != "debug":
                return "note" if data["level"] == "info" else data["level"], data["text"], data["level"]
            case "wait_ended" if not data["ok"]:
                return "wait", f"{data['kind']} {data['id']} ended: {data['reason']}", "warning"
            case "cleaned_up":
                return "clean-up", _checks(data["checks"]), "" if data["clean"] else "error"
        return None

    def _worth_telling(self, transfer: JsonObject) -> bool:
        """Whether a transfer has ended, or has not been told of for a while."""
        told = self._transfers.setdefault((transfer["node"], transfer["what"]), transfer["at"])
        if not transfer["ended"] and transfer["at"] - told < BETWEEN_TRANSFERS:
            return False
        self._transfers[transfer["node"], transfer["what"]] = transfer["at"]
        return True

    def _line(self, at: float, node: int | None, what: str, text: str, colour: str = "") -> None:
        name = "job" if node is None else self._names.get(node, f"node {node}")
        since = self._screen.paint(f"{max(0.0, at - self._start):7.1f} s", "time")
        label = self._screen.paint(f"{what:8}", colour)
        self._screen.line(f"{since}  {name:{self._width}}  {label}  {plain_text(text)}".rstrip())


_JOB = {
    "submitted": "queued",
    "assigned": "board",
    "started": "runs",
    "cancel_requested": "cancel",
    "lost": "lost",
    "gate_opened": "gate",
}


def waiting_words(refusal: JsonObject) -> str:
    """Return why a queued job does not get a board: ``alpha is reserved for job 3``."""
    return f"{refusal['board']} {refusal['reason']}".strip()


def result_words(row: JsonObject) -> str:
    """Return a result's name with what was measured: ``net/throughput  12.5 MB/s``."""
    name = "/".join(part for part in (row["suite"], row["set"], row["case"]) if part)
    measured = f"  {row['measurement']} {row['units']}".rstrip() if row["measurement"] is not None else ""
    why = f"  {row['message']}" if row["message"] else ""
    return f"{name}{measured}{why}"


def _checks(checks: list[dict[str, Any]]) -> str:
    wrong = [f"{check['what']}: {check['found']}" for check in checks if not check["ok"]]
    return "; ".join(wrong) if wrong else f"{len(checks)} checks, nothing is left"


def results(snapshot: JsonObject, screen: Screen) -> list[str]:
    """Return the table of results, one line each; empty without any."""
    names = {node["index"]: node["name"] for node in snapshot["nodes"]}
    rows = [
        (plain_text(names.get(row["node"], str(row["node"]))), row["result"], plain_text(result_words(row)))
        for row in snapshot["results"]
    ]
    if not rows:
        return []
    width = max(4, *(len(name) for name, _, _ in rows))
    lines = [f"{'NODE':{width}}  RESULT   TEST"]
    lines += [f"{name:{width}}  {screen.paint(f'{result:7}', result)}  {text}" for name, result, text in rows]
    return [*lines, ""]


def ending(snapshot: JsonObject) -> str:
    """Return how a job ended, in a line: ``job 7 complete: 12 passed, 0 failed in 23.4 s``."""
    number, outcome, counts = snapshot["id"], snapshot["outcome"], snapshot["counts"]
    if outcome is None:
        return f"job {number} has not ended: {snapshot['state']}"
    if outcome == "complete":
        begin, end = (datetime.fromisoformat(snapshot[key]) for key in ("submitted_at", "finished_at"))
        seconds = (end - begin).total_seconds()
        return f"job {number} complete: {counts['pass']} passed, {counts['fail']} failed in {seconds:.1f} s"
    return plain_text(f"job {number} {outcome}: {_why(snapshot)}")


def _why(snapshot: JsonObject) -> str:
    if cancel := snapshot["outcome"] == "canceled" and snapshot["cancel"]:
        return f"by {cancel['by']}" + (f", {cancel['reason']}" if cancel["reason"] else "")
    failure = snapshot["failure"]
    names = {node["index"]: node["name"] for node in snapshot["nodes"]}
    where = [f"node {names.get(failure['node'], failure['node'])}"] if failure["node"] is not None else []
    where += [f"action {failure['action']}"] if failure["action"] else []
    return f"{failure['message']} ({', '.join((*where, failure['kind'] + ' error'))})"


def exit_status(snapshot: JsonObject) -> int:
    """Return 0 only if the job is complete and all of its tests passed."""
    match snapshot["outcome"]:
        case "complete":
            counts = snapshot["counts"]
            return FAILED if counts["fail"] or counts["unknown"] else PASSED
        case "canceled":
            return CANCELED
    return INCOMPLETE


def problem_lines(found: list[Mapping[str, Any]], source: str) -> str:
    """Return problems of a definition as compilers print them: ``job.yaml:12:5: timeout: must be …``."""
    name = "(standard input)" if source == "-" else source or "definition"
    lines = []
    for problem in found:
        path = f"{problem['path']}: " if problem["path"] else ""
        hint = f" ({problem['hint']})" if problem["hint"] else ""
        lines.append(f"{name}:{problem['line']}:{problem['column']}: {path}{problem['message']}{hint}")
    return "\n".join(plain_text(line) for line in lines)


def holding_words(hold: JsonObject | None) -> str:
    """Return how a job is held, or is to be held, as it follows its name."""
    if hold is None:
        return "is not held"
    by = f", by {hold['user']}" + (f": {hold['reason']}" if hold["reason"] else "")
    if hold["until"] is not None:
        return plain_text(f"is held until {_clock(hold['until'])}{by}")
    when = "if it fails" if hold["if_failed"] else "when its work is done"
    return plain_text(f"will be held for {hold['seconds'] / 60:g} min {when}{by}")


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S %Z")
