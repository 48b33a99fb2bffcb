"""Looking for a text in what the nodes of a job printed: lines by number, however long the consoles are.

The bytes are read once, in order, in blocks that end with a line. Control sequences are taken out, as a page
does not show them; letters A to Z match small and large.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from devices.drivers.expect import clean
from jobs.models import ConsoleChunk

BLOCK = 1024 * 1024
"""Bytes that are looked at in one go."""
MOST_LINES = 5000
"""Line numbers that are told of one node; more are counted."""
LONGEST = 200
"""Characters of what is looked for."""
PATIENCE = 10.0
"""Seconds after which a search tells what it has found until then."""


@dataclass(slots=True, kw_only=True)
class Found:
    """What was found on one node."""

    node: int
    count: int = 0
    """Lines that hold it."""
    lines: list[int] = field(default_factory=list)
    """Their numbers, counted from 0; the first `MOST_LINES` of them."""
    complete: bool = True
    """False: time was over before all was looked at."""


def search(
    job: int,
    nodes: Iterable[int],
    text: str,
    *,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
) -> list[Found]:
    """Return the lines that hold `text`, node by node; a node with none is among them."""
    wanted = text.encode().lower()
    end = clock() + patience
    found = [Found(node=node) for node in nodes]
    for one in found:
        for first, block in _blocks(job, one.node):
            if clock() > end:
                one.complete = False
                break
            for line in _lines_with(wanted, block):
                one.count += 1
                if len(one.lines) < MOST_LINES:
                    one.lines.append(first + line)
    return found


def _lines_with(wanted: bytes, block: bytes) -> Iterator[int]:
    """Yield the numbers of the lines of a block that hold it."""
    data = clean(block).lower()
    line, counted = 0, 0
    at = data.find(wanted)
    while at >= 0:
        line += data.count(b"\n", counted, at)
        yield line
        counted = data.find(b"\n", at)
        if counted < 0:
            return
        at = data.find(wanted, counted)


def _blocks(job: int, node: int) -> Iterator[tuple[int, bytes]]:
    """Yield (number of the first line, bytes) for a console; every block but the last ends with a newline."""
    rows = ConsoleChunk.objects.filter(job=job, node=node).order_by("offset").values_list("data", flat=True)
    kept: list[bytes] = []
    size = line = 0
    for data in rows.iterator(chunk_size=64):
        kept.append(bytes(data))
        size += len(kept[-1])
        if size < BLOCK or b"\n" not in kept[-1]:
            continue
        block = b"".join(kept)
        cut = block.rfind(b"\n") + 1
        yield line, block[:cut]
        line += block.count(b"\n", 0, cut)
        kept, size = [block[cut:]], len(block) - cut
    if size:
        yield line, b"".join(kept)
