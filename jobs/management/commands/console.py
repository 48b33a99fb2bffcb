"""``manage.py console N NODE``: what a node printed."""

from __future__ import annotations

import codecs
import re
import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs import console_log, queries
from jobs.follow import POLL
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


class Harmless:
    """Takes a console's bytes and gives what a terminal may have: text and colours.

    What would move the cursor, ask the terminal something or write elsewhere is left out.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> bytes:
        text = self._rest + self._decoder.decode(data)
        begun = _BEGUN.search(text)
        cut = begun.start() if begun and len(text) - begun.start() < LONGEST_SEQUENCE else len(text)
        text, self._rest = text[:cut], text[cut:]
        return _HARMFUL.sub(_kept, text).encode()


def _kept(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith("\x1b[") and found[0].endswith("m") else ""


LONGEST_SEQUENCE = 4096
_HARMFUL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences; those that end in m are colours
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # strings for the terminal: titles, links, clipboards
    r"|\x1b[ -/]*[0-~]?"
    r"|[\0-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
)
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?\Z")
