"""Looking whether the log is what was written: tamper-evident, not tamper-proof.

Each event's digest covers the event and the digest before it in its stream, so nothing in the middle can be
changed, inserted or removed unnoticed by somebody who does not recompute everything after it. A *checkpoint*
(a position and a digest over all events up to it), kept where the lab's database administrator cannot write,
makes even that, and the removal of the newest events, visible.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from lab.eventstore.models import EventRow
from lab.kernel.events import Codec, UnknownEvent, chain_digest, codec

BATCH = 2000
ENOUGH = 100
"""Problems reported; who has more has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the log was up to a position."""

    position: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is not as it was written."""

    position: int
    text: str


@dataclass(kw_only=True)
class Verdict:
    """What was found."""

    events: int = 0
    streams: int = 0
    checkpoint: Checkpoint = field(default_factory=lambda: Checkpoint(position=0, digest=""))
    problems: list[Problem] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.problems


def verify(known: Checkpoint | None = None, *, events: Codec = codec) -> Verdict:
    """Read the whole log and return what is wrong with it, compared with a checkpoint taken earlier.

    Reads in batches and remembers one digest per stream; may run while others append.
    """
    return _Verifier(known, events).run()


class _Verifier:
    def __init__(self, known: Checkpoint | None, events: Codec) -> None:
        self._known, self._codec = known, events
        self._ends: dict[str, tuple[int, str]] = {}
        self._found = Verdict()
        self._running = ""

    def run(self) -> Verdict:
        position = 0
        self._compare(0)
        for row in _rows():
            if row.position != position + 1:
                self._gap(position, row.position)
            self._check(row)
            position = row.position
            self._running = _extended(self._running, row)
            self._compare(position)
            self._found.events += 1
        if self._known and self._known.position > position:
            self._problem(
                position,
                f"the log ends at position {position}, the checkpoint was taken at {self._known.position}: "
                f"the newest {self._known.position - position} events are missing",
            )
        self._found.streams = len(self._ends)
        self._found.checkpoint = Checkpoint(position=position, digest=self._running)
        return self._found

    def _check(self, row: EventRow) -> None:
        version, digest = self._ends.get(row.stream, (0, ""))
        if row.version != version + 1:
            self._problem(row.position, f"{row.stream} goes from version {version} to {row.version}")
        if row.digest != _digest(digest, row):
            self._problem(row.position, f"{row.stream}@{row.version} ({row.type}) does not match its digest")
        # Going on from what is stored reports a changed event once, not all that follow it.
        self._ends[row.stream] = row.version, row.digest
        try:
            self._codec.decode(row.type, row.schema, msgspec.json.decode(row.data))
        except (UnknownEvent, msgspec.DecodeError) as exc:
            self._problem(row.position, f"{row.stream}@{row.version} cannot be read: {exc}")

    def _gap(self, before: int, after: int) -> None:
        missing = f"position {before + 1} is" if after == before + 2 else f"{before + 1} to {after - 1} are"
        self._problem(after, f"{missing} missing")

    def _compare(self, position: int) -> None:
        if self._known and self._known.position == position and self._known.digest != self._running:
            self._problem(position, f"the events up to position {position} are not those of the checkpoint")

    def _problem(self, position: int, text: str) -> None:
        if len(self._found.problems) < ENOUGH:
            self._found.problems.append(Problem(position=position, text=text))


def _rows() -> Iterator[EventRow]:
    """All rows in order of position, in queries of their own: no transaction is held open meanwhile."""
    after: int | None = None
    while True:
        rows = EventRow.objects.order_by("position")
        batch = list((rows if after is None else rows.filter(position__gt=after))[:BATCH])
        yield from batch
        if len(batch) < BATCH:
            return
        after = batch[-1].position


def _digest(previous: str, row: EventRow) -> str:
    at: datetime = row.recorded_at
    return chain_digest(
        previous,
        position=row.position,
        stream=row.stream,
        version=row.version,
        type_=row.type,
        schema=row.schema,
        recorded_at=at,
        data=row.data.encode(),
        meta=row.meta.encode(),
    )


def _extended(running: str, row: EventRow) -> str:
    return hashlib.sha256(f"{running}\n{row.position}\n{row.digest}".encode()).hexdigest()
