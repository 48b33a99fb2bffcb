"""Leaving a host as it was found, with evidence.

All that is needed is the board's configuration and the job's number: what the job left is found by the
handles that lie in its folder. So the same code serves the end of a run and the clean-up after a lost one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devices.domain.config import BoardConfig
from devices.drivers import ssh
from devices.drivers.shell import HostShell, quote
from jobs.domain.events import Check
from jobs.execution import scripts
from jobs.execution.host import job_folder, key_mark
from jobs.execution.vms import Network
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError, JobError


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
    folder = job_folder(board, job)
    try:
        handle = shell.run(f"cat {quote(folder + '/handle')} 2>/dev/null || :", deadline).text.strip()
    except JobError as exc:
        return Evidence(checks=(Check(what="connection to the host", found=str(exc), ok=False),))
    checks: list[Check] = []

    def check(what: str, look: Callable[[], str]) -> None:
        """Record what `look` finds; it raises for what is not clean."""
        try:
            checks.append(Check(what=what, found=look(), ok=True))
        except JobError as exc:
            checks.append(Check(what=what, found=str(exc), ok=False))

    if handle:
        check("processes of the job", lambda: _processes(shell, folder, handle, deadline))
        check("the group's network", lambda: _network(shell, handle, deadline))
    check("the job's folder", lambda: _folder(shell, folder, deadline))
    check("the job's ssh key", lambda: _key(shell, board, job, deadline))
    return Evidence(checks=tuple(checks))


def _processes(shell: HostShell, folder: str, handle: str, deadline: Deadline) -> str:
    script = scripts.SWEEP.format(
        pid_files=f"{quote(folder)}/*.pid", handle=quote(f"LABBOOK_HANDLE={handle}")
    )
    done = shell.run(script, deadline).expect_ok(f"the processes could not be listed on {shell.name}")
    words = dict(line.split("=", 1) for line in done.text.splitlines() if "=" in line)
    if left := words.get("left", "").split():
        raise InfrastructureError(f"{len(left)} still there after being killed (process {', '.join(left)})")
    killed = len(words.get("killed", "").split())
    return f"none; {killed} had to be killed" if killed else "none"


def _network(shell: HostShell, handle: str, deadline: Deadline) -> str:
    network = Network.of(handle)
    port = f"{network.port:04X}"
    a, b, c, d = (int(part) for part in network.group.split("."))
    address = f"{d:02X}{c:02X}{b:02X}{a:02X}"
    done = shell.run(f"grep -i -c ' {address}:{port} ' /proc/net/udp || :", deadline)
    if done.text.strip() not in ("0", ""):
        raise InfrastructureError(f"{network.group} port {network.port} is still in use")
    return f"{network.group} port {network.port} is free"


def _folder(shell: HostShell, folder: str, deadline: Deadline) -> str:
    script = f"chmod -R u+w {quote(folder)} 2>/dev/null; rm -rf {quote(folder)}; [ ! -e {quote(folder)} ]"
    shell.run(script, deadline).expect_ok(f"{folder} could not be removed")
    return f"{folder} is gone, with the VMs' disks"


def _key(shell: HostShell, board: BoardConfig, job: int, deadline: Deadline) -> str:
    script = scripts.UNAUTHORISE.format(
        file=quote(board.ssh.authorized_keys), mark=quote(key_mark(board, job))
    )
    shell.run(script, deadline).expect_ok("the key could not be removed")
    return f"is not in {board.ssh.authorized_keys}"
