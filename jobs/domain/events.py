"""What happens to a job. Stream: ``job/<number>``.

Times: a running job reports `at`, seconds since the epoch by the worker's clock, where the moment of the
fact matters (a batch is recorded a little later than it happened).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from jobs.domain.hands_events import (
    ConsoleClosed,
    ConsoleOpened,
    HoldEnded,
    HoldStarted,
    InputTyped,
    KeyboardGiven,
)
from lab.kernel.events import Event, codec

Phase = Literal["deploy", "boot", "test", "wait", "close"]
Outcome = Literal["complete", "incomplete", "canceled"]
Verdict = Literal["pass", "fail", "skip", "unknown"]
ErrorKind = Literal["infrastructure", "job", "test", "canceled", "bug"]
Level = Literal["debug", "info", "warning", "error"]
WaitKind = Literal["wait", "wait-all", "sync", "vms"]
DeliveryKind = Literal["mail", "results"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """A member of the group, as decided at submission. Index 0 is the host."""

    index: int
    name: str
    role: str
    device_type: str
    metadata: dict[str, Any] = field(default_factory=dict)
    """Of all actions that it takes part in; what a later action says wins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job is incomplete."""

    kind: ErrorKind
    message: str
    node: int | None = None
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that clean-up looked at, and what it found."""

    what: str
    found: str
    ok: bool


codec.upcaster("job.submitted", 1)(lambda data: data)
codec.upcaster("job.submitted", 2)(lambda data: data)


# -- the life of a job ---------------------------------------------------------------------------


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmitted(Event):
    """Schema 1 had no `NodePlan.metadata`, 2 no `health_check`."""

    type = "job.submitted"
    schema = 3
    name: str
    submitter: str
    text: str
    """The definition, verbatim."""
    host_type: str
    board: str
    """The pinned board, or empty."""
    tags: list[str]
    priority: int
    timeout: int
    """Seconds for the whole run, queueing excluded."""
    visibility: str
    """``public``, ``private``, or group names joined by commas."""
    nodes: list[NodePlan]
    resubmitted_from: int | None = None
    health_check: bool = False
    """It checks the health of its board, and the lab itself submitted it."""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class JobAssigned(Event):
    """A board is reserved for it. Appended together with the board's `BoardReserved`."""

    type = "job.assigned"
    board: str
    site: str


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted(Event):
    type = "job.started"
    worker: str
    fence: int
    """Fencing token: facts from a worker that holds another one are refused."""
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested(Event):
    type = "job.cancel_requested"
    reason: str


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class JobLost(Event):
    """Its worker stopped renewing the lease."""

    type = "job.lost"
    fence: int
    reason: str


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished(Event):
    """The end. Appended together with what happens to its board."""

    type = "job.finished"
    outcome: Outcome
    failure: Failure | None
    at: float


# -- what goes out when it has ended ------------------------------------------------------------------


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPlanned(Event):
    """Somebody is to be told how it ended. Appended together with `JobFinished`."""

    type = "job.delivery_planned"
    number: int
    """Counts the job's deliveries, from 1."""
    kind: DeliveryKind
    target: str
    """An e-mail address, or the URL that results are sent to."""
    stream: str = ""
    """Goes with the results: what the definition calls ``stream``."""


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryBegun(Event):
    """A worker has taken it: until this attempt has ended, or is given up, nobody else begins one."""

    type = "job.delivery_begun"
    number: int
    attempt: int
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEnded(Event):
    type = "job.delivery_ended"
    number: int
    attempt: int
    ok: bool
    message: str
    """What the other side answered, or why it failed."""
    again_at: float | None
    """When the next attempt is due; None: there is none."""
    at: float


# -- facts from a running job --------------------------------------------------------------------


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted(Event):
    """A node began something that takes time. At most one phase per node is open; the next one ends it."""

    type = "job.phase_started"
    node: int
    phase: Phase
    what: str
    """In words, for people: "copy kernel-arm (4.1 MB)", "login", "net-client", "barrier vms-up"."""
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEnded(Event):
    type = "job.phase_ended"
    node: int
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class TransferProgressed(Event):
    """How far a download, a copy or a deploy is. About one a second; the last one says `ended`."""

    type = "job.transfer_progressed"
    node: int
    what: str
    """In words: "fetch guest.qcow2.xz", "copy guest.qcow2", "deploy image"."""
    done: int
    """Bytes."""
    total: int | None
    """Bytes; None: not known."""
    rate: float
    """Bytes per second of late; of the whole transfer once it has ended."""
    ended: bool = False
    """Nothing more comes of it, whether all of it went through or not."""
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUsed(Event):
    """A file that a node boots is there, verified."""

    type = "job.image_used"
    node: int
    key: str
    """``image``, ``kernel``, ``ramdisk``, ``dtb``, ``rootfs`` or ``firmware``."""
    url: str
    sha256: str
    """Of the file as it was fetched, that is before unpacking."""
    size: int
    """Bytes of what is used, that is after unpacking."""
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class NodeClosed(Event):
    """Its actions are done. Its process is gone, unless the job is to be held: then it ends after that."""

    type = "job.node_closed"
    node: int
    reason: str
    ok: bool
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class VmStarted(Event):
    type = "job.vm_started"
    node: int
    command: str
    pid: int | None
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteTaken(Event):
    """Something a reader should know: a fallback, a retry, an ignored request, how an action ended."""

    type = "job.note_taken"
    node: int | None
    level: Level
    text: str
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteStarted(Event):
    """A test definition began on a node."""

    type = "job.suite_started"
    node: int
    suite: str
    uuid: str
    definition: dict[str, Any] = field(default_factory=dict)
    """Name, version, source and revision of what is run."""
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteEnded(Event):
    type = "job.suite_ended"
    node: int
    suite: str
    uuid: str
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStarted(Event):
    type = "job.case_started"
    node: int
    suite: str
    case: str
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class ResultReported(Event):
    """One test result. Suite ``lava`` holds Labbook's own (boot milestones, requirements, actions)."""

    type = "job.result_reported"
    node: int
    suite: str
    case: str
    result: Verdict
    set: str = ""
    measurement: str | None = None
    """A decimal number, kept as the text it was reported in."""
    units: str = ""
    message: str = ""
    offset: int | None = None
    """Byte offset in the node's console of the line that says so."""
    seconds: float | None = None
    """How long it took, where known."""
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentKept(Event):
    """A file from a node; its bytes lie in the content-addressed store under `sha256`."""

    type = "job.attachment_kept"
    node: int
    suite: str
    case: str
    """Empty: belongs to the whole suite."""
    name: str
    mime: str
    sha256: str
    size: int
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(Event):
    """MultiNode: a node sent a message to the group."""

    type = "job.message_sent"
    node: int
    id: str
    data: dict[str, str]
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStarted(Event):
    """MultiNode: a node waits. `needs` are the node names it still waits for, where that is known."""

    type = "job.wait_started"
    node: int
    kind: WaitKind
    id: str
    role: str
    needs: list[str]
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class WaitEnded(Event):
    type = "job.wait_ended"
    node: int
    kind: WaitKind
    id: str
    ok: bool
    reason: str
    """Why it was refused or released early; empty when it got what it waited for."""
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class GateOpened(Event):
    """All VMs are closed: the host may go on."""

    type = "job.gate_opened"
    at: float


@codec.register
@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedUp(Event):
    """The evidence: what was checked on the host after the job, and what was found."""

    type = "job.cleaned_up"
    checks: list[Check]
    clean: bool
    at: float


Fact = (
    PhaseStarted
    | PhaseEnded
    | TransferProgressed
    | ImageUsed
    | NodeClosed
    | VmStarted
    | NoteTaken
    | SuiteStarted
    | SuiteEnded
    | CaseStarted
    | ResultReported
    | AttachmentKept
    | MessageSent
    | WaitStarted
    | WaitEnded
    | GateOpened
    | CleanedUp
    | ConsoleOpened
    | ConsoleClosed
    | InputTyped
    | KeyboardGiven
    | HoldStarted
    | HoldEnded
)
"""What a running job may report; everything else is for commands."""
