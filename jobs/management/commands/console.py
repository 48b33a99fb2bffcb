"""``manage.py console N NODE``: what a node printed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs import console_log, queries
from jobs.follow import POLL
from jobs.harmless import Harmless
from jobs.management.cli import INTERRUPTED, everything, refusals

PIECE = 1024 * 1024


class Command(BaseCommand):
    help = (
        "Print a node's console: the very bytes into a file or pipe, text and colours only on a terminal. "
        "NODE is its name or its number (0 is the host)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int, help="number of the job")
        parser.add_argument("node", help="name or number of the node")
        parser.add_argument("--follow", action="store_true", help="go on until the job has ended")
        parser.add_argument(
            "--offset", type=int, default=0, help="first byte to print; negative: from the end"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        number = options["job"]
        with refusals():
            node = _node(number, options["node"])
        offset: int = options["offset"]
        if offset < 0:
            offset = max(0, console_log.size(number, node) + offset)
        try:
            copy_console(
                number, node, offset, sys.stdout.buffer, follow=options["follow"], clean=sys.stdout.isatty()
            )
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            sys.stderr.close()  # whoever read has seen enough; nobody is left to tell


def _node(number: int, wanted: str) -> int:
    nodes = queries.job_snapshot(everything(), number, after=2**62)["nodes"]
    for node in nodes:
        if wanted in (node["name"], str(node["index"]), f"{number}.{node['index']}"):
            return int(node["index"])
    raise CommandError(
        f"Job {number} has no node {wanted!r}. It has {', '.join(node['name'] for node in nodes)}."
    )


def copy_console(
    number: int,
    node: int,
    offset: int,
    out: BinaryIO,
    *,
    follow: bool,
    clean: bool,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Copy a console from `offset` on, to its present end or (`follow`) to that of the job."""
    user, harmless = everything(), Harmless() if clean else None
    while True:
        # Asked before reading: what is complete by then is read completely.
        complete = queries.console_of(user, number, node) or not follow
        _, data = console_log.read(number, node, offset, PIECE)
        if data:
            out.write(harmless.feed(data) if harmless else data)
            out.flush()
            offset += len(data)
        elif complete:
            return
        else:
            sleep(POLL)
