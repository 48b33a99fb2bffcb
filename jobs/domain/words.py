"""What happened, in words: one sentence for every event of a job."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.domain.events import (
    AttachmentKept,
    CancelRequested,
    CaseStarted,
    CleanedUp,
    DeliveryBegun,
    DeliveryEnded,
    DeliveryPlanned,
    GateOpened,
    ImageUsed,
    JobAssigned,
    JobFinished,
    JobLost,
    JobStarted,
    JobSubmitted,
    MessageSent,
    NodeClosed,
    NoteTaken,
    PhaseEnded,
    PhaseStarted,
    ResultReported,
    SuiteEnded,
    SuiteStarted,
    TransferProgressed,
    VmStarted,
    WaitEnded,
    WaitStarted,
)
from jobs.domain.hands_words import describe_hands
from lab.kernel.events import Event

PHASES = {
    "deploy": "deploys",
    "boot": "boots",
    "test": "tests",
    "wait": "waits",
    "close": "closes",
}
WAITS = {"wait": "a message", "wait-all": "a message of all", "sync": "everybody at", "vms": "the VMs"}


def describe(event: Event, nodes: Mapping[int, str]) -> str:
    """Return a sentence. `nodes` are the names of the group's members by index."""

    def name(index: int | None) -> str:
        return "the job" if index is None else nodes.get(index, f"node {index}")

    match event:
        case JobSubmitted():
            again = f", again after job {event.resubmitted_from}" if event.resubmitted_from else ""
            return f"{event.submitter} submitted “{event.name}”{again}"
        case JobAssigned():
            return f"board {event.board} is reserved"
        case JobStarted():
            return f"{event.worker} began to run it"
        case CancelRequested():
            return f"asked to cancel{_because(event.reason)}"
        case JobLost():
            return f"lost: {event.reason}"
        case JobFinished():
            if event.failure is None:
                return f"finished: {event.outcome}"
            where = f" on {name(event.failure.node)}" if event.failure.node is not None else ""
            action = f" in {event.failure.action}" if event.failure.action else ""
            return (
                f"finished: {event.outcome}, {event.failure.kind} error{where}{action}: "
                f"{event.failure.message}"
            )
        case PhaseStarted():
            return f"{name(event.node)} {PHASES[event.phase]}{_colon(event.what)}"
        case PhaseEnded():
            return f"{name(event.node)} is done with it"
        case TransferProgressed():
            return f"{name(event.node)}: {event.what}, {transfer(event)}"
        case ImageUsed():
            return f"{name(event.node)} gets {event.url} as {event.key} ({size(event.size)})"
        case NodeClosed():
            return f"{name(event.node)} is closed{'' if event.ok else ' with an error'}{_colon(event.reason)}"
        case VmStarted():
            process = f" (process {event.pid})" if event.pid is not None else ""
            return f"{name(event.node)} is started by: {event.command}{process}"
        case NoteTaken():
            return f"{name(event.node)}: {event.text}"
        case SuiteStarted():
            return f"{name(event.node)} began {event.suite}"
        case SuiteEnded():
            return f"{name(event.node)} ended {event.suite}"
        case CaseStarted():
            return f"{name(event.node)} began {event.suite} / {event.case}"
        case ResultReported():
            return f"{name(event.node)} reports {_result(event)}"
        case AttachmentKept():
            of = event.case or event.suite
            return f"{name(event.node)} attached {event.name} ({event.size} bytes) to {of}"
        case MessageSent():
            data = "".join(f" {key}={value}" for key, value in event.data.items())
            return f"{name(event.node)} sent {event.id}{data}"
        case WaitStarted():
            needs = f": {', '.join(event.needs)} missing" if event.needs else ""
            role = f" of role {event.role}" if event.role else ""
            return f"{name(event.node)} waits for {_wait(event.kind, event.id)}{role}{needs}"
        case WaitEnded():
            what = _wait(event.kind, event.id)
            if event.ok:
                return f"{name(event.node)} got {what}"
            return f"{name(event.node)} gave up waiting for {what}{_colon(event.reason)}"
        case GateOpened():
            return "all VMs are closed: the host goes on"
        case DeliveryPlanned():
            return f"{'the results go' if event.kind == 'results' else 'a mail goes'} to {event.target}"
        case DeliveryBegun():
            return f"delivery {event.number}: attempt {event.attempt}"
        case DeliveryEnded():
            if event.ok:
                return f"delivery {event.number} has arrived{_colon(event.message)}"
            more = "it is given up" if event.again_at is None else "it is tried again"
            return f"delivery {event.number} failed, {more}{_colon(event.message)}"
        case CleanedUp():
            bad = [check for check in event.checks if not check.ok]
            if event.clean:
                return f"the host is clean: {len(event.checks)} checks"
            return "the host is not clean: " + "; ".join(f"{one.what}: {one.found}" for one in bad)
    return describe_hands(event, name) or event.type.partition(".")[2].replace("_", " ")


def size(count: float) -> str:
    """Return bytes as people say them: ``44.1 MB``."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count:.0f} bytes"


def transfer(event: TransferProgressed) -> str:
    """Return how far it is: ``12.0 MB of 44.1 MB, 11.2 MB/s, 3 s left``."""
    rate = f", {size(event.rate)}/s" if event.rate else ""
    if event.ended:
        whole = event.total is None or event.done >= event.total
        return f"{size(event.done)}{rate}" if whole else f"ended after {size(event.done)}{rate}"
    if event.total is None:
        return f"{size(event.done)}{rate}"
    left = f", {(event.total - event.done) / event.rate:.0f} s left" if event.rate else ""
    return f"{size(event.done)} of {size(event.total)}{rate}{left}"


def _because(reason: str) -> str:
    return f", because: {reason}" if reason else ""


def _colon(text: str) -> str:
    return f": {text}" if text else ""


def _wait(kind: str, message_id: str) -> str:
    return f"{WAITS[kind]} {message_id}".strip()


def _result(event: ResultReported) -> str:
    case = "/".join(part for part in (event.set, event.case) if part)
    measured = f", {event.measurement} {event.units}".rstrip() if event.measurement is not None else ""
    return f"{event.suite} / {case}: {event.result}{measured}"
