"""Who is there: signs of life of those who sit at a console from afar, and of the workers that have its line.

One row for each sitting, with the database's own time, so that clocks of several machines do not matter.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta

from django.db import Error, connection
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from devices.models import Board, Sitting, SittingInput

SIGN_EVERY = 10.0
"""Seconds between two signs of life."""
AWAY = 30.0
"""Seconds without a sign after which nobody sits there any more."""
SILENT = 60.0
"""Seconds without a sign after which a worker counts as lost."""

log = logging.getLogger(__name__)


def begin(board: str, errand: int) -> None:
    """Note that somebody asked for a console from afar, and is there."""
    Sitting.objects.create(board=board, errand=errand, person_at=Now())


def begin_work(board: str, errand: int) -> None:
    """Note that a worker has begun; a person at their own terminal is one, too."""
    Sitting.objects.update_or_create(
        board=board, errand=errand, defaults={"worker_at": Now()}, create_defaults={"worker_at": Now()}
    )


def person_is_there(board: str, errand: int) -> None:
    Sitting.objects.filter(board=board, errand=errand).update(person_at=Now())


def leave(board: str, errand: int) -> None:
    """Note that the person has left: what was typed before is typed yet."""
    Sitting.objects.filter(board=board, errand=errand).update(left=True)


def is_anybody_there(board: str, errand: int) -> bool:
    rows = Sitting.objects.filter(board=board, errand=errand, left=False)
    return rows.filter(person_at__gte=Now() - timedelta(seconds=AWAY)).exists()


@contextlib.contextmanager
def signs(board: str, errand: int) -> Iterator[None]:
    """While in this context, a thread says that the worker is there."""
    over = threading.Event()

    def say() -> None:
        while not over.wait(SIGN_EVERY):
            try:
                Sitting.objects.filter(board=board, errand=errand).update(worker_at=Now())
            except Error as exc:
                log.warning("board %s: no sign of life can be given: %s", board, exc)
                connection.close()
        connection.close()

    thread = threading.Thread(target=say, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def without_worker() -> list[tuple[str, int]]:
    """Return the sittings, as (board, errand), whose workers fell silent."""
    return _places(worker_at__lt=Now() - timedelta(seconds=SILENT))


def without_person() -> list[tuple[str, int]]:
    """Return the sittings that no worker has begun and that nobody waits for any more."""
    return _places(worker_at=None, person_at__lt=Now() - timedelta(seconds=AWAY))


def _places(**which: object) -> list[tuple[str, int]]:
    return list(Sitting.objects.filter(**which).values_list("board", "errand"))


def forget() -> None:
    """Take away what sittings that are over have left behind."""
    there = Board.objects.filter(pk=OuterRef("board"), errand=OuterRef("errand"))
    for table in (Sitting, SittingInput):
        table._default_manager.filter(~Exists(there)).delete()
