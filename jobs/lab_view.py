"""The lab as definitions and the scheduler see it: the inventory, the users and the site's limits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from devices import access, seen
from devices import queries as inventory
from devices.images import queries as image_library
from jobs import mail
from jobs.domain.definition.lab_view import BoardTypeView, BoardView, LabView
from jobs.domain.scheduling import Candidate, Waiting
from jobs.models import Job, Node
from lab.actors import Actor


def lab_view(viewer: Actor) -> LabView:
    """What a definition is checked against, if this one submits it."""
    limits = settings.LABBOOK
    vm_types = seen.vm_types(viewer)
    (barred,) = access.barred(access.person(viewer))
    return LabView(
        board_types={
            one.name: BoardTypeView(
                name=one.name,
                boards=tuple(
                    BoardView(
                        name=board.name,
                        tags=frozenset(board.tags),
                        barred=barred.boards.get(board.name, ""),
                    )
                    for board in one.boards
                ),
                runs=frozenset(one.runs),
                deploy=one.deploy,
                barred=_barred(one, barred),
            )
            for one in seen.board_types(viewer)
        },
        vm_types=frozenset(one.name for one in vm_types),
        barred_vm_types={one.name: barred.types[one.name] for one in vm_types if one.name in barred.types},
        launched=frozenset(one.name for one in vm_types if one.config.launch),
        sends_mail=mail.configured(),
        groups=frozenset(Group.objects.values_list("name", flat=True)),
        images=frozenset(one.name for one in image_library.images()),
        file_roots=tuple(limits["FILE_ROOTS"]),
        max_timeout=limits["MAX_TIMEOUT"],
        max_vms=limits["MAX_VMS"],
        max_bytes=limits["MAX_DEFINITION_BYTES"],
    )


def _barred(one: inventory.BoardTypeView, barred: access.Barred) -> str:
    """Return who can grant the use of a type of which the submitter may use no board; empty: there is one."""
    granters = [barred.boards.get(board.name, "") for board in one.boards]
    if granters and all(granters):
        return barred.types.get(one.name) or granters[0]
    return "" if granters else barred.types.get(one.name, "")


def waiting_jobs(host_types: Collection[str] | None = None, *, most: int | None = None) -> list[Waiting]:
    """The queue; for boards of these types only, and of each type only so many, who is served first."""
    queued = Job.objects.filter(open=1, state="queued").order_by("id")
    if host_types is not None:
        queued = queued.filter(host_type__in=host_types)
    if most is not None:
        served = (F("health_check").desc(), F("priority").desc(), F("id").asc())  # as `Waiting.place`
        place = Window(RowNumber(), partition_by="host_type", order_by=served)
        first = queued.annotate(at=place).filter(at__lte=most).values("id")
        queued = queued.filter(pk__in=first)
    barred = _barred_boards(job.submitter for job in queued if not job.health_check)
    vm_types: dict[int, set[str]] = {}
    for number, device_type in _vms().filter(job__in=queued).values_list("job", "device_type"):
        vm_types.setdefault(number, set()).add(device_type)
    return [_waiting(job, vm_types.get(job.id, ()), barred) for job in queued]


def waiting(job: Job) -> Waiting:
    """What a queued job asks of a board."""
    barred = {} if job.health_check else _barred_boards([job.submitter])
    return _waiting(job, _vms().filter(job=job).values_list("device_type", flat=True), barred)


def _barred_boards(submitters: Iterable[str]) -> dict[str, Mapping[str, str]]:
    """Return the boards that each of these may not use, with who can grant it."""
    names = sorted(set(submitters))
    if not names or not access.limits_use():
        return {}
    people = [access.person_named(name) for name in names]
    return {name: one.boards for name, one in zip(names, access.barred(*people), strict=True)}


def _waiting(job: Job, vm_types: Iterable[str], barred: Mapping[str, Mapping[str, str]]) -> Waiting:
    return Waiting(
        job=job.id,
        host_type=job.host_type,
        priority=job.priority,
        board=job.pinned_board,
        tags=frozenset(job.tags),
        vm_types=frozenset(vm_types),
        health_check=job.health_check,
        submitter=job.submitter,
        name=job.name,
        barred=barred.get(job.submitter, {}),
    )


def _vms() -> QuerySet[Node]:
    return Node.objects.filter(index__gt=0)


def all_boards() -> list[inventory.BoardView]:
    """The boards that are not retired, as scheduling sees them: to plan with, not to show.

    When a job starts depends on boards that its reader may not know of.
    """
    return inventory.boards_for_scheduling()


def candidates(boards: Iterable[inventory.BoardView] | None = None) -> list[Candidate]:
    """The boards that are not retired; those that are given, where somebody has read them already."""
    return [
        Candidate(
            name=board.name,
            device_type=board.device_type,
            site=board.site,
            tags=frozenset(board.tags),
            unavailable=board.closed,
            only_checked="" if board.closed else board.reason,
            runs=frozenset(board.runs),
            health="good" if board.health == "good" else "bad" if board.health == "bad" else "unknown",
        )
        for board in (inventory.boards_for_scheduling() if boards is None else boards)
    ]
