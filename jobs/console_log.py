"""What nodes print: append-only chunks of bytes, read by offset or by line.

Console bytes are data beside the events, with the same guarantees: the database refuses to change or
delete them, a chunk is stored with all others of the same flush or not at all, and readers are woken by the
same doorbell. Offsets of a node have no gaps; the unique key (job, node, offset) lets only one of two
writers that race win. Every chunk knows how many newlines precede it: the table is its own sparse line index.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Max, Min, Q
from django.db.models.functions import Floor

from jobs.models import ConsoleChunk
from lab.eventstore import live
from lab.kernel.errors import Conflict

MAX_CHUNK = 64 * 1024
"""Bytes. Longer pieces are cut, so that a read never has to fetch much more than it needs."""

MOST_TIMES = 20_000
"""Entries of `times`: about 600 kB as JSON, and finer than anybody can see on a screen."""

MAX_ROWS = 256
"""Chunks that `since` looks at in one go."""

Piece = tuple[int, bytes, float]
"""(node, bytes it printed, seconds since the epoch at which the last of them came)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Bytes of one node's console."""

    offset: int
    line: int
    """Number of newlines before the first byte: its line number, counted from 0."""
    at: float
    """Seconds since the epoch."""
    data: bytes

    @property
    def end(self) -> int:
        """Offset of the byte after the last one."""
        return self.offset + len(self.data)

    def starting_at(self, offset: int) -> Chunk:
        """Return what of it lies at `offset` and later."""
        cut = offset - self.offset
        if cut <= 0:
            return self
        line = self.line + self.data.count(b"\n", 0, cut)
        return Chunk(offset=offset, line=line, at=self.at, data=self.data[cut:])


def append(job: int, pieces: Iterable[Piece]) -> dict[int, int]:
    """Store what nodes printed, all of it or nothing; returns the new size of each console by node.

    Raises `Conflict` if another writer appended to one of these consoles at the same time.
    """
    rows: list[ConsoleChunk] = []
    ends: dict[int, tuple[int, int]] = {}
    try:
        with transaction.atomic():
            for node, data, at in pieces:
                end, line = ends.get(node) or _end(job, node)
                for start in range(0, len(data), MAX_CHUNK):
                    part = data[start : start + MAX_CHUNK]
                    row = ConsoleChunk(
                        job=job,
                        node=node,
                        offset=end,
                        end=end + len(part),
                        line=line,
                        end_line=line + part.count(b"\n"),
                        at=at,
                        data=part,
                    )
                    rows.append(row)
                    end, line = row.end, row.end_line
                ends[node] = end, line
            ConsoleChunk.objects.bulk_create(rows)
            live.ring_on_commit()
    except IntegrityError as exc:
        raise Conflict(f"console/{job}", rows[0].offset) from exc
    return {node: end for node, (end, _) in ends.items()}


def size(job: int, node: int) -> int:
    """Return how many bytes the node has printed."""
    return _end(job, node)[0]


def sizes(job: int) -> dict[int, int]:
    """Return the sizes of all consoles of a job, by node; a node that printed nothing is absent."""
    rows = ConsoleChunk.objects.filter(job=job).values_list("node").annotate(end=Max("end"))
    return dict(rows)


def read(job: int, node: int, offset: int, limit: int) -> tuple[int, bytes]:
    """Return up to `limit` bytes from `offset` on, and the offset of the first of them.

    Past the end there is nothing: the result is the size of the console and no bytes.
    """
    found = chunks(job, node, offset, limit)
    if not found:
        return min(max(offset, 0), size(job, node)), b""
    return found[0].offset, b"".join(chunk.data for chunk in found)[:limit]


def chunks(job: int, node: int, offset: int, limit: int) -> list[Chunk]:
    """Return chunks from exactly `offset` on, enough for `limit` bytes (the last one may exceed it).

    Empty only at the end of the console.
    """
    offset = max(offset, 0)
    rows = ConsoleChunk.objects.filter(job=job, node=node)
    first = rows.filter(offset__lte=offset).order_by("-offset").values_list("offset", flat=True).first()
    found: list[Chunk] = []
    got = 0
    for row in rows.filter(offset__gte=first or 0).order_by("offset").iterator(chunk_size=32):
        chunk = _chunk(row).starting_at(offset)
        if chunk.data:
            found.append(chunk)
            got += len(chunk.data)
        if got >= limit:
            break
    return found


def since(job: int, cursors: dict[int, int], limit: int) -> dict[int, list[Chunk]]:
    """Return what the nodes of a job printed after their cursors (node: offset), in one query.

    For a reader that follows whole chunks: cursors are ends of chunks, and a node without one is read from
    its first byte. At most about `limit` bytes in all, so ask again when something came.
    """
    last = max(cursors, default=-1)
    # By ranges of the index, never by "all but these nodes": that would walk over every chunk of the job.
    ahead = Q(node__gt=last)
    for node in range(last + 1):
        ahead |= Q(node=node, offset__gte=cursors.get(node, 0))
    rows = ConsoleChunk.objects.filter(ahead, job=job).order_by("node", "offset")[:MAX_ROWS]
    found: dict[int, list[Chunk]] = {}
    got = 0
    for row in rows.iterator(chunk_size=32):
        found.setdefault(row.node, []).append(_chunk(row))
        got += len(row.data)
        if got >= limit:
            break
    return found


def tail(job: int, node: int, limit: int) -> Chunk | None:
    """Return the first chunk to show of the last `limit` bytes, cut so that it begins with a line.

    None when the node has printed nothing. A last line longer than `limit` is cut where it must be.
    """
    start = max(0, size(job, node) - limit)
    found = chunks(job, node, start, limit)
    if start == 0 or not found:
        return found[0] if found else None
    for chunk in found:
        newline = chunk.data.find(b"\n")
        if newline >= 0 and chunk.offset + newline + 1 < found[-1].end:
            place = chunk.offset + newline + 1
            return next(c.starting_at(place) for c in found if c.end > place)
    return found[0]


def times(job: int, node: int, most: int = MOST_TIMES) -> list[tuple[float, int, int]]:
    """Return when the console had grown how far: (seconds since the epoch, bytes, newlines), in order.

    One entry for each chunk; a console of more than `most` chunks is told in about that many equal steps of
    time, each with what was there at its end.
    """
    rows = ConsoleChunk.objects.filter(job=job, node=node)
    known = rows.aggregate(count=Count("pk"), first=Min("at"), last=Max("at"))
    if known["count"] <= most:
        return list(rows.order_by("offset").values_list("at", "end", "end_line"))
    step = (known["last"] - known["first"]) / most or 1
    steps = rows.annotate(step=Floor((F("at") - known["first"]) / step)).values("step").order_by("step")
    grown = steps.annotate(when=Max("at"), size=Max("end"), lines=Max("end_line"))
    return list(grown.values_list("when", "size", "lines"))


def line_at(job: int, node: int, offset: int) -> int:
    """Return the number of the line, counted from 0, that the byte at `offset` belongs to."""
    row = (
        ConsoleChunk.objects.filter(job=job, node=node, offset__lte=max(offset, 0))
        .order_by("-offset")
        .first()
    )
    return _chunk(row).starting_at(min(offset, row.end)).line if row else 0


def offset_of_line(job: int, node: int, line: int) -> int | None:
    """Return the offset at which a line, counted from 0, begins; None if the console is not that long."""
    if line <= 0:
        return 0
    # The newline that ends the line before is in the last chunk that begins before it.
    row = ConsoleChunk.objects.filter(job=job, node=node, line__lt=line).order_by("-line", "-offset").first()
    if row is None or row.end_line < line:
        return None
    data = bytes(row.data)
    at = -1
    for _ in range(line - row.line):
        at = data.index(b"\n", at + 1)
    return row.offset + at + 1


def _end(job: int, node: int) -> tuple[int, int]:
    row = (
        ConsoleChunk.objects.filter(job=job, node=node)
        .order_by("-offset")
        .values_list("end", "end_line")
        .first()
    )
    return row or (0, 0)


def _chunk(row: ConsoleChunk) -> Chunk:
    return Chunk(offset=row.offset, line=row.line, at=row.at, data=bytes(row.data))
