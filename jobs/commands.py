"""Everything that can be done to a job; pages, API, admin, command line, tasks and workers all call these.

Each command reads the stream, lets `jobs.domain.job` decide, and appends; who loses a race re-reads and
decides again. A job and its board change in one append: there is no half-reserved anything.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction
from django.db.models import Max

from devices import access as inventory
from devices.domain import board as boards
from devices.domain.checks import Verdict
from devices.domain.errand_events import BoardReleaseForced
from devices.loading import load_board
from jobs import access, delivering, lab_view, leases, queries
from jobs.domain import job as life
from jobs.domain import scheduling
from jobs.domain.definition.edit import pin_board
from jobs.domain.definition.model import Definition
from jobs.domain.definition.nodes import plan_nodes
from jobs.domain.definition.validate import validate
from jobs.domain.events import JobSubmitted, Outcome
from jobs.domain.health import judge
from jobs.domain.job import Job, Stale
from jobs.loading import board_returned, load_job
from jobs.models import Job as JobRow
from jobs.models import SubmissionKey
from lab.actors import LAB
from lab.eventstore.store import store
from lab.kernel.errors import Conflict, NotPermitted, Rejected
from lab.kernel.events import Meta
from lab.kernel.ports import Append, FollowUp

User = AbstractBaseUser | AnonymousUser
T = TypeVar("T")
ATTEMPTS = 50
"""How often a command that loses races decides again; each loss means that another one got through."""
SCHEDULE = FollowUp(task="jobs.tasks.schedule")
LEASE = Meta(actor=LAB, cause="lease")

log = logging.getLogger(__name__)


def submit_job(
    text: str, *, user: User, cause: str, resubmitted_from: int | None = None, key: str = ""
) -> int:
    """Queue the job that `text` defines; returns its number.

    `key`: whatever the user submits with the same one is submitted once; later calls return the same number.
    Raises `Invalid` with all problems of the definition, `NotPermitted` for who may not submit, `Rejected`
    if the key was used for something else.
    """
    _may_submit(user)
    name = user.get_username()
    digest = hashlib.sha256(f"{resubmitted_from}\0{text}".encode(errors="surrogatepass")).hexdigest()
    if known := _submitted_with(name, key, digest):
        return known
    submitted = submission(
        text, validate(text, lab_view.lab_view(user)), name, resubmitted_from=resubmitted_from
    )
    meta = Meta(actor=name, cause=cause)

    def once() -> int:
        number, append = new_job(submitted)
        with transaction.atomic():
            store.append(append, meta=meta, follow_ups=[SCHEDULE])
            # After the append, which has locked the log: nobody else can be between looking and writing.
            if known := _submitted_with(name, key, digest):
                raise _Known(known)
            if key:
                SubmissionKey.objects.create(user=name, key=key, digest=digest, job=number)
        return number

    try:
        return retried(once)
    except _Known as exc:
        return exc.job


class _Known(Exception):
    """Somebody else has submitted it with the same key meanwhile."""

    def __init__(self, job: int) -> None:
        super().__init__(job)
        self.job = job


def _submitted_with(user: str, key: str, digest: str) -> int | None:
    """Return the job that the user has submitted with a key. Raises `Rejected` if that was another one."""
    if not key:
        return None
    row = SubmissionKey.objects.filter(user=user, key=key).first()
    if row is None:
        return None
    if row.digest != digest:
        raise Rejected(f"The key {key!r} was used for another definition, which became job {row.job}.")
    return row.job


def submission(
    text: str,
    definition: Definition,
    submitter: str,
    *,
    resubmitted_from: int | None = None,
    health_check: bool = False,
) -> JobSubmitted:
    """Return the event that queues a job of this definition."""
    return JobSubmitted(
        name=definition.job_name,
        submitter=submitter,
        text=text,
        host_type=definition.host.device_type,
        board=definition.host.board,
        tags=list(definition.tags),
        priority=definition.priority,
        timeout=definition.timeout,
        visibility=_visibility(definition),
        nodes=list(plan_nodes(definition)),
        resubmitted_from=resubmitted_from,
        health_check=health_check,
    )


def new_job(submitted: JobSubmitted) -> tuple[int, Append]:
    """Return the next number, and what to append for it; who is second to do so gets a `Conflict`."""
    number = (JobRow.objects.aggregate(last=Max("id"))["last"] or 0) + 1
    events = life.submit(Job(number=number), submitted)
    return number, Append(stream=life.stream(number), expected=0, events=events)


def resubmit_job(
    number: int,
    text: str | None = None,
    *,
    same_board: bool = False,
    user: User,
    cause: str,
    key: str = "",
) -> int:
    """Run a job again, with its own definition or an edited one; returns the new number.

    `same_board`: on the board that it had and on no other. Raises `Rejected` if it never had one.
    """
    _may_submit(user)
    origin = queries.seen_job(user, number)
    if text is None:
        text = queries.definition_text(number)
    if same_board:
        text = pin_board(text, queries.board_of(origin))
    return submit_job(text, user=user, cause=cause, resubmitted_from=number, key=key)


def request_cancel(number: int, reason: str = "", *, user: User, cause: str) -> None:
    """Ask for a job's end: at once if nobody runs it yet. Asking again, or too late, changes nothing.

    Who may is said by `jobs.access`.
    """
    access.require(user, "cancel", number)
    cancel(number, reason.strip(), Meta(actor=user.get_username(), cause=cause))


def cancel(number: int, reason: str, meta: Meta, *, forced: BoardReleaseForced | None = None) -> None:
    """Ask for a job's end, whoever does. `forced`: the event by which its board is taken from it."""

    def once() -> None:
        job, version = load_job(number)
        if forced is not None and job.life != forced.was:
            raise Rejected(f"Job {number} has moved on meanwhile, it is {job.life}: look again.")
        events = life.request_cancel(job, reason=reason, at=time.time())
        if not events:
            return
        follow_ups: list[FollowUp] = []
        appends: list[Append] = []
        if job.life in ("queued", "assigned"):  # that was its end
            told = delivering.planned(number, "canceled")
            events += told
            follow_ups += delivering.follow_ups(number, told)
            verdict = Verdict(result="canceled", reason=reason)
            appends += board_returned(
                job, reason=f"job {number} was canceled before it started", verdict=verdict, forced=forced
            )
            follow_ups += [SCHEDULE] if appends else []
        own = Append(stream=life.stream(number), expected=version, events=events)
        store.append(own, *appends, meta=meta, follow_ups=follow_ups)

    retried(once)


def schedule() -> list[scheduling.Assignment]:
    """Give free boards to waiting jobs; returns what was assigned.

    Any number of these may run at the same time: who comes second finds the board or the job taken.
    """
    done = []
    queue = lab_view.waiting_jobs()
    if not queue:
        return []
    for assignment in scheduling.plan(queue, lab_view.candidates()).assignments:
        try:
            _assign(assignment)
        except (Conflict, Rejected) as exc:
            # Somebody was faster, or the board was taken away. That event came with its own follow-up, or
            # the reconciler looks again.
            log.info("job %d does not get board %s: %s", assignment.job, assignment.board, exc)
        else:
            done.append(assignment)
    return done


def _assign(assignment: scheduling.Assignment) -> None:
    job, version = load_job(assignment.job)
    board = load_board(assignment.board)
    _check_use(job, assignment.board)
    store.append(
        Append(
            stream=life.stream(assignment.job),
            expected=version,
            events=life.assign(job, board=assignment.board, site=assignment.site),
        ),
        Append(
            stream=board.stream,
            expected=board.version,
            events=boards.reserve(board.state, assignment.job),
        ),
        meta=Meta(actor=LAB, cause="schedule"),
        follow_ups=[run_task(assignment.job, assignment.site)],
    )


def _check_use(job: Job, board: str) -> None:
    """Refuse what somebody has forbidden since the plan was made."""
    who = inventory.person_named(job.submitter)
    if not job.health_check and not inventory.person_may(who, "use", board):
        raise Rejected(f"board {board} may not be used by {job.submitter} any more")


def run_task(number: int, site: str) -> FollowUp:
    """The task by which a worker of the site gets to run an assigned job."""
    return FollowUp(task="jobs.tasks.run_job", args=(number,), site=site)


def start_job(number: int, worker: str) -> int:
    """Take an assigned job to run it; returns the fencing token.

    Raises `Stale` if it is not there to be taken (any more): this delivery of the task is one too many.
    """

    def once() -> int:
        job, version = load_job(number)
        fence = version + 1  # the version of the start itself: rises with every start, and is given once
        events = life.start(job, worker=worker, fence=fence, at=time.time())
        meta = Meta(actor=f"worker:{worker}", cause="run", extra={"fence": fence})
        with transaction.atomic():  # a job that runs has a lease, or nobody would ever see that it is lost
            store.append(Append(stream=life.stream(number), expected=version, events=events), meta=meta)
            leases.grant(number, fence, worker)
        return fence

    return retried(once)


def lose_job(
    number: int,
    fence: int,
    reason: str,
    *,
    meta: Meta = LEASE,
    forced: BoardReleaseForced | None = None,
) -> bool:
    """End a job whose worker is gone. Its board is quarantined, until a worker has cleaned it.

    `forced`: the event by which somebody takes its board from it. Returns whether it was there to be lost:
    false if it has ended, or another worker has it.
    """

    def once() -> bool:
        job, version = load_job(number)
        try:
            events = life.lose(job, fence, reason=reason, at=time.time())
        except Stale:
            leases.drop(number, fence)
            return False
        outcome: Outcome = "canceled" if job.life == "canceling" else "incomplete"
        told = delivering.planned(number, outcome)
        verdict = judge(outcome, None, (), interrupted=True, reason=job.cancel_reason or reason)
        with transaction.atomic():
            store.append(
                Append(stream=life.stream(number), expected=version, events=[*events, *told]),
                *board_returned(
                    job, reason=f"job {number} was lost", dirt=reason, verdict=verdict, forced=forced
                ),
                meta=meta,
                follow_ups=[
                    recover_task(number, job.site),
                    SCHEDULE,
                    *delivering.follow_ups(number, told),
                ],
            )
            leases.drop(number, fence)
        return True

    return retried(once)


def recover_task(number: int, site: str) -> FollowUp:
    """The task by which a worker of the site cleans what a lost job left behind."""
    return FollowUp(task="jobs.tasks.recover_board", args=(number,), site=site)


def return_board(number: int, evidence: str) -> bool:
    """Put the board of a lost job to use again, for it was found clean; `evidence` says what was seen.

    Returns whether the board waited for that: false if it is out of use for another reason by now.
    """
    job, _ = load_job(number)

    def once() -> bool:
        board = load_board(job.board)
        if not boards.is_quarantined_after(board.state, number):
            return False
        events = boards.bring_online(board.state, f"clean again after job {number}: {evidence}")
        store.append(
            Append(stream=board.stream, expected=board.version, events=events),
            meta=Meta(actor=LAB, cause="recovery"),
            follow_ups=[SCHEDULE],
        )
        return True

    return retried(once)


# -- inside --------------------------------------------------------------------------------------


def retried(once: Callable[[], T]) -> T:
    """Read, decide, append; after a lost race once more."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return once()
        except Conflict:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("not reached")


def _may_submit(user: User) -> None:
    if not user.is_authenticated:
        raise NotPermitted("Only users who are logged in may submit jobs.")
    if not user.is_active:
        raise NotPermitted(f"The account {user.get_username()} is not active and may not submit jobs.")


def _visibility(definition: Definition) -> str:
    return ",".join(definition.visibility) or str(settings.LABBOOK["DEFAULT_VISIBILITY"])
