"""What the commands about jobs have in common: who is asking, texts of definitions, refusals."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import msgspec
from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from devices.management.cli import as_json, operator
from jobs import follow, queries
from jobs.domain.definition.model import Invalid, Problem
from jobs.queries import JsonObject
from jobs.terminal import problem_lines
from lab.kernel.errors import Conflict, Rejected

INVALID = 2
INTERRUPTED = 130
STATUSES = (
    "Exit status: 0 complete and all tests passed, 1 the command failed, 2 the definition is not valid, "
    "3 complete but tests failed, 4 incomplete, 5 canceled, 130 interrupted (the job goes on)."
)


def add_user(parser: CommandParser) -> None:
    parser.add_argument(
        "--user",
        default=os.environ.get("LABBOOK_USER", ""),
        help="account that the job is for; default: LABBOOK_USER, the one named like you, the first admin",
    )


def add_waiting(parser: CommandParser) -> None:
    parser.add_argument("--follow", action="store_true", help="show how it goes until it has ended")
    parser.add_argument("--wait", action="store_true", help="say nothing until it has ended")
    parser.add_argument("--json", action="store_true", help="JSON; with --follow a line an event")


def everything() -> User:
    """Return an account, kept nowhere, for whoever runs this: they own the database, so they see all."""
    return User(username=operator(), is_staff=True, is_superuser=True)


def submitter(name: str) -> User:
    """Return the account that a job is to belong to. Raises `CommandError`."""
    if name:
        found = User.objects.filter(username=name).first()
        if found is None:
            raise CommandError(f"There is no account {name!r}.")
        return found
    mine = User.objects.filter(username=operator().removeprefix("cli:"), is_active=True).first()
    found = mine or User.objects.filter(is_superuser=True, is_active=True).order_by("id").first()
    if found is None:
        raise CommandError(
            "There is no account that the job could belong to: make one with manage.py createsuperuser."
        )
    return found


def read_definition(name: str) -> str:
    """Return the text of a file, or of standard input for ``-``. Raises `CommandError`."""
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{name} is not UTF-8: byte {error.start} cannot be read.", returncode=INVALID
        ) from error


@contextmanager
def refusals(source: str = "") -> Iterator[None]:
    """Turn what commands and queries refuse into words for a terminal."""
    try:
        yield
    except Invalid as invalid:
        raise CommandError(problems(invalid.problems, source), returncode=INVALID) from invalid
    except (Rejected, Conflict) as error:
        raise CommandError(str(error)) from error


def problems(found: list[Problem] | tuple[Problem, ...], source: str) -> str:
    """Return problems as compilers print them: ``job.yaml:12:5: timeout: must be …``."""
    return problem_lines([asdict(problem) for problem in found], source)


def number_and_wait(number: int, out: TextIO, options: dict[str, Any]) -> None:
    """Print a new job's number and, where asked to, what becomes of it; then exits with its status."""
    user = everything()
    waits = options["follow"] or options["wait"]
    if not waits:
        out.write((as_json({"id": number}) if options["json"] else f"job {number} submitted") + "\n")
        return
    try:
        snapshot = _until_its_end(number, user, out, options)
    except KeyboardInterrupt:
        sys.stderr.write(f"\njob {number} goes on; manage.py cancel {number} ends it\n")
        sys.exit(INTERRUPTED)
    if status := follow.exit_status(snapshot):
        sys.exit(status)


def _until_its_end(number: int, user: User, out: TextIO, options: dict[str, Any]) -> JsonObject:
    if options["follow"] and not options["json"]:
        return follow.follow(number, user, out)
    for events in follow.changes(number, user):
        for event in events if options["follow"] else ():
            out.write(one_line(event) + "\n")
            out.flush()
    snapshot = queries.job_snapshot(user, number)
    if options["json"]:
        out.write((one_line(snapshot) if options["follow"] else as_json(snapshot)) + "\n")
    else:
        out.write(follow.ending(snapshot) + "\n")
    return snapshot


def one_line(value: JsonObject) -> str:
    """Return JSON on one line."""
    return msgspec.json.encode(value).decode()
