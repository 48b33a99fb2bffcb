"""Getting test definitions: from files, the web, git repositories, or the job's own text.

What is cloned is hostile: no hooks, no submodules, no transports that run commands, no prompts, no
configuration of whoever runs the worker.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from jobs.domain.definition.model import TestSource
from jobs.execution.fetch import Fetcher, allowed_file
from jobs.execution.ports import Workplace
from jobs.execution.web import refuse_local
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError

MAX_TEXT = 1024 * 1024
"""Bytes of a test definition."""
MAX_TREE = 512 * 1024 * 1024
"""Bytes of a repository's working tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """A test definition and what came with it."""

    text: str
    where: str
    """For messages and the record: URL, or repository and path, or "inline"."""
    revision: str = ""
    """The commit that was taken, for a repository."""
    tree: Path | None = None
    """The working tree that belongs to it, for a repository."""
    parameters: Mapping[str, str] = field(default_factory=dict)


class Sources:
    """Gets the test definitions of one run; each repository at each revision is cloned once."""

    def __init__(self, workplace: Workplace, fetcher: Fetcher) -> None:
        self._place, self._fetcher = workplace, fetcher
        self._clones: dict[tuple[str, str], tuple[Path, str]] = {}

    def get(self, source: TestSource, deadline: Deadline) -> Got:
        """Return a test definition.

        Raises `DefinitionFault` for what is wrong with the source, `InfrastructureError` for the network.
        """
        if source.inline:
            return Got(text=source.inline, where="inline", parameters=source.parameters)
        if source.url:
            fetched = self._fetcher.get(source.url, deadline, unpack=False)
            text = _read(fetched.path, source.url)
            return Got(text=text, where=source.url, parameters=source.parameters)
        tree, commit = self.clone(source.git_repo, source.revision, deadline)
        path = Path(os.path.realpath(tree / source.testdef))
        where = f"{source.git_repo} {source.testdef}"
        if not path.is_relative_to(os.path.realpath(tree)):
            raise DefinitionFault(f"{source.testdef} leads out of the repository {source.git_repo}")
        if not path.is_file():
            at = source.revision or "its default branch"
            raise DefinitionFault(f"there is no {source.testdef} in {source.git_repo} at {at}")
        return Got(
            text=_read(path, where), where=where, revision=commit, tree=tree, parameters=source.parameters
        )

    # -- git -----------------------------------------------------------------------------------------

    def clone(self, url: str, revision: str, deadline: Deadline) -> tuple[Path, str]:
        """Return the working tree of a repository at a revision (default: its HEAD), and the commit."""
        if (url, revision) not in self._clones:
            self._clones[url, revision] = self._fresh_clone(url, revision, deadline)
        return self._clones[url, revision]

    def _fresh_clone(self, url: str, revision: str, deadline: Deadline) -> tuple[Path, str]:
        protocol = self._allowed(url)
        if revision.startswith("-") or not re.fullmatch(r"[\w./+@^~-]*", revision):
            raise DefinitionFault(f"{revision!r} is no revision of a git repository")
        tree = self._place.scratch / "repositories" / secrets.token_hex(6)
        tree.mkdir(parents=True)
        patient = deadline.within(self._place.retry.clone, f"the clone of {url}")
        self._git(["init", "-q", "."], tree, protocol, patient)
        reference = revision or "HEAD"
        # Shallow where the server allows it for this revision; a commit that it does not advertise needs all.
        fetch = ["fetch", "-q", "--no-tags", "--no-recurse-submodules"]
        problem = self._git([*fetch, "--depth=1", "--", url, reference], tree, protocol, patient, check=False)
        wanted = "FETCH_HEAD"
        if problem:
            everything = [
                "--update-head-ok",
                "--",
                url,
                "+refs/heads/*:refs/heads/*",
                "+refs/tags/*:refs/tags/*",
            ]
            second = self._git([*fetch, *everything], tree, protocol, patient, check=False)
            if second:
                raise _git_error(url, revision, second)
            wanted = reference
        problem = self._git(
            ["checkout", "-q", "--detach", wanted, "--"], tree, protocol, patient, check=False
        )
        if problem:
            raise _git_error(url, revision, problem)
        commit = self._output(["rev-parse", "HEAD"], tree, protocol, patient)
        _check_size(tree, url)
        return tree, commit

    def _allowed(self, url: str) -> str:
        """Return the one transport that git may use for this URL."""
        scheme = urlsplit(url).scheme.lower()
        if scheme == "file" or (not scheme and url.startswith("/")):
            folder = Path(os.path.realpath(urlsplit(url).path))
            if not any(folder.is_relative_to(os.path.realpath(root)) for root in self._place.file_roots):
                allowed_file(f"file://{folder}", self._place.file_roots)
            if not folder.is_dir():
                raise DefinitionFault(f"the git repository {url} does not exist on the worker")
            return "file"
        if scheme in ("http", "https", "git"):
            refuse_local(url, self._place)
            return scheme
        raise DefinitionFault(f"{url!r} cannot be cloned: allowed are http(s)://, git:// and file:// URLs")

    def _environment(self, protocol: str) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self._place.scratch),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_ALLOW_PROTOCOL": protocol if protocol != "http" else "http:https",
            "GIT_LFS_SKIP_SMUDGE": "1",
        }

    def _command(self, arguments: Sequence[str]) -> list[str]:
        settings: tuple[str, ...] = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.symlinks=true")
        settings += ("safe.directory=*", "protocol.ext.allow=never", "http.followRedirects=initial")
        return ["git", *(word for one in settings for word in ("-c", one)), *arguments]

    def _git(
        self, arguments: Sequence[str], tree: Path, protocol: str, deadline: Deadline, *, check: bool = True
    ) -> str:
        """Run git; returns what it complained of, empty if it did not."""
        status, _, complaint = _run(self._command(arguments), tree, self._environment(protocol), deadline)
        if status and check:
            raise InfrastructureError(f"git {arguments[0]} failed on the worker: {complaint}")
        return complaint or "it gave no reason" if status else ""

    def _output(self, arguments: Sequence[str], tree: Path, protocol: str, deadline: Deadline) -> str:
        return _run(self._command(arguments), tree, self._environment(protocol), deadline)[1].strip()


def _run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], deadline: Deadline
) -> tuple[int, str, str]:
    """Run a command of the worker's with a deadline; its whole process group ends with it."""
    deadline.check()
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as exc:
        raise InfrastructureError("git is not installed on the worker") from exc
    with process:
        try:
            while True:
                try:
                    output, complaint = process.communicate(timeout=max(0.01, deadline.tick))
                    return process.returncode, output, complaint.strip()[-1000:]
                except subprocess.TimeoutExpired:
                    deadline.check()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def _git_error(url: str, revision: str, complaint: str) -> DefinitionFault | InfrastructureError:
    words = f"the git repository {url} could not be fetched" + (f" at {revision}" if revision else "")
    network = ("Could not resolve", "Connection", "timed out", "unable to access", "early EOF", "hung up")
    if any(word in complaint for word in network) and "returned error: 4" not in complaint:
        return InfrastructureError(f"{words}: {complaint}")
    return DefinitionFault(f"{words}: {complaint}")


def _check_size(tree: Path, url: str) -> None:
    total = 0
    for folder, folders, names in os.walk(tree):
        if ".git" in folders:
            folders.remove(".git")
        total += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
        if total > MAX_TREE:
            raise DefinitionFault(f"the git repository {url} has more than {MAX_TREE} bytes of files")


def _read(path: Path, where: str) -> str:
    data = path.read_bytes()
    if len(data) > MAX_TEXT:
        raise DefinitionFault(f"{where} is no test definition: it has {len(data)} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise DefinitionFault(f"{where} is no test definition: it is not UTF-8 text") from exc
