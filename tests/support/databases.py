"""Fresh, migrated databases that commit for real, one a test, whatever database the run as such uses.

A test with one of these needs neither `django_db` nor a flush: what it leaves behind is thrown away. It may
race with threads and processes of its own; the latter get the database by its URL.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dj_database_url
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from tests.support.postgres import Postgres


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The database that the test's default connection leads to."""

    vendor: str
    """``sqlite`` or ``postgresql``."""
    url: str
    """Fit for DATABASE_URL."""
    server: Postgres | None = None


def configuration(url: str, *, durable: bool = False) -> dict[str, Any]:
    """Return what Django's DATABASES holds for a URL, with the options that lab.settings gives it.

    Unless it is to be `durable`, nobody waits for the disk.
    """
    found: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=60))
    if found["ENGINE"] == "django.db.backends.sqlite3":
        found["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={'FULL' if durable else 'OFF'};",
        }
    return found


@contextlib.contextmanager
def default_database(url: str, *, durable: bool = False) -> Iterator[None]:
    """Let Django's default connection, in all threads, lead to another database for a while."""
    before = connections.settings
    before_databases = settings.DATABASES
    _forget_connection()
    databases = {"default": configuration(url, durable=durable)}
    settings.DATABASES = databases
    connections.settings = connections.configure_settings({"default": dict(databases["default"])})
    try:
        yield
    finally:
        _forget_connection()
        connections.settings = before
        settings.DATABASES = before_databases


def _forget_connection() -> None:
    """Close this thread's connection and make the next use open one by today's settings."""
    with contextlib.suppress(AttributeError):
        connections["default"].close()
        del connections["default"]


def migrate(url: str, *, durable: bool = False) -> None:
    """Create all tables in an empty database."""
    with default_database(url, durable=durable):
        call_command("migrate", verbosity=0)


class SqliteDatabases:
    """Copies of a migrated file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.sqlite3"
        migrate(f"sqlite:///{self._template}")
        with contextlib.closing(sqlite3.connect(self._template)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Database]:
        path = self._folder / "fresh.sqlite3"
        shutil.copyfile(self._template, path)
        url = f"sqlite:///{path}"
        try:
            with default_database(url):
                yield Database(vendor="sqlite", url=url)
        finally:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)


class PostgresDatabases:
    """Copies of a migrated template database."""

    def __init__(self, server: Postgres, name: str) -> None:
        self._server, self._name = server, name
        migrate(server.create(f"{name}_template"))

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Database]:
        name = f"{self._name}_fresh"
        self._server.drop(name)
        url = self._server.create(name, template=f"{self._name}_template")
        try:
            with default_database(url):
                yield Database(vendor="postgresql", url=url, server=self._server)
        finally:
            self._server.drop(name)
