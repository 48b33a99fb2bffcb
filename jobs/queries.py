"""What others see of jobs: who may see one, lists, the snapshot a page starts from, and what came after.

A snapshot has a `position`. Asked again with ``after=position`` it brings only the rows that were touched
since; rows have a `key` and replace those of the same key, everything without a key replaces as a whole.
So a snapshot and the following deltas always make up the snapshot of now.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict, TypeVar

import msgspec
from django.contrib.auth.models import PermissionsMixin
from django.db.models import Max, Q, QuerySet

from devices import access
from jobs import console_log, console_search, estimates, lab_view, rows, search
from jobs.console_search import Found
from jobs.domain import estimating, scheduling
from jobs.domain import job as life
from jobs.domain.events import JobSubmitted
from jobs.domain.hands_events import KeyboardGiven
from jobs.domain.words import describe
from jobs.models import (
    Attachment,
    Check,
    Delivery,
    ImageUse,
    Job,
    Message,
    Node,
    Note,
    Part,
    Phase,
    Result,
    Wait,
)
from jobs.sight import Sight
from jobs.sight import User as User
from lab.actors import LAB, Actor
from lab.eventstore.models import EventRow
from lab.eventstore.store import store
from lab.kernel.errors import NotFound, Rejected

JsonObject = dict[str, Any]
P = TypeVar("P", bound=Part)
PAGE = 50
LATEST = 300
"""Events in which the end of a keyboard is looked for."""


class Filters(TypedDict, total=False):
    """What a list of jobs may be narrowed by. All given ones must hold."""

    state: str
    """One of the states, ``open`` for all that have not ended, ``active`` for those that have a board."""
    outcome: str
    submitter: str
    board: str
    host_type: str
    text: str
    """Words, or how they begin, all of which must be in the name, the submitter, the board, types, roles or
    the definition."""


# -- who may see what ----------------------------------------------------------------------------


def may_see(user: User, job: Job | int) -> bool:
    """Whether the user (or visitor) may know of this job."""
    row = Job.objects.filter(pk=job).first() if isinstance(job, int) else job
    return row is not None and Sight(user).sees(row)


def seen_job(user: User, number: int) -> Job:
    """The job's row. Raises `NotFound` if there is none, or none that the user may know of, and
    `NotPermitted` for visitors where the lab is not open to them.
    """
    access.require_reading(user)
    row = Job.objects.filter(pk=number).first()
    if row is None or not Sight(user).sees(row):
        raise NotFound(f"There is no job {number}, or you may not see it.")
    return row


def has_perm(user: User, permission: str) -> bool:
    """Whether the user has one of Django's permissions. Visitors have none."""
    return isinstance(user, PermissionsMixin) and user.has_perm(permission)


def seen(user: User, wanted: Q) -> dict[int, Job]:
    """Return those of these jobs that the user may see, by number. `wanted` must mean few, by number."""
    sight = Sight(user)
    return {row.id: row for row in Job.objects.filter(wanted) if sight.sees(row)}


def went_wrong(user: User, boards: Collection[str], since: float) -> set[int]:
    """Return the jobs that did not go well, of those that had these boards after `since` (seconds since the
    epoch) and that the user may see. Some that ended up to an hour earlier may be among them, and some that
    go on elsewhere.
    """
    # A board is given back when its job ends, by the clock of the worker.
    ended = Q(went_wrong=1, board__in=boards, finished_at__gt=datetime.fromtimestamp(since - 3600, UTC))
    # Boards can also be taken from jobs that go on: few, wherever they are.
    going_on = Q(pk__in=Job.objects.filter(open=1, failed__gt=0).values("pk"))
    found: set[int] = set()
    for one in Sight(user).sets():
        ids = Job.objects.filter(one & ended).values_list("id", flat=True)
        found.update(ids.union(Job.objects.filter(one & going_on).values_list("id", flat=True), all=True))
    return found


# -- lists ---------------------------------------------------------------------------------------


def job_list(
    user: User,
    filters: Filters | None = None,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int = PAGE,
) -> list[JsonObject]:
    """The newest jobs first: those with numbers below `before`, or the next ones above `after`.

    Pages are cut by number, not by count, so the hundredth is as fast as the first.
    """
    access.require_reading(user)
    sets = Sight(user).sets()
    filters = filters or {}
    wanted = _wanted(filters)
    if before is not None:
        wanted &= Q(pk__lt=before)
    if after is not None:
        wanted &= Q(pk__gt=after)
    upwards = after is not None and before is None
    found: dict[int, Job] = {}
    if text := filters.get("text"):
        for numbers in search.matching(text, before=before, after=after if upwards else None):
            found |= _listed(sets, wanted & Q(pk__in=numbers), upwards, limit)
            if len(found) >= limit:
                break
    else:
        found = _listed(sets, wanted, upwards, limit)
    numbers = sorted(found, reverse=not upwards)[:limit]
    return [rows.summary(found[number]) for number in sorted(numbers, reverse=True)]


def _listed(sets: list[Q], wanted: Q, upwards: bool, limit: int) -> dict[int, Job]:
    found: dict[int, Job] = {}
    for one in sets:
        for row in Job.objects.filter(one & wanted).order_by("id" if upwards else "-id")[:limit]:
            found[row.id] = row
    return found


def _wanted(filters: Filters) -> Q:
    wanted = Q()
    match filters.get("state", ""):
        case "":
            pass
        case "open":
            wanted &= Q(open=1)
        case "finished":
            wanted &= Q(open=0)
        case "active":
            wanted &= Q(open=1) & ~Q(state="queued")
        case state:
            wanted &= Q(open=1, state=state)
    for key in ("outcome", "submitter", "board", "host_type"):
        if value := filters.get(key):
            wanted &= Q(**{key: value})
    return wanted


# -- one job -------------------------------------------------------------------------------------


def job_snapshot(user: User, number: int, after: int = 0) -> JsonObject:
    """Everything a page shows of a job; of the keyed rows only those touched after position `after`.

    Raises `NotFound` for a job that does not exist or that the user may not see.
    """
    # Before anything else is read: a row that changes meanwhile may come twice, but is never missed.
    position = store.head()
    row = seen_job(user, number)
    return _snapshot(row, after, position, user) | {"resubmitted_as": _resubmitted_as(user, number)}


def whole_snapshot(number: int) -> JsonObject:
    """Everything about a job, whoever asks: for what the lab itself says about it."""
    row = Job.objects.filter(pk=number).first()
    if row is None:
        raise NotFound(f"There is no job {number}.")
    return _snapshot(row, 0, store.head(), LAB)


def _snapshot(row: Job, after: int, position: int, viewer: Actor) -> JsonObject:
    number = row.id
    nodes = list(Node.objects.filter(job=number).order_by("index"))
    sizes = console_log.sizes(number)
    return {
        **rows.summary(row),
        "failure": row.failure,
        **waiting_for(viewer, row),
        "consoles": row.consoles,
        "keyboards": row.keyboards,
        "nodes": [rows.node(node, sizes.get(node.index, 0)) for node in nodes],
        "running": [{"node": node.index, **case} for node in nodes for case in node.running],
        "results": [rows.result(one) for one in _touched(Result, number, after)],
        "phases": [rows.phase(one) for one in _touched(Phase, number, after)],
        "messages": [rows.message(one) for one in _touched(Message, number, after)],
        "waits": [rows.wait(one) for one in _touched(Wait, number, after)],
        "attachments": [rows.attachment(one) for one in _touched(Attachment, number, after)],
        "images": [rows.image_use(one) for one in _touched(ImageUse, number, after)],
        "notes": [rows.note(one) for one in _touched(Note, number, after)],
        "checks": [rows.check(one) for one in _touched(Check, number, after)],
        "deliveries": [rows.delivery(one) for one in _touched(Delivery, number, after)],
        "position": position,
    }


def _touched(model: type[P], number: int, after: int) -> QuerySet[P]:
    touched = model._default_manager.filter(job=number, position__gt=after)
    return touched.order_by("version", "id")


def _resubmitted_as(user: User, number: int) -> list[int]:
    again = Job.objects.filter(resubmitted_from=number).order_by("id")
    rows_ = list(again)
    sight = Sight(user) if rows_ else None
    return [row.id for row in rows_ if sight and sight.sees(row)]


def waiting_for(viewer: Actor, row: Job) -> JsonObject:
    """Why a queued job does not run, board by board, and when it will; nothing of that once it has a board.

    Boards that the viewer may not know of are not among them.
    """
    if row.state != "queued":
        return {"waiting": [], "expected_start": None}
    asks = lab_view.waiting(row)
    boards = [
        one
        for one in lab_view.all_boards()
        if one.device_type == row.host_type or one.name == row.pinned_board
    ]
    queue = lab_view.waiting_jobs([row.host_type])
    plan = scheduling.plan(queue, lab_view.candidates(boards)).without(access.hidden(viewer).boards)
    starts = estimates.expected_starts(queue, boards, time.time()).get(row.id)
    return {
        "waiting": [{"board": one.board, "reason": one.reason} for one in plan.why(asks)],
        "expected_start": rows.moment(starts),
    }


def with_estimates(listed: list[JsonObject]) -> list[JsonObject]:
    """Return rows of a list of jobs, with when those that wait will start, where that can be told."""
    types = {one["host_type"] for one in listed if one["state"] == "queued"}
    starts: dict[int, datetime] = {}
    if types:
        queue = lab_view.waiting_jobs(types, most=estimating.MOST_AHEAD)
        starts = estimates.expected_starts(queue, lab_view.all_boards(), time.time())
    return [{**one, "expected_start": rows.moment(starts.get(one["id"]))} for one in listed]


def previous(user: User, job: Job, *, passed: bool = False) -> int | None:
    """The last job of the same name before this one that has ended; with `passed`, without any failure."""
    wanted = Q(name=job.name, pk__lt=job.id, finished_at__isnull=False)
    if passed:
        wanted &= Q(outcome="complete", failed=0, passed__gt=0)
    found = [Job.objects.filter(one & wanted).aggregate(last=Max("id"))["last"] for one in Sight(user).sets()]
    return max((one for one in found if one is not None), default=None)


def runs_of(user: User, name: str, *, before: int | None = None, limit: int = PAGE) -> list[JsonObject]:
    """The last jobs of a name that have ended, the newest last, up to `before` (itself included)."""
    wanted = Q(name=name, finished_at__isnull=False)
    if before is not None:
        wanted &= Q(pk__lte=before)
    found: dict[int, Job] = {}
    for one in Sight(user).sets():
        for row in Job.objects.filter(one & wanted).order_by("-id")[:limit]:
            found[row.id] = row
    return [rows.summary(found[number]) for number in sorted(found)[-limit:]]


def case_history(
    numbers: Sequence[int], *, node: str, suite: str, case: str, test_set: str = ""
) -> dict[int, JsonObject]:
    """What became of one test case in each of these jobs, which the user must be known to see; by number.

    Where a job reports a case more than once the last one counts.
    """
    named = dict(Node.objects.filter(job__in=numbers, name=node).values_list("job", "index"))
    found = Result.objects.filter(job__in=named, suite=suite, case=case, set=test_set).order_by("version")
    return {one.job_id: rows.result(one) for one in found if named[one.job_id] == one.node}


def definition_text(number: int) -> str:
    """The definition as it was submitted, to the letter."""
    recorded = store.read(life.stream(number), limit=1)
    if not recorded:
        raise NotFound(f"There is no job {number}.")
    submitted = recorded[0].event
    assert isinstance(submitted, JobSubmitted)
    return submitted.text


def board_of(job: Job) -> str:
    """The board a job ran on, or is to run on. Raises `Rejected` if there is none."""
    board = job.board or job.pinned_board
    if not board:
        raise Rejected(f"Job {job.id} never had a board: it cannot be run again on the same one.")
    return board


def is_edited(job: Job) -> bool:
    """Whether a resubmitted job has another definition than the one it comes from."""
    origin = job.resubmitted_from
    return origin is not None and definition_text(job.id) != definition_text(origin)


def console_of(user: User, number: int, node: int) -> bool:
    """Whether the console of this node is complete. Raises `NotFound` if the user may see no such node."""
    row = seen_job(user, number)
    if not Node.objects.filter(job=number, index=node).exists():
        raise NotFound(f"Job {number} has no node {node}.")
    return row.state == "finished"


def search_consoles(user: User, number: int, text: str) -> list[Found]:
    """The lines of all consoles of a job that hold a text. Raises `NotFound`."""
    seen_job(user, number)
    nodes = Node.objects.filter(job=number).order_by("index").values_list("index", flat=True)
    return console_search.search(number, nodes, text)


def keyboard_lost(number: int, node: int, ticket: int | None) -> str:
    """Why a ticket is no longer that of a node's keyboard; empty while it is."""
    row = Job.objects.only("state", "keyboards").filter(pk=number).first()
    if row is None or row.state == "finished":
        return "the job has ended"
    if any(one["node"] == node and one["ticket"] == ticket for one in row.keyboards):
        return ""
    # It was given back a moment ago: not worth a walk through a long stream.
    latest = EventRow.objects.filter(stream=life.stream(number)).order_by("-version")[:LATEST]
    given = (msgspec.json.decode(one.data) for one in latest if one.type == KeyboardGiven.type)
    return next((str(one["reason"]) for one in given if one["ticket"] == ticket), "it was given back")


def job_attachment(user: User, number: int, sha256: str) -> JsonObject:
    """One attachment of a job by its content's digest. Raises `NotFound`."""
    seen_job(user, number)
    row = Attachment.objects.filter(job=number, sha256=sha256).order_by("version").first()
    if row is None:
        raise NotFound(f"Job {number} has no such attachment.")
    return rows.attachment(row)


def jobs_using(user: User, digests: Iterable[str], *, limit: int = PAGE) -> list[JsonObject]:
    """The newest jobs that the user may see and that booted one of these contents, the newest first."""
    used = ImageUse.objects.filter(sha256__in=list(digests)).values("job")
    found: dict[int, Job] = {}
    for one in Sight(user).sets():
        for row in Job.objects.filter(one & Q(pk__in=used)).order_by("-id")[:limit]:
            found[row.id] = row
    return [rows.summary(found[number]) for number in sorted(found, reverse=True)[:limit]]


def job_results(number: int) -> list[JsonObject]:
    """All results of a job, in the order they were reported."""
    return [rows.result(one) for one in _touched(Result, number, 0)]


def report(user: User, number: int) -> tuple[JsonObject, list[JsonObject]]:
    """A job as lists show it, and its results with the names of nodes. Raises `NotFound`."""
    row = seen_job(user, number)
    names = dict(Node.objects.filter(job=number).values_list("index", "name"))
    return rows.summary(row), [{**one, "node": names[one["node"]]} for one in job_results(number)]


def job_events(number: int, after: int = 0, limit: int | None = None) -> list[JsonObject]:
    """What happened to a job after position `after`, in order, each with a sentence about it."""
    stream = life.stream(number)
    seen = EventRow.objects.filter(stream=stream, position__lte=after).order_by("-version")
    version = (seen.values_list("version", flat=True).first() or 0) if after else 0
    names = dict(Node.objects.filter(job=number).values_list("index", "name"))
    return [
        {
            "position": one.position,
            "version": one.version,
            "type": one.event.type,
            "at": one.recorded_at.isoformat(),
            "actor": one.meta.actor,
            "cause": one.meta.cause,
            "data": msgspec.to_builtins(one.event),
            "text": describe(one.event, names),
        }
        for one in store.read(stream, after=version, limit=limit)
    ]
