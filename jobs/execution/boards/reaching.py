"""From a shell on a board's console to a connection by ssh: where it is, who it is, and the way in.

What a board's own console says is trusted: it is the wire that the lab itself has put there. So its address,
its host keys and the key that lets the job in need no configuration, and any image will do that has an sshd.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import paramiko

from devices.domain.config import BoardConfig, SshConfig
from devices.drivers import ssh
from devices.drivers.expect import Console
from devices.drivers.shell import quote
from jobs.execution.boot import read_command, run_command
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded, InfrastructureError

PAUSE = 0.5
"""Seconds between two looks for something that is not there yet."""
PREFERRED = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""Kinds of host keys, the best first."""
_KEY = re.compile(r"^((?:ssh|ecdsa)-[a-z0-9-]+) ([A-Za-z0-9+/]{40,}={0,3})(?: |$)", re.MULTILINE)

_LET_IN = (
    "labbook_f={file}; eval labbook_h=~{user};"
    " case $labbook_f in /*) ;; *) labbook_f=$labbook_h/$labbook_f;; esac;"
    ' (umask 077; {{ [ -d "${{labbook_f%/*}}" ] || mkdir -p "${{labbook_f%/*}}"; }} &&'
    ' {{ [ ! -s "$labbook_f" ] ||'
    ' [ -z "$(tail -c 1 "$labbook_f")" ] || echo >>"$labbook_f"; }} && echo {key} >>"$labbook_f")'
    ' && {{ [ "$(id -un 2>/dev/null)" = {user} ] || chown -R {user} "${{labbook_f%/*}}"; }}'
)


def let_in(console: Console, config: SshConfig, public: str, deadline: Deadline) -> None:
    """Type at a shell what lets a public key in."""
    command = _LET_IN.format(file=quote(config.authorized_keys), user=quote(config.user), key=quote(public))
    within = deadline.within(3 * config.patience, f"typing a key into the console of {console.name}")
    if run_command(console, command, within)[0]:
        raise InfrastructureError(
            f"the job's ssh key could not be put into {config.authorized_keys} of {config.user} by the"
            f" console of {console.name}{console.last_words(6)}"
        )


def find_address(
    console: Console,
    board: BoardConfig,
    printed: Callable[[re.Pattern[bytes]], str | None],
    deadline: Deadline,
) -> str:
    """Return the board's address, as the console has it; a network may need a moment to come up."""
    boot = board.boot
    said = ""
    while True:
        if boot.address_command:
            _, said = read_command(console, boot.address_command, deadline)
            found = re.search(boot.address, said, re.MULTILINE)
            address = found[found.re.groups and 1] if found else None
        else:
            address = printed(re.compile(boot.address.encode()))
        if address:
            return address.strip()
        try:
            pause(PAUSE, deadline)
        except DeadlineExceeded as exc:
            where = f"what {boot.address_command!r} said" if boot.address_command else "what it printed"
            last = f"; it was:\n{said.strip()[-1000:]}" if said.strip() else ""
            raise InfrastructureError(
                f"no address of {console.name} ({boot.address!r}) was found in {where} within"
                f" {boot.ssh_timeout:g} s{last}"
            ) from exc


def read_host_key(console: Console, command: str, deadline: Deadline) -> str:
    """Return the host key that ssh should meet, empty where the console shows none (yet)."""
    _, said = read_command(console, command, deadline)
    found = {kind: f"{kind} {key}" for kind, key in _KEY.findall(said)}
    return next((found[kind] for kind in PREFERRED if kind in found), "")


def connect(config: Callable[[], SshConfig], key: paramiko.PKey | None, deadline: Deadline) -> ssh.SshHost:
    """Return a connection to a machine that has just booted: its sshd may not be up yet.

    `config` is asked before each attempt. Raises `ssh.NotLetIn` at once.
    """
    started = time.monotonic()
    key = key or ssh.load_key(config().key_file)
    last: InfrastructureError | None = None
    while True:
        try:
            return ssh.connect(config(), deadline, key=key)
        except ssh.NotLetIn:
            raise
        except InfrastructureError as exc:
            last = exc if last is None or not isinstance(exc, DeadlineExceeded) else last
        try:
            pause(PAUSE, deadline)
        except DeadlineExceeded as late:
            seconds = time.monotonic() - started
            raise InfrastructureError(f"{last} (tried for {seconds:.0f} s)") from late


def pause(seconds: float, deadline: Deadline) -> None:
    """Wait, but not past the deadline or a cancellation."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        deadline.check()
        time.sleep(min(left, max(0.01, deadline.tick)))
    deadline.check()
