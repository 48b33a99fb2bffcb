"""What a node says on its console, as values: signals, requests to the group, files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.domain.events import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Base of all. `offset`: where in the console its line begins."""

    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRun(Signal):
    """A test definition begins."""

    name: str
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRun(Signal):
    name: str
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCase(Signal):
    suite: str
    case: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCase(Signal):
    suite: str
    case: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCase(Signal):
    """A result. `suite` and `set` are those open at that point, empty where none is."""

    __test__ = False
    suite: str
    set: str
    case: str
    result: Verdict
    measurement: str | None = None
    """A decimal number, in the text it was reported in."""
    units: str = ""
    message: str = ""
    """What was wrong with the report, if anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSet(Signal):
    """A set begins (`name`) or ends (empty)."""

    __test__ = False
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised(Signal):
    """``lava-test-raise``: the test gives up, and the job with it."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached(Signal):
    """A whole file, verified."""

    suite: str
    case: str
    """Empty: belongs to the suite."""
    name: str
    mime: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Signal):
    """A MultiNode request, for `jobs.domain.multinode.Group`."""

    verb: str
    """``SEND``, ``WAIT``, ``WAIT_ALL``, ``SYNC``, ``START_VMS``, ``WAIT_FOR_VMS``, ``MORE``, ``CANCEL``."""
    args: tuple[str, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    session: str = ""
    number: int | None = None
    """None: printed by hand, not by a helper; the answer then has LAVA's form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Signal):
    """The scanner's own answer to a helper: type these lines into the console, each with a newline."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerStarted(Signal):
    """``lava-test-runner`` began. `session` names this run of it, `pid` its process on the node."""

    session: str
    pid: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerExited(Signal):
    """``lava-test-runner`` ended: nothing more comes from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored(Signal):
    """Something that looks like a signal and is not understood; `reason` in words."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(Signal):
    """A line that is no signal, printed while a test definition runs. Only if asked for."""

    suite: str
    text: str
