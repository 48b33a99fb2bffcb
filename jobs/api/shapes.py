"""What the API answers about jobs, as types: the OpenAPI schema is made of them.

Tests hold real answers against that schema, so these stay true. Times are seconds since the epoch where they
are numbers, ISO 8601 where they are texts. Rows have a `key`: a later row of the same key replaces it.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from jobs.api.shapes_hands import Held, Keyboard
from jobs.domain.comparing import Difference
from jobs.domain.definition.model import Problem
from jobs.domain.deliveries import State as DeliveryState
from jobs.domain.events import DeliveryKind, ErrorKind, Level, Outcome, Verdict, WaitKind

JobState = Literal["queued", "assigned", "running", "canceling", "finished"]
Counts = TypedDict("Counts", {"pass": int, "fail": int, "skip": int, "unknown": int})
Counts.__doc__ = "How many results there are of each kind."


class Refusal(TypedDict):
    """Problem details (RFC 9457): why the request was refused."""

    type: str
    title: str
    status: int
    detail: str
    problems: NotRequired[list[dict[str, Any]]]


class Start(TypedDict):
    """Where the API begins: addresses by name."""

    jobs: str


class Failure(TypedDict):
    """Why a job is incomplete."""

    kind: ErrorKind
    message: str
    node: int | None
    action: str


class Cancel(TypedDict):
    """Who asked for the job's end."""

    by: str
    reason: str


class Job(TypedDict):
    """A job as lists and all that tells of jobs show it."""

    id: int
    name: str
    state: JobState
    outcome: Outcome | None
    failure: Failure | None
    submitter: str
    board: str
    host_type: str
    health_check: bool
    priority: int
    timeout: int
    visibility: str
    submitted_at: str
    assigned_at: str | None
    started_at: str | None
    finished_at: str | None
    cancel: Cancel | None
    hold: Held | None
    resubmitted_from: int | None
    counts: Counts


class EstimatedJob(Job):
    """A job, and when it starts."""

    expected_start: str | None
    """Of a queued job: when it will start, by how long jobs of the names before it usually take on boards of
    the type. Null where that cannot be told."""


class Jobs(TypedDict):
    """A page of the list; `next` is the address of the following one."""

    jobs: list[EstimatedJob]
    next: str | None


class Made(TypedDict):
    """The job that was made."""

    id: int
    url: str


class Node(TypedDict):
    """The host (0) or a VM."""

    index: int
    name: str
    role: str
    device_type: str
    state: str
    doing: str
    since: float | None
    closed: dict[str, Any] | None
    waits: dict[str, Any] | None
    transfer: dict[str, Any] | None
    console_size: int
    metadata: dict[str, Any]


class Result(TypedDict):
    """What a test case reported. `offset` and `line` are of the console, counted from 0."""

    key: str
    node: int
    suite: str
    set: str
    case: str
    result: Verdict
    measurement: str | None
    units: str
    message: str
    offset: int | None
    line: int | None
    seconds: float | None
    at: float


class Phase(TypedDict):
    key: str
    node: int
    phase: str
    what: str
    start: float
    end: float | None


class Message(TypedDict):
    """Sent by a node to the others."""

    key: str
    node: int
    id: str
    data: Any
    at: float


class Wait(TypedDict):
    """A node waited for others."""

    key: str
    node: int
    kind: WaitKind
    id: str
    role: str
    needs: Any
    start: float
    end: float | None
    ok: bool | None
    reason: str


class Attachment(TypedDict):
    key: str
    node: int
    suite: str
    case: str
    name: str
    mime: str
    sha256: str
    size: int
    at: float


class Note(TypedDict):
    key: str
    node: int | None
    level: Level
    text: str
    at: float


class Check(TypedDict):
    """What clean-up looked at, and what it found."""

    key: str
    what: str
    found: str
    ok: bool


class Delivery(TypedDict):
    """A mail or a result document on its way to somebody."""

    key: str
    number: int
    kind: DeliveryKind
    target: str
    stream: str
    state: DeliveryState
    attempts: int
    message: str
    due: float | None
    at: float


class ImageUse(TypedDict):
    """A file that a node was booted from."""

    key: str
    node: int
    file: str
    url: str
    sha256: str
    size: int
    at: float


class Waiting(TypedDict):
    """Why a queued job does not get a board."""

    board: str
    reason: str


class Running(TypedDict):
    """A test case that has begun."""

    node: int
    suite: str
    case: str
    since: float


class WholeJob(EstimatedJob):
    """Everything that is known of a job; `position` is where a later request may go on with ``after``."""

    waiting: list[Waiting]
    nodes: list[Node]
    running: list[Running]
    results: list[Result]
    phases: list[Phase]
    consoles: list[int]
    keyboards: list[Keyboard]
    messages: list[Message]
    waits: list[Wait]
    attachments: list[Attachment]
    images: list[ImageUse]
    notes: list[Note]
    checks: list[Check]
    deliveries: list[Delivery]
    resubmitted_as: list[int]
    position: int


class JobEvent(TypedDict):
    """One event of a job, with a sentence about it."""

    position: int
    version: int
    type: str
    at: str
    actor: str
    cause: str
    data: dict[str, Any]
    text: str


class JobEvents(TypedDict):
    events: list[JobEvent]
    position: int
    more: bool


class FeedEvent(JobEvent):
    """One event of the lab; `stream` says of what, such as ``job/7``."""

    stream: str


class Feed(TypedDict):
    """Go on at `position`: it lies behind all that was looked at."""

    events: list[FeedEvent]
    position: int
    more: bool


class Results(TypedDict):
    results: list[Result]
    counts: Counts


class PlannedNode(TypedDict):
    index: int
    name: str
    role: str
    device_type: str


class Validation(TypedDict):
    """What is wrong with a definition, and who would be in the group."""

    valid: bool
    problems: list[Problem]
    warnings: list[Problem]
    nodes: list[PlannedNode]


class ConsoleLine(TypedDict):
    line: int
    offset: int
    at: float
    text: str


class ConsoleLines(TypedDict):
    """With ``lines=``."""

    first: int
    total: int
    size: int
    lines: list[ConsoleLine]


class FoundOnNode(TypedDict):
    """`count` lines, the first of them by number, counted from 0; not `complete`: time was over."""

    node: int
    count: int
    lines: list[int]
    complete: bool


class FoundLines(TypedDict):
    nodes: list[FoundOnNode]


class ConsoleTimes(TypedDict):
    """With ``times=1``: seconds since the epoch, bytes, newlines."""

    complete: bool
    times: list[list[float]]


class ComparedCase(TypedDict):
    """A test case in both jobs; null where it was not reported."""

    node: str
    suite: str
    set: str
    case: str
    change: str
    worse: bool
    a: dict[str, Any] | None
    b: dict[str, Any] | None


class ComparedMeasurement(TypedDict):
    node: str
    suite: str
    set: str
    case: str
    a: float
    b: float
    units: str
    percent: float | None


class ComparedPhase(TypedDict):
    """Seconds a node spent in a phase."""

    node: str
    phase: str
    a: float
    b: float
    longer: bool


class ComparedConsole(TypedDict):
    node: str
    whole: bool
    difference: Difference


class Comparison(TypedDict):
    """What differs between two jobs. `console`: with ``node=``, without times, addresses and the like."""

    a: Job
    b: Job
    nodes: list[str]
    total: int
    same: int
    changed: list[ComparedCase]
    measured: list[ComparedMeasurement]
    spent: list[ComparedPhase]
    definition: Difference
    console: ComparedConsole | None


class TrendPoint(TypedDict):
    job: Job
    result: Result | None


class Trend(TypedDict):
    """A test case over the last runs of a definition, the newest last."""

    runs: list[TrendPoint]


class Image(TypedDict):
    """An image of the library; definitions ask for it as `use_as`."""

    name: str
    description: str
    version: int
    sha256: str
    size: int
    filename: str
    uploaded_by: str
    uploaded_at: str | None
    retired: str | None
    url: str
    use_as: str


class Images(TypedDict):
    """A page of the list; `next` is the address of the following one."""

    images: list[Image]
    next: str | None


class ImageChange(TypedDict):
    description: str
    reason: NotRequired[str]


class ImageVersion(TypedDict):
    version: int
    sha256: str
    size: int
    filename: str
    reason: str
    uploaded_by: str
    uploaded_at: str


class ImageUser(TypedDict):
    id: int
    name: str
    state: JobState
    outcome: Outcome | None


class WholeImage(Image):
    versions: list[ImageVersion]
    used_by: list[ImageUser]
