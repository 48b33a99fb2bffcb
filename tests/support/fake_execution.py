"""Executions that touch no board: stand-ins for tests of what surrounds a run.

What one does is told by the job's name, as words: ``sleep 5``, ``stubborn`` (does not end when asked to),
``bug``, ``die`` (the process is gone at once), ``dirty``, ``talk 100`` (console lines).
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

from devices.domain.config import BoardConfig
from jobs.domain.events import Check, CleanedUp, NodeClosed, PhaseStarted, ResultReported
from jobs.execution.hands import Hands
from jobs.execution.ports import Assignment, Cancellation, Consoles, Ending, Files, Reporter, Workplace
from lab.kernel.deadline import Deadline


def run_job(
    assignment: Assignment,
    *,
    report: Reporter,
    consoles: Consoles,
    files: Files,
    cancel: Cancellation,
    deadline: Deadline,
    workplace: Workplace,
    hands: Hands,
) -> Ending:
    words = assignment.definition.job_name.split()
    report.report(PhaseStarted(node=0, phase="test", what="pretending", at=time.time()))
    (workplace.scratch / "trace").write_text("here")
    if "talk" in words:
        _talk(int(words[words.index("talk") + 1]), report, consoles)
    if "bug" in words:
        raise KeyError("a bug on purpose")
    if "die" in words:
        os.kill(os.getpid(), signal.SIGKILL)
    if "stubborn" in words:
        time.sleep(1000)
    if "sleep" in words and cancel.wait(float(words[words.index("sleep") + 1])):
        report.report(_cleaned())
        return Ending(outcome="canceled")
    report.report(
        ResultReported(node=0, suite="fake", case="ran", result="pass", at=time.time()),
        NodeClosed(node=0, reason="done", ok=True, at=time.time()),
        _cleaned(),
    )
    if "dirty" in words:
        return Ending(outcome="complete", clean=False, dirt="a process is left")
    return Ending(outcome="complete")


@dataclass(frozen=True)
class Evidence:
    checks: tuple[Check, ...]

    @property
    def clean(self) -> bool:
        return all(check.ok for check in self.checks)

    @property
    def dirt(self) -> str:
        return "; ".join(f"{check.what}: {check.found}" for check in self.checks if not check.ok)


def clean_host(board: BoardConfig, job: int, deadline: Deadline) -> Evidence:
    """A host that is clean, unless its name says otherwise."""
    ok = board.ssh.host != "192.0.2.66"
    return Evidence((Check(what="processes", found="none" if ok else "a zombie", ok=ok),))


def _talk(lines: int, report: Reporter, consoles: Consoles) -> None:
    for number in range(lines):
        offset = consoles.write(1, f"line {number}\n".encode())
        report.report(
            ResultReported(
                node=1, suite="talk", case=f"line-{number}", result="pass", offset=offset, at=time.time()
            )
        )


def _cleaned() -> CleanedUp:
    return CleanedUp(checks=[Check(what="processes", found="none", ok=True)], clean=True, at=time.time())
