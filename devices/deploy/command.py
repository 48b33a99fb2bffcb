"""``command``: the site's own commands on the worker write the files (SD multiplexer, dd, fastboot)."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from devices.deploy import files as placing
from devices.domain.config import BoardConfig
from devices.domain.placeholders import FILES, Unfilled, fill, named
from devices.drivers.board import TransferProgress
from devices.drivers.shell import quote
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError

KEPT = 4000
"""Characters of a command's output that an error shows."""
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "SHELL", "TZ")
"""Variables of the worker that the site's commands see: none of the lab's secrets is among them."""
DD = re.compile(rb"(\d+) bytes[^\r\n]* copied")
"""What ``dd status=progress`` says while it writes."""


class CommandDeploy:
    """See `devices.drivers.board.DeployMethod`."""

    def __init__(self, board: BoardConfig, job: int) -> None:
        self._board, self._job = board, job
        self._values: dict[str, str] = {}

    def deploy(
        self, files: Mapping[str, Path], progress: TransferProgress, deadline: Deadline
    ) -> Mapping[str, str]:
        commands = self._board.commands.before
        if not commands:
            raise InfrastructureError("the board's configuration has no commands.before to deploy with")
        used = {name for command in commands for name in named(command)}
        placing.only(files, used & set(FILES), "none of its commands uses it")
        self._values = {key: str(path) for key, path in files.items()}
        for number, command in enumerate(commands, 1):
            try:
                line = fill(command, self._filled(), shown=quote)
            except Unfilled as exc:
                raise DefinitionFault(
                    f"this board cannot be deployed without {exc.name}: its command {command!r} needs it"
                ) from exc
            key = next((name for name in named(command) if name in files), "")
            what = key or f"command {number} of {len(commands)}"
            total = files[key].stat().st_size if key else None
            progress(what, 0, total)
            self._run(line, deadline, _Dd(what, total, progress))
            if total is not None:
                progress(what, total, total)
        return self._filled()

    def _filled(self) -> dict[str, str]:
        return placing.placeholders(self._board, self._job, self._values)

    def undo(self, deadline: Deadline) -> None:
        """Run the site's commands for it: all of them, whatever becomes of one."""
        failed = []
        for command in self._board.commands.after:
            # Who cleans up after a lost run does not know any more what was deployed.
            values = dict.fromkeys(FILES, "") | self._filled()
            try:
                self._run(fill(command, values, shown=quote), deadline, None)
            except InfrastructureError as exc:
                failed.append(str(exc))
        if failed:
            raise InfrastructureError("; ".join(failed))

    def _run(self, line: str, deadline: Deadline, seen: Callable[[bytes], None] | None) -> None:
        within = deadline.within(self._board.commands.timeout, f"the deploy command {line!r}")
        output = bytearray()

        def take(data: bytes) -> None:
            output.extend(data)
            del output[: -4 * KEPT]
            if seen is not None:
                seen(data)

        status = run_command(line, within, take)
        if status:
            ending = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
            said = bytes(output).decode(errors="replace").replace("\r", "\n").strip()[-KEPT:]
            words = f"the deploy command {line!r} {ending}"
            raise InfrastructureError(f"{words}; it said:\n{said}" if said else f"{words} and said nothing")


class _Dd:
    """Turns what dd prints into progress."""

    def __init__(self, what: str, total: int | None, progress: TransferProgress) -> None:
        self._what, self._total, self._progress = what, total, progress
        self._line = b""

    def __call__(self, data: bytes) -> None:
        self._line = (self._line + data)[-1000:]
        found = DD.findall(self._line)
        if found:
            done = int(found[-1])
            self._progress(self._what, done if self._total is None else min(done, self._total), self._total)


def run_command(line: str, deadline: Deadline, take: Callable[[bytes], None]) -> int:
    """Run a shell command line on this machine; returns its status, negative if a signal ended it.

    `take` gets what it prints, both streams together. Its whole process group ends with the deadline, and
    what it left running in that group ends with the command.
    """
    deadline.check()
    environment = {name: value for name, value in os.environ.items() if name in PASSED_ON}
    process = subprocess.Popen(
        ["sh", "-c", line],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=environment,
        cwd="/",
    )
    assert process.stdout is not None
    with process, selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        try:
            while True:
                deadline.check()
                if selector.select(max(0.01, deadline.tick)):
                    if not (data := os.read(process.stdout.fileno(), 65536)):
                        break
                    take(data)
                elif process.poll() is not None:
                    break  # something it left in the background still holds its output
            while process.poll() is None:
                deadline.check()
                _wait(process, max(0.01, deadline.tick))
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
