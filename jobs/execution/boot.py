"""From a kernel's first words to a shell that answers, by nothing but a console.

A prompt is believed only when a shell behind it answers: text that looks like a prompt is common in what
boots print.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from devices.drivers.expect import Console, ConsoleEnded, GaveUp, Match, clean, expect
from devices.drivers.signs import KERNEL, LOADER, Sign
from jobs.domain.definition.model import Login
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded, DefinitionFault, JobError

OUTPUT = 64 * 1024
"""Bytes that a command may print which is read on a console."""
GENERIC_LOGIN = re.compile(rb"login: ?$")
LINUX = re.compile(rb"Linux version \d")
KERNEL_STARTED = re.compile(rb"Linux version \d|^Starting kernel \.\.\.")
"""By its own words, or by those of the boot loader: a kernel may be told to be quiet."""

Milestone = Callable[[str, float, int], None]
"""Is told of a milestone: its name, seconds since the start, offset in the console."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """What to look for on a console."""

    shell: tuple[re.Pattern[bytes], ...]
    login: Login

    @classmethod
    def compile(cls, patterns: Sequence[str], login: Login) -> Prompts:
        return cls(shell=tuple(_pattern(text, "the shell prompt") for text in patterns), login=login)


def _pattern(text: str, what: str) -> re.Pattern[bytes]:
    try:
        return re.compile(text.encode())
    except re.error as exc:
        raise DefinitionFault(f"{what} {text!r} is not a regular expression: {exc}") from exc


class Booting:
    """One boot of one node.

    `fault` is the class of the error when it does not come to a shell: whose it is depends on who chose what
    is booted. `loaded`: a boot loader was told to start the kernel, and may say that it cannot.
    """

    def __init__(
        self,
        console: Console,
        prompts: Prompts,
        milestone: Milestone,
        *,
        fault: type[JobError] = DefinitionFault,
        loaded: bool = False,
    ) -> None:
        self._console, self._prompts, self._milestone = console, prompts, milestone
        self._fault = fault
        self._signs: Sequence[Sign] = (*KERNEL, *LOADER) if loaded else KERNEL
        self._started = time.monotonic()
        self._told: set[str] = set()
        self._typed_at = 0.0

    def run(self, deadline: Deadline) -> None:
        """Return when a shell answers.

        Raises an error of the class `fault` when it does not come to that: no prompt in time, a kernel that
        gives up, a refused login.
        """
        login = self._prompts.login
        asks_login = _pattern(login.login_prompt, "the login prompt") if login.login_prompt else GENERIC_LOGIN
        asks_password = _pattern(login.password_prompt or "[Pp]assword: ?$", "the password prompt")
        watched = [
            asks_login,
            asks_password,
            re.compile(rb"Login incorrect"),
            KERNEL_STARTED,
            *self._prompts.shell,
        ]
        logins, waits = 0, self._console.waits
        try:
            while True:
                nudge = waits.nudge_login if logins and login.username else waits.nudge
                match = expect(self._console, watched, deadline, signs=self._signs, nudge_after=nudge)
                if match.index == 0:
                    if time.monotonic() - self._typed_at > 1:  # not one prompt shown twice
                        logins += 1
                        self._log_in(match, logins, deadline)
                elif match.index == 1:
                    if logins and login.username:
                        self._console.line(login.password, deadline)
                elif match.index == 2:
                    if logins:
                        raise self._fault(f"{self._console.name} refused the login as {login.username!r}")
                elif match.index == 3:
                    self._signs = KERNEL
                    self._tell("kernel-started", match)
                elif self._answers(deadline):
                    self._tell("shell-prompt", match)
                    break
            for command in login.login_commands:
                run_command(self._console, command, deadline)
        except GaveUp as exc:
            raise self._fault(str(exc)) from exc
        except DeadlineExceeded as exc:
            raise self._fault(self._why_not(logins, deadline)) from exc

    def _log_in(self, match: Match, times: int, deadline: Deadline) -> None:
        username = self._prompts.login.username
        if username:
            self._tell("login-prompt", match)
            self._console.line(username, deadline)
            self._typed_at = time.monotonic()
        elif times >= 3:
            raise self._fault(
                f"{self._console.name} asks for a login ({match.line.strip()!r}), and no username is known:"
                " give login_prompt and username in the deploy action"
            )

    def _answers(self, deadline: Deadline) -> bool:
        """Say whether a shell answers."""
        word = secrets.token_hex(4)
        self._console.line(f'echo "lab""book {word}"', deadline)
        patient = deadline.within(self._console.waits.answer, "the shell's answer")
        try:
            expect(self._console, [re.compile(b"labbook " + word.encode())], patient, signs=self._signs)
        except DeadlineExceeded:
            deadline.check()
            return False
        return True

    def _tell(self, name: str, match: Match) -> None:
        if name not in self._told:
            self._told.add(name)
            self._milestone(name, time.monotonic() - self._started, match.offset)

    def _why_not(self, logins: int, deadline: Deadline) -> str:
        wanted = " or ".join(repr(pattern.pattern.decode()) for pattern in self._prompts.shell)
        seconds = time.monotonic() - self._started
        so_far = " after a login" if logins and self._prompts.login.username else ""
        return (
            f"{self._console.name} did not come to a shell prompt ({wanted}){so_far} within {seconds:.0f} s"
            f"{self._console.last_words()}"
        )


def run_command(console: Console, command: str, deadline: Deadline) -> tuple[int, int]:
    """Type a command line (below 900 bytes) at a shell and wait for its end.

    Returns its exit status and the offset of the line that said so. When the console stays silent the
    question for the end is typed again: the kernel may have written into the answer.
    """
    word = secrets.token_hex(4)
    ask = f'echo "lab""book {word} $labbook_s."'
    console.line(f"{command}; labbook_s=$?; {ask}", deadline)
    answer = [re.compile(b"labbook " + word.encode() + rb" (\d{1,3})\.")]
    while True:
        patient = deadline.within(console.waits.answer, "the command's end")
        try:
            match = expect(console, answer, patient, signs=KERNEL)
        except DeadlineExceeded:
            deadline.check()
            if time.monotonic() - console.heard_at >= console.waits.answer:
                console.line(ask, deadline)
            continue
        return int(match.groups[0]), match.offset


def read_command(console: Console, command: str, deadline: Deadline) -> tuple[int | None, str]:
    """Type a command line at a shell; returns its exit status and what it printed.

    The status is None where it did not end within `Waits.answer`, or where its end was torn: ask again.
    """
    word = secrets.token_hex(4)
    mark = re.escape(f"labbook {word} ".encode())
    console.line(f'echo "lab""book {word} begin"; {command}; echo "lab""book {word} $?."', deadline)
    whole = re.compile(mark + rb"begin\r*\n(.*?)" + mark + rb"(\d{1,3})\.", re.DOTALL)
    patient = deadline.within(console.waits.answer, "the command's end")
    printed = b""
    try:
        while (found := whole.search(printed)) is None:
            for chunk in console.read(patient, 0.5):
                printed = (printed + chunk.data)[-OUTPUT:]
    except DeadlineExceeded:
        deadline.check()
        return None, ""
    return int(found[2]), clean(found[1]).decode(errors="replace").replace("\r", "")


__all__ = ["LINUX", "Booting", "ConsoleEnded", "Prompts", "read_command", "run_command"]
