"""What all tests share.

**The database of the run.** SQLite in a temporary file by default. ``pytest --database postgres`` starts a
PostgreSQL server to throw away and runs everything on it; DATABASE_URL in the environment chooses any other
(Django then creates, and drops, the database ``test_<name>`` there). `@pytest.mark.django_db` means this one.

**Both databases in one run.** A test that takes the fixture `database` runs twice, on a fresh SQLite file and
on a fresh PostgreSQL database, both migrated and committing for real: no `django_db` mark, no flush between
tests, threads and other processes (by ``database.url``) see what it writes. `sqlite_database` and
`postgres_database` give one of the two.

**Servers.** `postgres_server` and `redis_server` are started once per run and worker, when first asked for.

**Real parts of a lab.** `guest_images` builds guest images once; `sshd` is a host to log in to.

Everything a test leaves in the data folder is thrown away: tests.settings makes LABBOOK_VAR a temporary one.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from typing import cast

import hypothesis
import pytest
from django.conf import settings
from django.db import connections
from pytest_django import DjangoDbBlocker

from tests.support.databases import Database, PostgresDatabases, SqliteDatabases, configuration
from tests.support.postgres import Postgres
from tests.support.redis import Redis

pytest_plugins = ["tests.support.browser", "tests.support.images", "tests.support.sshd"]

# Whoever started the tests in the background may have had these ignored, and what is ignored stays so in
# every program we start: shells could not be interrupted, nor hung up on.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Machines that run tests are busy with other things too: slow is no failure.
hypothesis.settings.register_profile("labbook", deadline=None)
hypothesis.settings.load_profile("labbook")

LONGEST_FIRST = (
    "e2e/test_board",
    "e2e/test_failures",
    "integration/test_live",
    "e2e/test_example",
    "browser/test_every_page",
    "e2e/test_guest_images",
    "execution/test_vms",
    "e2e/test_health",
    "e2e/test_definitions",
    "integration/test_serve",
    "e2e/",
    "browser/test_submit",
    "browser/test_job_page",
    "integration/execution/",
    "browser/",
    "integration/test_running_lab",
    "integration/",
    "execution/",
)
_run_server = pytest.StashKey[Postgres]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=["sqlite", "postgres"],
        help="run on SQLite, or on a PostgreSQL server started for this run; default: as DATABASE_URL says",
    )
    parser.addoption(
        "--second-try",
        action="store_true",
        help="these tests failed a moment ago: name those that pass now",
    )


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    passed = [one.nodeid for one in terminalreporter.getreports("passed") if one.when == "call"]
    if not (config.getoption("--second-try") and passed):
        return
    terminalreporter.write_sep("!", "PASSED ONLY WHEN ASKED ONCE MORE, ALONE", red=True, bold=True)
    for one in passed:
        terminalreporter.write_line(f"FLAKY {one}", red=True)
    terminalreporter.write_line(
        "Each has a race, or waits too briefly. Find out which; do not get used to it."
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left with one of them at the end."""

    def turn(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((place for place, part in enumerate(LONGEST_FIRST) if part in path), len(LONGEST_FIRST))

    items.sort(key=turn)  # stable: what is shuffled stays shuffled


def pytest_configure(config: pytest.Config) -> None:
    chosen = config.getoption("--database")
    if chosen != "postgres" or hasattr(config, "workerinput"):
        return  # workers of pytest-xdist find the server of the run in their environment
    server = config.stash[_run_server] = Postgres().__enter__()
    url = os.environ["DATABASE_URL"] = server.create("labbook")
    # Django is set up already, but has not connected yet.
    settings.DATABASES = {"default": configuration(url)}
    connections.settings = connections.configure_settings({"default": configuration(url)})


def pytest_unconfigure(config: pytest.Config) -> None:
    if server := config.stash.get(_run_server, None):
        server.__exit__()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A running PostgreSQL server, to throw away."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A running Redis server, to throw away."""
    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def _sqlite_databases(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> SqliteDatabases:
    with django_db_blocker.unblock():
        return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def _postgres_databases(postgres_server: Postgres, django_db_blocker: DjangoDbBlocker) -> PostgresDatabases:
    with django_db_blocker.unblock():
        return PostgresDatabases(postgres_server, f"t{uuid.uuid4().hex[:8]}")


@pytest.fixture
def sqlite_database(
    _sqlite_databases: SqliteDatabases, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """A fresh SQLite database behind Django's default connection."""
    with django_db_blocker.unblock(), _sqlite_databases.fresh() as one:
        yield one


@pytest.fixture
def postgres_database(
    _postgres_databases: PostgresDatabases, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """A fresh PostgreSQL database behind Django's default connection."""
    with django_db_blocker.unblock(), _postgres_databases.fresh() as one:
        yield one


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database behind Django's default connection: once SQLite, once PostgreSQL."""
    return cast(Database, request.getfixturevalue(f"{request.param}_database"))
