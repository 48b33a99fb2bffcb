"""What happened to a board over time as one strip: a path of SVG for each kind, small whatever happened.

A strip is `WIDTH` units long. Stretches of a kind that come too close to be told apart are drawn as one, the
more coarsely the more there are, so that no strip needs more than about `MOST` characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH = 1440
"""Units of a strip: minutes, where it shows a day."""
MOST = 800
"""Characters of all its paths."""
GRAINS = (1, 2, 4, 8, 15, 30, 60)
"""Units below which nothing is told apart."""
SHORTEST = len("m1 0h1")
"""Characters that a line takes at least."""
KINDS = ("offline", "kept", "hand", "used", "fail", "run")
"""In the order in which they are drawn, the later over the earlier: out of use by decision; kept from jobs,
since it is quarantined or unhealthy; tested, switched or typed on by hand; had by a job that went well; by
one that did not; by one that runs."""


Cell = tuple[int, int]
"""Where a line begins and ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    kind: str
    d: str
    """What to draw: horizontal lines."""


def strip(found: Mapping[str, Iterable[tuple[float, float]]], start: float, end: float) -> list[Path]:
    """Return the paths of what happened from `start` to `end`.

    `found`: by kind, when it began and ended; times in seconds since the epoch.
    """
    finest = {kind: _cells(found[kind], start, end) for kind in KINDS if kind in found}
    paths: list[Path] = []
    for grain in GRAINS:
        cells = finest if grain == 1 else {kind: _coarser(one, grain) for kind, one in finest.items()}
        if grain < GRAINS[-1] and SHORTEST * sum(map(len, cells.values())) > MOST:
            continue
        paths = [Path(kind=kind, d=_path(one, grain)) for kind, one in cells.items() if one]
        if sum(len(one.d) for one in paths) <= MOST:
            break
    return paths


def _cells(found: Iterable[tuple[float, float]], start: float, end: float) -> list[Cell]:
    """Return in which units stretches begin and end, joined where they share one."""
    scale = WIDTH / (end - start)
    joined: list[Cell] = []
    begun, ended = 0, 0  # of the last one; nothing ends at 0
    # Comparisons, not min and max: there may be 20,000 stretches on a page.
    for since, until in sorted(found):
        if until <= start or since >= end:
            continue
        first = int((since - start) * scale) if since > start else 0
        after = round((until - start) * scale) if until < end else WIDTH
        if first >= WIDTH:
            first = WIDTH - 1
        if after <= first:
            after = first + 1
        if first < ended:
            if after > ended:
                ended = after
            continue
        if ended:
            joined.append((begun, ended))
        begun, ended = first, after
    if ended:
        joined.append((begun, ended))
    return joined


def _coarser(cells: Iterable[Cell], grain: int) -> list[Cell]:
    """Return cells of units as such of `grain` units, joined where they touch."""
    joined: list[Cell] = []
    begun, ended = 0, 0
    half = grain // 2
    for first, after in cells:
        first, after = first // grain, (after + half) // grain
        if after <= first:
            after = first + 1
        if ended and first <= ended:
            if after > ended:
                ended = after
            continue
        if ended:
            joined.append((begun, ended))
        begun, ended = first, after
    if ended:
        joined.append((begun, ended))
    return joined


def _path(cells: Sequence[Cell], grain: int) -> str:
    steps = [f"M{cells[0][0] * grain} 6h{(cells[0][1] - cells[0][0]) * grain}"]
    steps += [f"m{(b[0] - a[1]) * grain} 0h{(b[1] - b[0]) * grain}" for a, b in pairwise(cells)]
    return "".join(steps)
