"""What “serve” and “worker” have in common."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from jobs.worker_process import GRACE
from lab.task_cluster import TaskCluster

MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]


def task_cluster(workers: int) -> TaskCluster:
    """The cluster of this machine's site."""
    os.environ["LABBOOK_WORKERS"] = str(workers)
    return TaskCluster([*MANAGE, "task_cluster"], queue=settings.SITE_NAME, workers=workers, grace=GRACE + 15)


def check_migrations() -> None:
    """Refuse to start on a database that is not as the code expects it."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise CommandError(
            f"The database lacks {len(missing)} migrations: run “manage.py migrate” first, then this again."
        )


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Hold the only place for `name` in the data folder. Raises `CommandError` if it is taken."""
    folder = Path(settings.VAR_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{name}.lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            file.seek(0)
            raise CommandError(
                f"Labbook is running already in {folder} (process {file.read().strip() or 'unknown'}): "
                "stop that one first, or choose another folder by LABBOOK_VAR."
            ) from exc
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
