"""The lab as definitions and the scheduler see it: the inventory, the users and the site's limits."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import QuerySet

from devices import queries as inventory
from devices.images import queries as image_library
from jobs import mail
from jobs.domain.definition.lab_view import BoardTypeView, BoardView, LabView
from jobs.domain.scheduling import Candidate, Waiting
from jobs.models import Job, Node


def lab_view() -> LabView:
    """What a definition is checked against."""
    limits = settings.LABBOOK
    vm_types = inventory.vm_types()
    return LabView(
        board_types={
            one.name: BoardTypeView(
                name=one.name,
                boards=tuple(BoardView(name=board.name, tags=frozenset(board.tags)) for board in one.boards),
                runs=frozenset(one.runs),
                deploy=one.deploy,
            )
            for one in inventory.board_types()
        },
        vm_types=frozenset(one.name for one in vm_types),
        launched=frozenset(one.name for one in vm_types if one.config.launch),
        sends_mail=mail.configured(),
        groups=frozenset(Group.objects.values_list("name", flat=True)),
        images=frozenset(one.name for one in image_library.images()),
        file_roots=tuple(limits["FILE_ROOTS"]),
        max_timeout=limits["MAX_TIMEOUT"],
        max_vms=limits["MAX_VMS"],
        max_bytes=limits["MAX_DEFINITION_BYTES"],
    )


def waiting_jobs() -> list[Waiting]:
    """The queue."""
    queued = Job.objects.filter(open=1, state="queued").order_by("id")
    vm_types: dict[int, set[str]] = {}
    for number, device_type in _vms().filter(job__in=queued).values_list("job", "device_type"):
        vm_types.setdefault(number, set()).add(device_type)
    return [_waiting(job, vm_types.get(job.id, ())) for job in queued]


def waiting(job: Job) -> Waiting:
    """What a queued job asks of a board."""
    return _waiting(job, _vms().filter(job=job).values_list("device_type", flat=True))


def _waiting(job: Job, vm_types: Iterable[str]) -> Waiting:
    return Waiting(
        job=job.id,
        host_type=job.host_type,
        priority=job.priority,
        board=job.pinned_board,
        tags=frozenset(job.tags),
        vm_types=frozenset(vm_types),
        health_check=job.health_check,
        who=frozenset({f"user:{job.submitter}"}),
    )


def _vms() -> QuerySet[Node]:
    return Node.objects.filter(index__gt=0)


def candidates() -> list[Candidate]:
    """The boards that are not retired."""
    return _candidates(inventory.boards_for_scheduling())


def _candidates(boards: Iterable[inventory.BoardView]) -> list[Candidate]:
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
        for board in boards
    ]
