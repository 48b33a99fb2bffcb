"""Jobs as they are now.

The row of a job is the fold of its stream (tests compare them), so deciding about a job that has reported a
hundred thousand facts costs no more than about a fresh one.
"""

from __future__ import annotations

from devices.domain import board as boards
from devices.domain import checks
from devices.domain.checks import Verdict
from devices.domain.errand_events import BoardReleaseForced
from devices.loading import load_board
from jobs.domain import job as life
from jobs.domain.events import NodePlan
from jobs.domain.hands import Hold, Keyboard
from jobs.domain.job import Job
from jobs.models import Job as JobRow
from jobs.models import Node
from lab.eventstore.models import EventRow
from lab.kernel.aggregate import fold
from lab.kernel.events import Event
from lab.kernel.ports import Append


def load_job(number: int) -> tuple[Job, int]:
    """Return a job with the version of its stream to append at (0: there is no such job)."""
    # The version first: if something is appended in between, the row is newer, and the append a Conflict.
    version = stream_version(number)
    row = JobRow.objects.filter(pk=number).first()
    if row is None:
        return Job(number=number), version
    return job_state(row), version


def stream_version(number: int) -> int:
    """The version of the last event of a job."""
    events = EventRow.objects.filter(stream=life.stream(number)).order_by("-version")
    return events.values_list("version", flat=True).first() or 0


def job_state(row: JobRow) -> Job:
    """Return the state that decisions are made from, as the row has it."""
    return Job(
        number=row.id,
        life=row.state,  # type: ignore[arg-type]  # written from the same words
        name=row.name,
        submitter=row.submitter,
        visibility=row.visibility,
        host_type=row.host_type,
        nodes=tuple(
            NodePlan(
                index=one.index,
                name=one.name,
                role=one.role,
                device_type=one.device_type,
                metadata=one.metadata,
            )
            for one in Node.objects.filter(job=row.id).order_by("index")
        ),
        health_check=row.health_check,
        pinned=row.pinned_board,
        board=row.board,
        site=row.site,
        worker=row.worker,
        fence=row.fence,
        cancel_reason=row.cancel["reason"] if row.cancel else None,
        outcome=row.outcome or None,  # type: ignore[arg-type]
        consoles=frozenset(row.consoles),
        keyboards=tuple(Keyboard.from_json(one) for one in row.keyboards),
        hold=Hold.from_json(row.hold) if row.hold else None,
    )


def board_returned(
    job: Job,
    *,
    reason: str,
    dirt: str = "",
    verdict: Verdict | None = None,
    forced: BoardReleaseForced | None = None,
) -> list[Append]:
    """What becomes of the board when the job has ended: free again or, with `dirt`, quarantined for it.

    `forced`: by what somebody takes it from the job. `verdict`: what a health check has found out. Nothing,
    where the job has nothing to do with a board.
    """
    name = job.board or (job.pinned if job.health_check else "")
    if not name:
        return []
    board = load_board(name)
    events: list[Event] = []
    if board.state.held_by == job.number:
        events += [forced] if forced else []
        if dirt:
            events += boards.quarantine(board.state, job.number, dirt)
        else:
            events += boards.release(board.state, job.number, reason)
    if job.health_check and verdict is not None:
        events += checks.conclude(fold(boards.apply, board.state, events), job.number, verdict)
    return [Append(stream=board.stream, expected=board.version, events=events)] if events else []
