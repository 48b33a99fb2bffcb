"""The conversation with a board's boot loader: what it says is waited for, and answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from devices.domain.config import BootConfig, LoaderStep
from devices.domain.placeholders import FILES, Unfilled, fill, named
from devices.drivers.expect import Console, GaveUp, Match, expect
from devices.drivers.signs import LOADER
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded, DefinitionFault, InfrastructureError, JobError

OPTIONAL = frozenset(FILES) - {"kernel", "image"}
"""Files that a definition may leave out: the steps that would load them are left out, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootOrder:
    """What is particular to one boot."""

    values: Mapping[str, str]
    """What the placeholders in the boot loader's lines stand for."""
    commands: tuple[str, ...] = ()
    """The definition's, typed in place of what the board's configuration says."""


class Conversation:
    """With one boot loader, once.

    `started` is called when the boot loader is first heard. `fault` is the class of errors for what it says
    about the files that it was given.
    """

    def __init__(
        self,
        console: Console,
        boot: BootConfig,
        order: BootOrder,
        *,
        started: Callable[[Match], None],
        fault: type[JobError],
    ) -> None:
        self._console, self._boot, self._order = console, boot, order
        self._started, self._fault = started, fault
        self._typed = False
        self._steps = [(step, self._filled(step.send)) for step in boot.loader if self._has_files_of(step)]
        self._commands = [self._filled(line) for line in order.commands]
        if order.commands and not boot.loader_prompt:
            raise DefinitionFault(
                "boot_cmds cannot be typed on this board: its configuration knows no prompt of a boot loader"
                " (boot.loader_prompt); leave boot_cmds out"
            )

    def _has_files_of(self, step: LoaderStep) -> bool:
        """Say whether a step is to be done: not one for a file other than the kernel that nobody deployed."""
        return not any(name in OPTIONAL and name not in self._order.values for name in named(step.send))

    def _filled(self, line: str) -> str:
        try:
            return fill(line, self._order.values, known={*FILES, "options"})
        except Unfilled as exc:
            raise DefinitionFault(
                f"the boot loader is to be told {line!r}, but no {exc.name} was deployed to the board"
            ) from exc

    def run(self, deadline: Deadline) -> None:
        """Talk until the last line is typed."""
        prompt = re.compile(self._boot.loader_prompt.encode()) if self._commands else None
        try:
            for step, line in self._steps:
                patterns = [prompt] if prompt is not None else []
                match = self._expect([*patterns, re.compile(step.expect.encode())], step.within, deadline)
                if prompt is not None and match.index == 0:
                    self._type_commands(prompt, deadline)
                    return
                self._type(line, step, deadline)
            if prompt is not None:
                self._expect([prompt], self._boot.loader_timeout, deadline)
                self._type_commands(prompt, deadline)
        except GaveUp as exc:
            raise self._fault(str(exc)) from exc

    def _type_commands(self, prompt: re.Pattern[bytes], deadline: Deadline) -> None:
        for number, command in enumerate(self._commands):
            if number:
                self._expect([prompt], self._boot.loader_timeout, deadline)
            self._console.line(command, deadline)
            self._typed = True

    def _type(self, line: str, step: LoaderStep, deadline: Deadline) -> None:
        if line or step.newline:
            self._console.send(line.encode() + (b"\n" if step.newline else b""), deadline)
            # The key that stops the countdown is no order: what fails before one is its own affair.
            self._typed = self._typed or step.newline

    def _expect(self, patterns: Sequence[re.Pattern[bytes]], seconds: float, deadline: Deadline) -> Match:
        wanted = " or ".join(repr(pattern.pattern.decode()) for pattern in patterns)
        within = deadline.within(seconds, f"the boot loader of {self._console.name}")
        try:
            match = expect(self._console, patterns, within, signs=LOADER if self._typed else ())
        except DeadlineExceeded as exc:
            if deadline.expired:
                seconds = 0
            limit = f"within {seconds:g} s" if seconds else "before the time of the boot was over"
            raise InfrastructureError(
                f"the boot loader of {self._console.name} did not say {wanted} {limit}"
                f"{self._console.last_words()}"
            ) from exc
        self._started(match)
        return match
