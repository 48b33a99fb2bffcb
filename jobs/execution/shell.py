"""Running a test shell on a console: what the node says becomes facts, and its requests are answered."""

from __future__ import annotations

import io
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from devices.drivers.expect import Chunk, Console, ConsoleEnded, Search, gave_up
from devices.drivers.signs import KERNEL, Sign
from jobs.domain import signals
from jobs.domain.events import AttachmentKept, CaseStarted, ResultReported, SuiteEnded, SuiteStarted
from jobs.domain.patterns import PatternTooSlow, ResultFinder, ResultPattern
from jobs.domain.scanner import Scanner
from jobs.execution.journal import Journal
from jobs.execution.ports import ConsoleFull, Files
from jobs.execution.sync import Sync, Typist
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded, TestFault

SHELL = "a test shell of "
"""What the deadline of a test shell is called that has a time of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A test definition that is to run in a shell."""

    suite: str
    uuid: str
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Name, version, source and revision, for the record."""
    pattern: ResultPattern | None = None
    """Finds results in ordinary output."""
    warnings: tuple[str, ...] = ()
    """What its author should know."""


class TestShellRun:
    """One run of ``lava-test-runner`` on one node."""

    __test__ = False

    def __init__(
        self,
        node: int,
        console: Console,
        journal: Journal,
        sync: Sync,
        files: Files,
        expected: Sequence[Expected],
    ) -> None:
        self._node, self._console = node, console
        self._journal, self._sync, self._files = journal, sync, files
        self._expected = {test.suite: test for test in expected}
        self._finders = {
            suite: ResultFinder(test.pattern)
            for suite, test in self._expected.items()
            if test.pattern is not None
        }
        self._scanner: Scanner | None = None
        self._suite = ""
        self._case = ""
        self._results = 0
        self._done = 0
        self._exited_at: float | None = None
        self._sign: tuple[Sign, str] | None = None

    def run(self, command: str, deadline: Deadline) -> None:
        """Type `command` (or nothing, when it runs already and ends with its console) and see it through.

        Raises `TestFault` when it does not come to its end.
        """
        word = secrets.token_hex(4)
        typist = Typist(self._console)
        self._sync.attach(self._node, typist)
        self._typist = typist
        try:
            if command:
                self._console.line(f'{command}; echo "lab""book {word} $?."', deadline)
            status = self._follow(word, deadline)
        except ConsoleFull as exc:
            raise TestFault(f"{exc}; {self._kept}") from exc
        except DeadlineExceeded as exc:
            shell = f"the test shell of {self._console.name}"
            limit = deadline.what.removeprefix(SHELL)
            own = limit != deadline.what
            late = (
                f"{shell} did not end within {limit}" if own else f"{deadline.what}'s time ran out in {shell}"
            )
            raise TestFault(f"{late}{self._where}; {self._kept}") from exc
        finally:
            self._take_rest()
            self._sync.shell_ended(self._node, "its test shell is over")
            typist.close()
        if self._exited_at is None or self._done < len(self._expected):
            raise TestFault(
                f"the test shell of {self._console.name} ended early, with exit status {status}{self._where};"
                f" {self._kept}"
            )

    def _follow(self, word: str, deadline: Deadline) -> str:
        end = re.compile(b"labbook " + word.encode() + rb" (\d{1,3})\.")
        search = Search([end, *(sign.pattern for sign in KERNEL)])
        patience = self._console.waits.exit
        while True:
            try:
                chunks = self._console.read(deadline, 0.5)
            except ConsoleEnded as exc:
                if self._exited_at is not None:
                    return "0"
                raise TestFault(f"{exc}{self._where}; {self._kept}") from exc
            for chunk in chunks:
                self._take(chunk)
                rest: Chunk | None = chunk
                while rest is not None:
                    match, rest = search.feed(rest)
                    if match is not None and match.index == 0:
                        return match.groups[0]
                    if match is not None:
                        self._sign = KERNEL[match.index - 1], match.line
            self._consider_silence()
            if self._exited_at is not None and time.monotonic() - self._exited_at > patience:
                return "unknown"

    def _consider_silence(self) -> None:
        if self._sign is None:
            return
        if time.monotonic() - self._console.heard_at > self._console.waits.panic:
            said = gave_up(self._console, *self._sign)
            raise TestFault(f"{said.summary}{self._where}; {self._kept}{said.lines}")

    def _take(self, chunk: Chunk) -> None:
        if self._scanner is None:
            self._scanner = Scanner(chunk.offset, output=bool(self._finders))
        for signal in self._scanner.feed(chunk.data, chunk.offset):
            self._act(signal)

    def _take_rest(self) -> None:
        """Take what waited for lines that were lost: better late than never."""
        with suppress(TestFault):
            for signal in self._scanner.finish() if self._scanner is not None else ():
                self._act(signal)

    # -- signals -------------------------------------------------------------------------------------

    def _act(self, signal: signals.Signal) -> None:
        match signal:
            case signals.Request():
                self._sync.request(self._node, signal)
            case signals.Answer():
                self._typist.type(signal.lines)
            case signals.TestCase():
                self._result(signal)
            case signals.Output():
                self._output(signal)
            case signals.StartCase():
                self._case = signal.case
                self._journal.facts(
                    CaseStarted(node=self._node, suite=signal.suite, case=signal.case, at=self._journal.now())
                )
            case signals.EndCase():
                self._case = ""
            case signals.StartRun():
                self._start_suite(signal)
            case signals.EndRun():
                self._end_suite(signal)
            case signals.Attached():
                self._attachment(signal)
            case signals.Raised():
                raise TestFault(
                    f"the test on {self._console.name} gave up: {signal.message or 'no reason given'}"
                )
            case signals.Ignored():
                self._journal.note(self._node, "warning", f"passed over on the console: {signal.reason}")
            case signals.RunnerExited():
                self._exited_at = time.monotonic()
            case _:
                pass

    def _output(self, signal: signals.Output) -> None:
        """Look for a result in a line of ordinary output."""
        finder = self._finders.get(signal.suite)
        if finder is None:
            return
        try:
            found = finder.search(signal.text)
        except PatternTooSlow as exc:
            self._journal.note(self._node, "warning", f"{signal.suite}: {exc}")
            return
        if found is not None:
            self._result(
                signals.TestCase(
                    offset=signal.offset,
                    suite=signal.suite,
                    set="",
                    case=found.case,
                    result=found.result,
                    measurement=found.measurement,
                    units=found.units,
                )
            )

    def _result(self, signal: signals.TestCase) -> None:
        self._results += 1
        if signal.case == self._case:
            self._case = ""
        self._journal.facts(
            ResultReported(
                node=self._node,
                suite=signal.suite or "console",
                set=signal.set,
                case=signal.case,
                result=signal.result,
                measurement=signal.measurement,
                units=signal.units,
                message=signal.message,
                offset=signal.offset,
                at=self._journal.now(),
            )
        )

    def _start_suite(self, signal: signals.StartRun) -> None:
        self._suite = signal.name
        test = self._expected.get(signal.name)
        for warning in test.warnings if test is not None else ():
            self._journal.note(self._node, "warning", f"{signal.name}: {warning}")
        self._journal.facts(
            SuiteStarted(
                node=self._node,
                suite=signal.name,
                uuid=signal.uuid,
                definition=dict(test.origin) if test is not None else {},
                at=self._journal.now(),
            )
        )
        self._sync.doing(self._node, signal.name)

    def _end_suite(self, signal: signals.EndRun) -> None:
        self._suite, self._case = "", ""
        self._done += 1
        self._journal.facts(
            SuiteEnded(node=self._node, suite=signal.name, uuid=signal.uuid, at=self._journal.now())
        )

    def _attachment(self, signal: signals.Attached) -> None:
        digest, size = self._files.keep(io.BytesIO(signal.content))
        self._journal.facts(
            AttachmentKept(
                node=self._node,
                suite=signal.suite or "console",
                case=signal.case,
                name=signal.name,
                mime=signal.mime,
                sha256=digest,
                size=size,
                at=self._journal.now(),
            )
        )

    # -- words ---------------------------------------------------------------------------------------

    @property
    def _where(self) -> str:
        if not self._suite:
            return f", after {self._done} of {len(self._expected)} test definitions" if self._expected else ""
        return f", in {self._suite}" + (f", case {self._case}" if self._case else "")

    @property
    def _kept(self) -> str:
        count = "1 result" if self._results == 1 else f"{self._results} results"
        return f"{count} until then are kept" if self._results else "no result had come until then"
