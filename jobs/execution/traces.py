"""What a job has left on its host: found by the handles in its folder, removed, and looked for again.

All that is needed is the board's configuration, the job's number and a shell. So the same code serves the end
of a run and the clean-up after a lost one.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.domain.config import BoardConfig
from devices.drivers.shell import HostShell, quote
from jobs.domain.events import Check
from jobs.execution import scripts
from jobs.execution.host import job_folder, key_mark
from lab.kernel.deadline import Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was done and found."""

    checks: tuple[Check, ...]
    boot_id: str = ""
    """Of the host as it is now: another one than before means that it has booted in between."""


def remove_traces(shell: HostShell, board: BoardConfig, job: int, deadline: Deadline) -> Removed:
    """Do and look in one script: each finding is a line of its output. Raises what the line to it does."""
    folder = job_folder(board, job)
    script = scripts.CLEAN.format(
        folder=quote(folder), file=quote(board.ssh.authorized_keys), mark=quote(key_mark(board, job))
    )
    done = shell.run(script, deadline)
    found = dict(line.split("=", 1) for line in done.text.splitlines() if "=" in line)
    checks = []
    if "left" in found:
        checks += [_processes(found), _network(found)]
    if "stopped" in found:
        problem = found["stopped"].strip()
        checks.append(_gone("VMs that outlive their console", problem, "gone, say their stop commands"))
    checks.append(_gone("the job's folder", found.get("folder"), f"{folder} is gone, with the VMs' disks"))
    checks.append(_gone("the job's ssh key", found.get("key"), f"is not in {board.ssh.authorized_keys}"))
    return Removed(checks=tuple(checks), boot_id=found.get("boot", ""))


def _processes(found: dict[str, str]) -> Check:
    left, killed = found["left"].split(), found.get("killed", "").split()
    if left:
        words = f"{len(left)} still there after being killed (process {', '.join(left)})"
    else:
        words = f"none left; {len(killed)} had to be killed" if killed else "none left"
    return Check(what="processes of the job", found=words, ok=not left)


def _network(found: dict[str, str]) -> Check:
    users = found.get("network", "")
    words = "its port is free" if users == "0" else f"its port is still in use ({users or 'not looked at'})"
    return Check(what="the group's network", found=words, ok=users == "0")


def _gone(what: str, problem: str | None, words: str) -> Check:
    if problem is None:
        problem = "the clean-up did not get that far"
    return Check(what=what, found=problem or words, ok=not problem)
