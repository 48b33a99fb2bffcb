"""The job's place on the host: its key, its folder, what the host can do.

Everything a job puts on a host lies in one folder, ``<work_dir>/jobs/<job>``, and every process it starts
carries the job's handle in its environment (``LABBOOK_HANDLE``), a random word kept in that folder. So
whoever cleans up, even after a crash of the worker, finds all of it by handle and nothing of anybody else's.
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from devices.domain.config import BoardConfig
from devices.drivers import ssh
from devices.drivers.shell import HostShell, quote
from jobs.execution import scripts
from jobs.execution.network import Network
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError


def key_mark(board: BoardConfig, job: int) -> str:
    """Return how the comment of a job's key begins in authorized_keys: no other job's does."""
    place = hashlib.sha256(board.work_dir.encode()).hexdigest()[:8]
    return f"labbook-{place}-job-{job}-"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKey:
    """A key pair for one job."""

    private: paramiko.PKey
    public: str
    """A line for authorized_keys; its comment is the mark by which it is removed."""

    @classmethod
    def generate(cls, comment: str) -> JobKey:
        pair = ed25519.Ed25519PrivateKey.generate()
        private = pair.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ).decode()
        public = pair.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        return cls(
            private=paramiko.Ed25519Key.from_private_key(io.StringIO(private)),
            public=f"{public.decode()} {comment}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a job lives on its host."""

    folder: str
    cache: str
    handle: str
    machine: str
    """``uname -m``."""
    boot_id: str
    """Changes with each boot of the host."""
    has_kvm: bool
    """There is a /dev/kvm that we may open; whether it works is another question."""
    programs: frozenset[str]
    """Those of the asked-for programs that are there."""
    cached: bool = True
    """There may be images in the cache."""
    known: Mapping[str, str] = field(default_factory=dict)
    """What earlier jobs found out about the host, by the name of the file in the cache."""

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"


class NotClean(InfrastructureError):
    """The job has been on this host before, and has left something."""


def job_folder(board: BoardConfig, job: int) -> str:
    """Return the job's folder on the host."""
    return f"{board.work_dir.rstrip('/')}/jobs/{job}"


def new_handle() -> str:
    return secrets.token_hex(12)


def make_place(
    shell: HostShell,
    board: BoardConfig,
    job: int,
    handle: str,
    key: JobKey | None,
    programs: set[str],
    deadline: Deadline,
) -> Place:
    """Make the job's folder, let its key in (None: it is in), and see what the host is and has.

    A folder with this handle stays: the host has booted anew in mid-job.
    """
    if not re.fullmatch(r"/[^\0\n]*", board.work_dir):
        raise InfrastructureError(f"the board's work_dir {board.work_dir!r} is not an absolute path")
    folder, cache = job_folder(board, job), f"{board.work_dir.rstrip('/')}/cache"
    make = scripts.MAKE_PLACE.format(
        work=quote(board.work_dir),
        cache=quote(cache),
        folder=quote(folder),
        handle=quote(handle),
        network=quote(Network.of(handle).in_proc),
        programs=" ".join(quote(program) for program in sorted(programs)),
    )
    let_in = ""
    if key is not None:
        let_in = scripts.AUTHORISE.format(file=quote(board.ssh.authorized_keys), key=quote(key.public))
    done = shell.run(make + let_in, deadline)
    if done.status == scripts.NOT_CLEAN:
        raise NotClean(f"{folder} is there already: an earlier run of the job was not cleaned up")
    done.expect_ok(f"the job's folder {folder} could not be made, or its key not be let in, on {shell.name}")
    lines = done.text.splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    return Place(
        folder=folder,
        cache=cache,
        handle=handle,
        machine=found.get("machine", ""),
        boot_id=found.get("boot", ""),
        has_kvm=found.get("kvm") == "yes",
        programs=frozenset(line.removeprefix("have ") for line in lines if line.startswith("have ")),
        cached=found.get("cache") == "used",
        known={name: words for name, words in found.items() if name.startswith("kvm-")},
    )


def connect_as_job(board: BoardConfig, key: JobKey, deadline: Deadline) -> ssh.SshHost:
    """Return a connection with the job's own key."""
    config = replace(board.ssh, key_file="")
    try:
        return ssh.connect(config, deadline, key=key.private)
    except InfrastructureError as exc:
        raise InfrastructureError(
            f"{exc} (this is the job's own key, written to {board.ssh.authorized_keys} on the host: is that"
            " the file that its sshd reads?)"
        ) from exc
