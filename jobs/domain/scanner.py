"""Finds what nodes say in the bytes of their consoles.

Lines in LAVA's form count whoever prints them; lines from our own helpers carry a number and a checksum as
well (see jobs.domain.wire), so that a repetition counts once, a damaged line not at all, and lost ones can be
asked for.

Text that only *speaks* of signals, such as a script shown by ``set -x`` or ``cat``, is not one: a mark
directly after a quote, or in a line that begins with the ``+`` of a shell trace, is passed over. What the
lab itself types never contains a mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from jobs.domain import wire
from jobs.domain.attachments import Attachments, Incoming, decimal, ranges
from jobs.domain.console_lines import Line, Lines
from jobs.domain.events import Verdict
from jobs.domain.names import MAX_MESSAGE, clean_name, printable
from jobs.domain.numbering import Numbered, Numbers
from jobs.domain.signals import (
    Answer,
    Attached,
    EndCase,
    EndRun,
    Ignored,
    Output,
    Raised,
    Request,
    RunnerExited,
    RunnerStarted,
    Signal,
    StartCase,
    StartRun,
    TestCase,
    TestSet,
)

TRAILER = 40
"""Characters at the end of a line in which a helper's session stands."""
SESSIONS = 8
"""Runs of the test runner whose numbering is remembered; there is one at a time."""

_VERDICTS: Mapping[str, Verdict] = {"pass": "pass", "fail": "fail", "skip": "skip", "unknown": "unknown"}
_VERBS = frozenset({"SEND", "WAIT", "WAIT_ALL", "SYNC", "START_VMS", "WAIT_FOR_VMS", "MORE", "CANCEL"})
_SIGNAL = re.compile(
    r"<(?:(?P<signal>LAVA_SIGNAL_(?P<name>[A-Z_]{1,40})(?P<rest>(?: [^<>]*)?))"
    r"|LAVA_MULTI_NODE> *<(?P<request>LAVA_(?P<verb>[A-Z_]{1,40})(?P<args>(?: [^<>]*)?))"
    r"|LAVA_ATTACHMENT (?P<piece>[^<>]*)"
    r"|LAVA_TEST_RUNNER>: (?P<runner>exiting)(?=$|[ .]))"
)
_TRAILER = re.compile(r" #(?P<session>[0-9a-z]{1,32})\.(?P<number>\d{1,9})\.(?P<sum>\d{1,8})$", re.A)
_TRACE = re.compile(r"\++ ")
_PIECE = re.compile(r"(?P<key>\S{1,64}) (?P<number>\d{1,8}) (?P<length>\d{1,6}) (?P<text>\S*)", re.A)


class Scanner:
    """Finds signals in the bytes of one console. Never raises, whatever the bytes are.

    `start` is the console's offset at the first byte fed. With `output`, the lines that a test prints are
    handed out as well, for its patterns.

    >>> scanner = Scanner()
    >>> [type(signal).__name__ for signal in scanner.feed(b"<LAVA_SIGNAL_STARTTC boot>\\r\\n")]
    ['StartCase']
    """

    def __init__(self, start: int = 0, *, output: bool = False) -> None:
        self._lines = Lines(start)
        self._output = output
        self._sessions: dict[str, Numbers] = {}
        self._attachments = Attachments()
        self._suite = ""
        self._set = ""
        self._exited = False

    def feed(self, data: bytes, at: int | None = None) -> list[Signal]:
        """Return the signals that `data` completes, in order.

        `at`: its offset, where something else may have been printed between it and what was fed before.
        """
        return [signal for line in self._lines.feed(data, at) for signal in self._scan(line)]

    def _scan(self, line: Line) -> Iterator[Signal]:
        text, found_any = line.text, False
        if "<LAVA_" in text and not _TRACE.match(text):
            end = text.rfind(">") + 1
            position = 0
            while found := _SIGNAL.search(text, position):
                position = found.end()
                before = text[found.start() - 1 : found.start()]
                if before and before in "'\"`\\":
                    continue
                if found["runner"]:
                    found_any = True
                    yield from self._runner_exited(line.offset)
                elif position < end and text[position] == ">":
                    found_any = True
                    yield from self._understand(line.offset, found)
        if self._output and self._suite and not found_any:
            yield Output(offset=line.offset, suite=self._suite, text=text)

    def _understand(self, offset: int, found: re.Match[str]) -> Iterator[Signal]:
        if found["piece"] is not None:
            self._take_piece(found["piece"])
            return
        body: str = found["signal"] or found["request"]
        arguments: str = found["rest"] if found["signal"] else found["args"]
        session, number = "", None
        trailer = _TRAILER.search(arguments)
        if trailer is not None:
            if wire.checksum(body[: body.rfind(".")]) != int(trailer["sum"]):
                yield Ignored(offset=offset, reason="a damaged line: its checksum is wrong")
                return
            session, number = trailer["session"], int(trailer["number"])
            arguments = arguments[: trailer.start()]
        elif self._sessions and self._was_numbered(arguments):
            yield Ignored(offset=offset, reason="a damaged line: its number cannot be read")
            return
        words = arguments.split()
        if number is not None:
            words = [wire.unescape(word) for word in words]
        if found["request"]:
            yield from self._request(offset, found["verb"], words, session, number)
        elif number is None:
            yield from self._signal(Numbered(offset, found["name"], words))
        else:
            numbers = self._sessions.get(session)
            if numbers is None:
                yield from self.finish()
                numbers = self._numbers(session)
            yield from self._signals(numbers.take(number, Numbered(offset, found["name"], words)))
            if gap := numbers.new_gap():
                yield Answer(offset=offset, lines=wire.again(session, ranges(gap)))

    def _was_numbered(self, arguments: str) -> bool:
        """Whether a line without a number seems to have had one."""
        tail = arguments[-TRAILER:]
        return " #" in tail or any(known in tail for known in self._sessions)

    def finish(self) -> list[Signal]:
        """Return what still waits for lines that were lost: nothing more comes."""
        return [one for numbers in self._sessions.values() for one in self._signals(numbers.give_up())]

    def _numbers(self, session: str) -> Numbers:
        if session not in self._sessions:
            while len(self._sessions) >= SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[session] = Numbers()
        return self._sessions[session]

    def _signals(self, ready: Iterable[Numbered]) -> Iterator[Signal]:
        for one in ready:
            yield from self._signal(one)

    def _signal(self, said: Numbered) -> Iterator[Signal]:
        offset, name, words = said.offset, said.name, said.words
        first = clean_name(words[0]) if words else ""
        second = clean_name(words[1]) if len(words) > 1 else ""
        if name == "TESTCASE":
            yield self._test_case(offset, words)
        elif name == "TESTSET":
            self._set = second if first == "START" else ""
            yield TestSet(offset=offset, name=self._set)
        elif name == "ENDRUN":
            yield EndRun(offset=offset, name=first or self._suite, uuid=second)
            if first in ("", self._suite):
                self._suite = self._set = ""
        elif name == "STARTRUN" and first:
            self._suite, self._set = first, ""
            yield StartRun(offset=offset, name=first, uuid=second)
        elif name == "STARTTC" and first:
            yield StartCase(offset=offset, suite=self._suite, case=first)
        elif name == "ENDTC" and first:
            yield EndCase(offset=offset, suite=self._suite, case=first)
        elif name == "TESTRAISE":
            yield Raised(offset=offset, message=printable(" ".join(words))[:MAX_MESSAGE].strip())
        elif name == "RUNNER":
            self._exited = False
            pid = int(second) if second.isascii() and second.isdigit() else None
            yield RunnerStarted(offset=offset, session=first, pid=pid)
        elif name == "ATTACH" and len(words) in (4, 5) and words[3].isascii() and words[3].isdigit():
            key, file_name, mime, size = words[:4]
            incoming = Incoming(
                suite=self._suite,
                case=clean_name("".join(words[4:])),
                name=clean_name(file_name),
                mime=clean_name(mime),
                size=int(size[:12]),
            )
            self._attachments.begin(key, incoming)
        elif name in ("STARTRUN", "STARTTC", "ENDTC", "ATTACH"):
            yield Ignored(offset=offset, reason=f"a signal {name} without what it is about")

    def _test_case(self, offset: int, words: list[str]) -> Signal:
        values = dict(word.split("=", 1) for word in words if "=" in word)
        case = clean_name(values.get("TEST_CASE_ID", ""))
        if not case:
            return Ignored(offset=offset, reason="a result without TEST_CASE_ID")
        said = values.get("RESULT", "")
        result = _VERDICTS.get(said.lower())
        complaints = []
        if result is None:
            complaints.append(f"{clean_name(said)!r} is no result: pass, fail, skip or unknown")
        measurement = values.get("MEASUREMENT")
        if measurement is not None and not decimal(measurement):
            complaints.append(f"the measurement {clean_name(measurement)!r} is not a decimal number")
            measurement = None
        if message := values.get("MESSAGE"):
            complaints.insert(0, printable(message)[:MAX_MESSAGE])
        return TestCase(
            offset=offset,
            suite=self._suite,
            set=clean_name(values["SET"]) if "SET" in values else self._set,
            case=case,
            result=result or "unknown",
            measurement=measurement,
            units=clean_name(values.get("UNITS", "")) if measurement is not None else "",
            message="; ".join(complaints),
        )

    def _request(
        self, offset: int, verb: str, words: list[str], session: str, number: int | None
    ) -> Iterator[Signal]:
        if verb in ("JOURNAL", "EXIT", "ATTACHED"):
            if number is not None:
                yield from self._own_request(offset, verb, words, session, number)
        elif verb in _VERBS:
            data: dict[str, str] = {}
            args = words
            if verb == "SEND":
                args = words[:1]
                for word in words[1:]:
                    key, equals, value = word.partition("=")
                    if key and equals and (value or number is not None):
                        data[key] = value
            yield Request(
                offset=offset, verb=verb, args=tuple(args), data=data, session=session, number=number
            )
        elif number is not None:
            refusal = wire.answer(session, number, "no", f"the lab does not know the request {verb}")
            yield Answer(offset=offset, lines=refusal)

    def _own_request(
        self, offset: int, verb: str, words: list[str], session: str, number: int
    ) -> Iterator[Signal]:
        """Answer what concerns the wire itself: what has arrived, and what must be sent again."""
        if verb == "ATTACHED":
            count = words[1] if len(words) == 3 and words[1].isascii() and words[1].isdigit() else "0"
            verdict = self._attachments.finish(
                words[0] if words else "", int(count[:9]), words[-1] if words else ""
            )
            if verdict.content is not None and verdict.incoming is not None:
                yield Attached(
                    offset=offset,
                    suite=verdict.incoming.suite,
                    case=verdict.incoming.case,
                    name=verdict.incoming.name,
                    mime=verdict.incoming.mime,
                    content=verdict.content,
                )
            lines = wire.answer(session, number, "ok" if verdict.ok else "no", verdict.text)
            yield Answer(offset=offset, lines=lines)
            return
        last = int(words[0]) if words and words[0].isascii() and words[0].isdigit() else 0
        numbers = self._numbers(session)
        absent = ranges(numbers.missing(last))
        yield Answer(offset=offset, lines=wire.answer(session, number, "ok", absent))
        yield from self._signals(numbers.asked(absent=bool(absent)))
        if verb == "EXIT" and not absent:
            yield from self._runner_exited(offset)

    def _take_piece(self, text: str) -> None:
        piece = _PIECE.fullmatch(text)
        if piece is not None:
            self._attachments.piece(piece["key"], int(piece["number"]), int(piece["length"]), piece["text"])

    def _runner_exited(self, offset: int) -> Iterator[Signal]:
        if not self._exited:
            yield from self.finish()
            self._exited = True
            self._suite = self._set = ""
            yield RunnerExited(offset=offset)
