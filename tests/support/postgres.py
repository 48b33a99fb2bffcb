"""A PostgreSQL server to throw away: started in under a second, reached through a unix socket only.

Works for an ordinary user, and for root through `runuser` (PostgreSQL refuses to run as root). Durability is
off: its data lives as long as the test run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg

BASE = {"listen_addresses": "", "max_connections": "100", "shared_buffers": "32MB", "timezone": "UTC"}
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class NoPostgres(RuntimeError):
    """There is no PostgreSQL server on this machine."""


def find_binaries() -> Path:
    """Return the folder with the newest `initdb` of the machine. Raises `NoPostgres`."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(re.sub(r"\D.*", "", path.parent.name) or 0))
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    raise NoPostgres("no PostgreSQL server found below /usr/lib/postgresql: install the package postgresql")


class Postgres:
    """A running server. Use it as a context manager."""

    def __init__(self, *, durable: bool = False) -> None:
        """`durable`: as a lab has it, for measurements; tests need no disk to be waited for."""
        self._settings = BASE if durable else BASE | FAST
        self._bin = find_binaries()
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        # Directly below the temporary folder: a socket's path may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="labbook-pg-"))

    def __enter__(self) -> Postgres:
        try:
            if self._as_user:
                shutil.chown(self.folder, "postgres")
            self._run("initdb", "-D", self._data, "-U", "labbook", "-A", "trust", "-E", "UTF8",
                      "--locale=C.UTF-8", "--no-sync")  # fmt: skip
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self._remove()

    @property
    def _data(self) -> str:
        return f"{self.folder}/data"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = " ".join(f"-c {name}='{value}'" for name, value in self._settings.items())
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "60", "-l", f"{self.folder}/log",
                  "-o", f"-k {self.folder} {settings}", "start")  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: at once, as a power cut would, or ``fast``, which keeps its data."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def url(self, database: str = "postgres") -> str:
        """Return the DATABASE_URL of a database of it."""
        return f"postgres://labbook@{quote(str(self.folder), safe='')}/{database}"

    def create(self, database: str, *, template: str = "template0") -> str:
        """Create a database, as a copy of another one; returns its URL."""
        self._execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def _execute(self, sql: str) -> None:
        with psycopg.connect(
            host=str(self.folder), user="labbook", dbname="postgres", autocommit=True
        ) as one:
            one.execute(sql.encode())

    def _run(self, program: str, *arguments: str) -> None:
        # The output goes to a file: pg_ctl's child would keep a pipe open for ever.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [*self._as_user, str(self._bin / program), *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", check=False,
            )  # fmt: skip
            output.seek(0)
            if done.returncode:
                raise RuntimeError(f"{program} failed:\n{output.read().decode(errors='replace')}")

    def _remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
