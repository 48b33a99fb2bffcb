"""Leaving a host as it was found, with evidence.

All that is needed is the board's configuration and the job's number: what the job left is found by the
handles that lie in its folder. So the same code serves the end of a run and the clean-up after a lost one.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.domain.config import BoardConfig
from devices.drivers import ssh
from devices.drivers.shell import HostShell, quote
from jobs.domain.events import Check
from jobs.execution import scripts
from jobs.execution.host import job_folder, key_mark
from lab.kernel.deadline import Deadline
from lab.kernel.errors import JobError


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What clean-up looked at and found."""

    checks: tuple[Check, ...]

    @property
    def clean(self) -> bool:
        return all(check.ok for check in self.checks)

    @property
    def dirt(self) -> str:
        """What is not clean, in words."""
        return "; ".join(f"{check.what}: {check.found}" for check in self.checks if not check.ok)


def clean_host(
    board: BoardConfig, job: int, deadline: Deadline, *, shell: HostShell | None = None
) -> Evidence:
    """Remove everything of a job from its host and look whether it is gone. Never raises a `JobError`.

    `shell`: a connection with the board's own key, if one stands; another one is made where it does not.
    """
    if shell is not None:
        evidence = _clean(shell, board, job, deadline)
        if evidence.clean:
            return evidence
    try:
        fresh = ssh.connect(board.ssh, deadline.within(board.connect_timeout, "the ssh connection"))
    except JobError as exc:
        return Evidence(checks=(Check(what="connection to the host", found=str(exc), ok=False),))
    try:
        return _clean(fresh, board, job, deadline)
    finally:
        fresh.close()


def _clean(shell: HostShell, board: BoardConfig, job: int, deadline: Deadline) -> Evidence:
    """Do and look in one script: each finding is a line of its output."""
    folder = job_folder(board, job)
    script = scripts.CLEAN.format(
        folder=quote(folder), file=quote(board.ssh.authorized_keys), mark=quote(key_mark(board, job))
    )
    try:
        done = shell.run(script, deadline)
    except JobError as exc:
        return Evidence(checks=(Check(what="connection to the host", found=str(exc), ok=False),))
    found = dict(line.split("=", 1) for line in done.text.splitlines() if "=" in line)
    checks = []
    if "left" in found:
        checks += [_processes(found), _network(found)]
    checks.append(_gone("the job's folder", found.get("folder"), f"{folder} is gone, with the VMs' disks"))
    checks.append(_gone("the job's ssh key", found.get("key"), f"is not in {board.ssh.authorized_keys}"))
    return Evidence(checks=tuple(checks))


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
