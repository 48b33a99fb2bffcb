"""What happened to a board over time as one strip: a path of SVG for each kind, small whatever happened.

A strip is `WIDTH` units long. Stretches of a kind that come too close to be told apart are drawn as one, the
more coarsely the more there are, so that no strip needs more than about `MOST` characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH = 1440
"""Units of a strip: minutes, where it shows a day."""
MOST = 800
"""Characters of all its paths."""
GRAINS = (1, 2, 4, 8, 15, 30, 60)
"""Units below which nothing is told apart."""
KINDS = ("offline", "kept", "hand", "used", "fail", "run")
"""In the order in which they are drawn, the later over the earlier: out of use by decision; kept from jobs,
since it is quarantined or unhealthy; tested, switched or typed on by hand; had by a job that went well; by
one that did not; by one that runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A stretch of time of one kind; seconds since the epoch."""

    kind: str
    since: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    kind: str
    d: str
    """What to draw: horizontal lines."""


def strip(blocks: Iterable[Block], start: float, end: float) -> list[Path]:
    """Return the paths of what happened from `start` to `end`."""
    shown = [one for one in blocks if one.until > start and one.since < end]
    paths: list[Path] = []
    for grain in GRAINS:
        paths = [
            Path(kind=kind, d=_path(cells, grain))
            for kind in KINDS
            if (cells := _cells([one for one in shown if one.kind == kind], start, end, grain))
        ]
        if sum(len(one.d) for one in paths) <= MOST:
            break
    return paths


def _cells(blocks: Sequence[Block], start: float, end: float, grain: int) -> list[tuple[int, int]]:
    """Return where blocks begin and end on a scale of `grain` units, joined where they touch."""
    scale = WIDTH / grain / (end - start)
    last = WIDTH // grain
    joined: list[tuple[int, int]] = []
    for one in sorted(blocks, key=lambda one: one.since):
        first = min(last - 1, max(0, int((one.since - start) * scale)))
        after = min(last, max(first + 1, round((min(one.until, end) - start) * scale)))
        if joined and first <= joined[-1][1] - (grain == 1):
            joined[-1] = (joined[-1][0], max(joined[-1][1], after))
        else:
            joined.append((first, after))
    return joined


def _path(cells: Sequence[tuple[int, int]], grain: int) -> str:
    steps = [f"M{cells[0][0] * grain} 6h{(cells[0][1] - cells[0][0]) * grain}"]
    steps += [f"m{(b[0] - a[1]) * grain} 0h{(b[1] - b[0]) * grain}" for a, b in pairwise(cells)]
    return "".join(steps)
