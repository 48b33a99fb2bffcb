"""How events of jobs become the rows of `jobs.models`."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from django.db.models import F

from jobs import console_log, hand_projections, search
from jobs.domain import job as life
from jobs.domain.deliveries import ABANDONED
from jobs.domain.events import (
    AttachmentKept,
    CancelRequested,
    CaseStarted,
    CleanedUp,
    DeliveryBegun,
    DeliveryEnded,
    DeliveryPlanned,
    ImageUsed,
    JobAssigned,
    JobFinished,
    JobStarted,
    JobSubmitted,
    MessageSent,
    NodeClosed,
    NoteTaken,
    PhaseEnded,
    PhaseStarted,
    ResultReported,
    SuiteEnded,
    TransferProgressed,
    WaitEnded,
    WaitStarted,
)
from jobs.models import (
    Attachment,
    Check,
    Delivery,
    ImageUse,
    Job,
    JobGroup,
    JobSearch,
    Message,
    Node,
    Note,
    Phase,
    Result,
    Tally,
    Wait,
)
from lab.eventstore import projecting
from lab.eventstore.projecting import Projection
from lab.kernel.events import Recorded

jobs = Projection(
    name="jobs",
    models=[
        Job,
        Tally,
        JobGroup,
        JobSearch,
        Node,
        Result,
        Phase,
        Message,
        Wait,
        Attachment,
        Note,
        Check,
        ImageUse,
        Delivery,
    ],
)

COUNTERS = {"pass": "passed", "fail": "failed", "skip": "skipped", "unknown": "unknown"}


hand_projections.join(jobs)


def install() -> None:
    """Make the projections of this app part of every append."""
    projecting.install(jobs)


def _number(recorded: Recorded) -> int:
    return life.number_of(recorded.stream)


def _update(recorded: Recorded, **fields: object) -> None:
    Job.objects.filter(pk=_number(recorded)).update(position=recorded.position, **fields)


# -- the life of a job ---------------------------------------------------------------------------


@jobs.on(JobSubmitted)
def submitted(event: JobSubmitted, recorded: Recorded) -> None:
    number = _number(recorded)
    Job.objects.create(
        id=number,
        name=event.name,
        state="queued",
        submitter=event.submitter,
        visibility=event.visibility,
        public=int(event.visibility == "public"),
        host_type=event.host_type,
        pinned_board=event.board,
        health_check=event.health_check,
        tags=event.tags,
        priority=event.priority,
        timeout=event.timeout,
        submitted_at=recorded.recorded_at,
        resubmitted_from=event.resubmitted_from,
        position=recorded.position,
    )
    groups = dict.fromkeys(life.groups_of(event.visibility))
    JobGroup.objects.bulk_create(JobGroup(job_id=number, group=group) for group in groups)
    Node.objects.bulk_create(
        Node(
            job_id=number,
            index=node.index,
            name=node.name,
            role=node.role,
            device_type=node.device_type,
            metadata=node.metadata,
        )
        for node in event.nodes
    )
    nodes = (text for node in event.nodes for text in (node.name, node.device_type))
    search.remember(number, event.name, event.submitter, event.host_type, *nodes, event.text)
    if event.resubmitted_from is not None:  # its page links to the new one
        Job.objects.filter(pk=event.resubmitted_from).update(position=recorded.position)


@jobs.on(JobAssigned)
def assigned(event: JobAssigned, recorded: Recorded) -> None:
    _update(
        recorded,
        state="assigned",
        board=event.board,
        site=event.site,
        assigned_at=recorded.recorded_at,
    )
    search.add(_number(recorded), event.board)


@jobs.on(JobStarted)
def started(event: JobStarted, recorded: Recorded) -> None:
    _update(
        recorded,
        state="running",
        worker=event.worker,
        fence=event.fence,
        started_at=_moment(event.at),
    )


@jobs.on(CancelRequested)
def cancel_requested(event: CancelRequested, recorded: Recorded) -> None:
    cancel = {
        "by": recorded.meta.actor,
        "reason": event.reason,
        "at": recorded.recorded_at.timestamp(),
    }
    _update(recorded, cancel=cancel, hold=None)
    Job.objects.filter(pk=_number(recorded), state="running").update(state="canceling")


@jobs.on(JobFinished)
def finished(event: JobFinished, recorded: Recorded) -> None:
    number = _number(recorded)
    public, passed, failed = Job.objects.values_list("public", "passed", "failed").get(pk=number)
    _update(
        recorded,
        state="finished",
        open=0,
        outcome=event.outcome,
        went_wrong=int(event.outcome == "incomplete" or failed > 0),
        failure=msgspec.to_builtins(event.failure) if event.failure else None,
        finished_at=_moment(event.at),
        consoles=[],
        keyboards=[],
        hold=None,
    )
    if public and passed + failed:
        minute = Tally.objects.get_or_create(minute=int(event.at // 60), defaults={"passed": 0, "failed": 0})[
            0
        ]
        minute.passed, minute.failed = minute.passed + passed, minute.failed + failed
        minute.save()
    # Nothing more can happen on any node: what the run left open ends with it.
    Phase.objects.filter(job=number, end=None).update(end=event.at, position=recorded.position)
    Wait.objects.filter(job=number, end=None).update(
        end=event.at, ok=False, reason="the job ended", position=recorded.position
    )
    Node.objects.filter(job=number).update(doing="", transfer=None, waits=None, running=[])
    Node.objects.filter(job=number, closed__isnull=True).update(
        state="closed",
        since=event.at,
        closed={"reason": "the job ended", "ok": event.outcome == "complete"},
    )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


# -- nodes ---------------------------------------------------------------------------------------


@jobs.on(PhaseStarted)
def phase_started(event: PhaseStarted, recorded: Recorded) -> None:
    _end_phase(recorded, event.node, event.at)
    Phase.objects.create(
        job_id=_number(recorded),
        version=recorded.version,
        position=recorded.position,
        node=event.node,
        phase=event.phase,
        what=event.what,
        start=event.at,
    )
    _node(recorded, event.node, state=event.phase, doing=event.what, since=event.at, transfer=None)


@jobs.on(PhaseEnded)
def phase_ended(event: PhaseEnded, recorded: Recorded) -> None:
    _end_phase(recorded, event.node, event.at)
    _node(recorded, event.node, doing="", since=event.at, transfer=None)


@jobs.on(TransferProgressed)
def transfer_progressed(event: TransferProgressed, recorded: Recorded) -> None:
    """Show it while it goes on. Another transfer to the same node may have taken its place meanwhile."""
    now = {
        "what": event.what,
        "done": event.done,
        "total": event.total,
        "rate": event.rate,
        "at": event.at,
    }
    if not event.ended:
        _node(recorded, event.node, transfer=now)
        return
    shown = Node.objects.filter(job=_number(recorded), index=event.node).values_list("transfer", flat=True)
    if (transfer := shown.first()) and transfer["what"] == event.what:
        _node(recorded, event.node, transfer=None)


@jobs.on(ImageUsed)
def image_used(event: ImageUsed, recorded: Recorded) -> None:
    ImageUse.objects.create(
        job_id=_number(recorded),
        version=recorded.version,
        position=recorded.position,
        node=event.node,
        key=event.key,
        url=event.url,
        sha256=event.sha256,
        size=event.size,
        at=event.at,
    )


@jobs.on(NodeClosed)
def node_closed(event: NodeClosed, recorded: Recorded) -> None:
    _end_phase(recorded, event.node, event.at)
    _node(
        recorded,
        event.node,
        state="closed",
        doing="",
        since=event.at,
        closed={"reason": event.reason, "ok": event.ok},
        transfer=None,
        waits=None,
        running=[],
    )


def _node(recorded: Recorded, index: int, **fields: object) -> None:
    Node.objects.filter(job=_number(recorded), index=index).update(**fields)


def _end_phase(recorded: Recorded, node: int, at: float) -> None:
    Phase.objects.filter(job=_number(recorded), node=node, end=None).update(
        end=at, position=recorded.position
    )


# -- tests ---------------------------------------------------------------------------------------


@jobs.on(CaseStarted)
def case_started(event: CaseStarted, recorded: Recorded) -> None:
    new = {"suite": event.suite, "case": event.case, "since": event.at}
    _running(recorded, event.node, suite=event.suite, case=event.case, add=[new])


@jobs.on(SuiteEnded)
def suite_ended(event: SuiteEnded, recorded: Recorded) -> None:
    _running(recorded, event.node, suite=event.suite)


@jobs.on(ResultReported)
def result_reported(event: ResultReported, recorded: Recorded) -> None:
    Result.objects.create(
        job_id=_number(recorded),
        version=recorded.version,
        position=recorded.position,
        node=event.node,
        suite=event.suite,
        set=event.set,
        case=event.case,
        result=event.result,
        measurement=event.measurement,
        units=event.units,
        message=event.message,
        offset=event.offset,
        line=_line(recorded, event),
        seconds=event.seconds,
        at=event.at,
    )
    counter = COUNTERS[event.result]
    _update(recorded, **{counter: F(counter) + 1})
    _running(recorded, event.node, suite=event.suite, case=event.case)


def _line(recorded: Recorded, event: ResultReported) -> int | None:
    """Return the console line that says so. Its bytes are there: they are stored before facts about them."""
    if event.offset is None:
        return None
    return console_log.line_at(_number(recorded), event.node, event.offset)


def _running(
    recorded: Recorded,
    index: int,
    *,
    suite: str,
    case: str | None = None,
    add: list[dict[str, object]] | None = None,
) -> None:
    """Take a case (None: all of the suite) off the node's list of running ones, then add the new."""
    row = Node.objects.filter(job=_number(recorded), index=index).values_list("running", flat=True)
    before = row.first() or []
    after = [one for one in before if one["suite"] != suite or case not in (None, one["case"])]
    after += add or []
    if after != before:
        _node(recorded, index, running=after)


@jobs.on(AttachmentKept)
def attachment_kept(event: AttachmentKept, recorded: Recorded) -> None:
    Attachment.objects.create(
        job_id=_number(recorded),
        version=recorded.version,
        position=recorded.position,
        node=event.node,
        suite=event.suite,
        case=event.case,
        name=event.name,
        mime=event.mime,
        sha256=event.sha256,
        size=event.size,
        at=event.at,
    )


# -- MultiNode -----------------------------------------------------------------------------------


@jobs.on(MessageSent)
def message_sent(event: MessageSent, recorded: Recorded) -> None:
    Message.objects.create(
        job_id=_number(recorded),
        version=recorded.version,
        position=recorded.position,
        node=event.node,
        message_id=event.id,
        data=event.data,
        at=event.at,
    )


@jobs.on(WaitStarted)
def wait_started(event: WaitStarted, recorded: Recorded) -> None:
    """Begin a wait, or tell anew what the open one still needs."""
    open_waits = Wait.objects.filter(
        job=_number(recorded), node=event.node, kind=event.kind, wait_id=event.id, end=None
    )
    since = event.at
    if known := open_waits.first():
        since = known.start
        open_waits.update(needs=event.needs, position=recorded.position)
    else:
        Wait.objects.create(
            job_id=_number(recorded),
            version=recorded.version,
            position=recorded.position,
            node=event.node,
            kind=event.kind,
            wait_id=event.id,
            role=event.role,
            needs=event.needs,
            start=event.at,
        )
    waits = {"kind": event.kind, "id": event.id, "role": event.role, "needs": event.needs, "since": since}
    _node(recorded, event.node, waits=waits)


@jobs.on(WaitEnded)
def wait_ended(event: WaitEnded, recorded: Recorded) -> None:
    Wait.objects.filter(
        job=_number(recorded), node=event.node, kind=event.kind, wait_id=event.id, end=None
    ).update(end=event.at, ok=event.ok, reason=event.reason, position=recorded.position)
    _node(recorded, event.node, waits=None)


# -- notes and evidence --------------------------------------------------------------------------


@jobs.on(NoteTaken)
def note_taken(event: NoteTaken, recorded: Recorded) -> None:
    Note.objects.create(
        job_id=_number(recorded),
        version=recorded.version,
        position=recorded.position,
        node=event.node,
        level=event.level,
        text=event.text,
        at=event.at,
    )


@jobs.on(CleanedUp)
def cleaned_up(event: CleanedUp, recorded: Recorded) -> None:
    Check.objects.bulk_create(
        Check(
            job_id=_number(recorded),
            version=recorded.version,
            position=recorded.position,
            number=number,
            what=check.what,
            found=check.found,
            ok=check.ok,
        )
        for number, check in enumerate(event.checks)
    )


# -- what goes out -------------------------------------------------------------------------------


@jobs.on(DeliveryPlanned)
def delivery_planned(event: DeliveryPlanned, recorded: Recorded) -> None:
    at = recorded.recorded_at.timestamp()
    Delivery.objects.create(
        job_id=_number(recorded),
        version=recorded.version,
        position=recorded.position,
        number=event.number,
        kind=event.kind,
        target=event.target,
        stream=event.stream,
        due=at,
        at=at,
    )


@jobs.on(DeliveryBegun)
def delivery_begun(event: DeliveryBegun, recorded: Recorded) -> None:
    _delivery(recorded, event.number, state="sending", attempts=event.attempt, due=event.at + ABANDONED)


@jobs.on(DeliveryEnded)
def delivery_ended(event: DeliveryEnded, recorded: Recorded) -> None:
    state = "delivered" if event.ok else "failed" if event.again_at is None else "waiting"
    _delivery(recorded, event.number, state=state, message=event.message, due=event.again_at, at=event.at)


def _delivery(recorded: Recorded, number: int, **fields: object) -> None:
    Delivery.objects.filter(job=_number(recorded), number=number).update(position=recorded.position, **fields)
