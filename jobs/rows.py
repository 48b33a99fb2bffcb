"""The form in which rows of jobs leave the house: the same on pages, in the API and on websockets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobs.models import Attachment, Check, Delivery, ImageUse, Job, Message, Node, Note, Phase, Result, Wait

JsonObject = dict[str, Any]


def summary(row: Job) -> JsonObject:
    """A job as lists show it."""
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "outcome": row.outcome or None,
        "failure": row.failure,
        "submitter": row.submitter,
        "board": row.board,
        "host_type": row.host_type,
        "health_check": row.health_check,
        "priority": row.priority,
        "timeout": row.timeout,
        "visibility": row.visibility,
        "submitted_at": moment(row.submitted_at),
        "assigned_at": moment(row.assigned_at),
        "started_at": moment(row.started_at),
        "finished_at": moment(row.finished_at),
        "cancel": row.cancel,
        "hold": row.hold,
        "resubmitted_from": row.resubmitted_from,
        "counts": {
            "pass": row.passed,
            "fail": row.failed,
            "skip": row.skipped,
            "unknown": row.unknown,
        },
    }


def moment(value: datetime | None) -> str | None:
    return value.isoformat() if value else None


def node(row: Node, console_size: int) -> JsonObject:
    return {
        "index": row.index,
        "name": row.name,
        "role": row.role,
        "device_type": row.device_type,
        "state": row.state,
        "doing": row.doing,
        "since": row.since,
        "closed": row.closed,
        "waits": row.waits,
        "transfer": row.transfer,
        "console_size": console_size,
        "metadata": row.metadata,
    }


def result(row: Result) -> JsonObject:
    return {
        "key": str(row.version),
        "node": row.node,
        "suite": row.suite,
        "set": row.set,
        "case": row.case,
        "result": row.result,
        "measurement": row.measurement,
        "units": row.units,
        "message": row.message,
        "offset": row.offset,
        "line": row.line,
        "seconds": row.seconds,
        "at": row.at,
    }


def phase(row: Phase) -> JsonObject:
    return {
        "key": str(row.version),
        "node": row.node,
        "phase": row.phase,
        "what": row.what,
        "start": row.start,
        "end": row.end,
    }


def message(row: Message) -> JsonObject:
    return {
        "key": str(row.version),
        "node": row.node,
        "id": row.message_id,
        "data": row.data,
        "at": row.at,
    }


def wait(row: Wait) -> JsonObject:
    return {
        "key": str(row.version),
        "node": row.node,
        "kind": row.kind,
        "id": row.wait_id,
        "role": row.role,
        "needs": row.needs,
        "start": row.start,
        "end": row.end,
        "ok": row.ok,
        "reason": row.reason,
    }


def attachment(row: Attachment) -> JsonObject:
    return {
        "key": str(row.version),
        "node": row.node,
        "suite": row.suite,
        "case": row.case,
        "name": row.name,
        "mime": row.mime,
        "sha256": row.sha256,
        "size": row.size,
        "at": row.at,
    }


def note(row: Note) -> JsonObject:
    return {
        "key": str(row.version),
        "node": row.node,
        "level": row.level,
        "text": row.text,
        "at": row.at,
    }


def check(row: Check) -> JsonObject:
    return {
        "key": f"{row.version}.{row.number}",
        "what": row.what,
        "found": row.found,
        "ok": row.ok,
    }


def delivery(row: Delivery) -> JsonObject:
    return {
        "key": str(row.version),
        "number": row.number,
        "kind": row.kind,
        "target": row.target,
        "stream": row.stream,
        "state": row.state,
        "attempts": row.attempts,
        "message": row.message,
        "due": row.due,
        "at": row.at,
    }


def image_use(row: ImageUse) -> JsonObject:
    return {
        "key": str(row.version),
        "node": row.node,
        "file": row.key,
        "url": row.url,
        "sha256": row.sha256,
        "size": row.size,
        "at": row.at,
    }
