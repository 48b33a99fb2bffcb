"""Many people watch one job: what each receives, how late, and what it costs the lab.

    python -m bench.viewers [VIEWERS] [LINES]

A VM prints lines at a pace of some hundred a second while all viewers follow its console over websockets, as
pages do. Every viewer must end with the same bytes as the store has. Latency is counted from the moment the
worker had read the bytes. The floor is one viewer of an equal job, before the others come.
"""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import sys
import time
from dataclasses import dataclass, field

from websockets.asyncio.client import connect
from websockets.typing import Origin

from bench.figures import percentile, table
from bench.memory import resident
from tests.e2e.definitions import boot, group, shell
from tests.support.running_lab import Json, RunningLab

END = b"\nall-printed"
PATIENCE = 600.0


def definition(lines: int) -> Json:
    """Return one whose VM prints so many lines, twenty and then a pause."""
    loop = (
        f"i=0; while [ $i -lt {lines} ]; do i=$((i + 1));"
        ' echo "line $i the quick brown fox jumps over the lazy dog";'
        " [ $((i % 20)) -gt 0 ] || sleep 0.05; done; echo all-printed"
    )
    vm = {"device_type": "kvm", "role": "guest"}
    return group(boot("guest"), shell(loop, role="guest"), vms=[vm], timeout=900)


@dataclass(slots=True)
class Viewer:
    """What one of them has received."""

    data: bytearray = field(default_factory=bytearray)
    delays: list[float] = field(default_factory=list)
    """Milliseconds."""

    async def watch(self, lab: RunningLab, job: int) -> None:
        url = lab.url.replace("http", "ws", 1) + f"/ws/jobs/{job}/?after=0&console=1:0"
        async with asyncio.timeout(PATIENCE), connect(url, origin=Origin(lab.url), max_size=None) as socket:
            begun = time.time()
            while END not in self.data[-100_000:]:
                frame = json.loads(await socket.recv())
                now = time.time()
                for chunk in frame.get("consoles", {}).get("1", ()):
                    if chunk["offset"] != len(self.data):
                        raise RuntimeError(f"a gap: {chunk['offset']} after {len(self.data)} bytes")
                    self.data += base64.b64decode(chunk["data"])
                    if chunk["at"] > begun:  # not what was there before it came
                        self.delays.append(1000 * (now - chunk["at"]))


async def together(lab: RunningLab, job: int, viewers: list[Viewer]) -> dict[str, float]:
    """Let them all watch to the end; returns the most memory of the lab meanwhile, by process, in MiB."""
    watching = [asyncio.create_task(viewer.watch(lab, job)) for viewer in viewers]
    most: dict[str, float] = {}
    while not all(task.done() for task in watching):
        await asyncio.wait(watching, timeout=2)
        now = await asyncio.to_thread(resident, lab)
        most = now if sum(now.values()) > sum(most.values()) else most
    await asyncio.gather(*watching)
    return most


def round_of(lab: RunningLab, number: int, lines: int) -> tuple[float, list[tuple[str, str]]]:
    viewers = [Viewer() for _ in range(number)]
    idle = resident(lab)
    job = lab.submit(definition(lines))
    lab.wait(job, 120, until=lambda one: one["nodes"][1]["state"] == "boot")
    most = asyncio.run(together(lab, job, viewers))
    lab.wait(job, 120)
    stored = lab.console(job, 1)
    stored = stored[: stored.index(END)]
    equal = sum(bytes(viewer.data[: viewer.data.index(END)]) == stored for viewer in viewers)
    delays = [delay for viewer in viewers for delay in viewer.delays]
    rows = [
        ("same bytes as the store", f"{equal} of {number}, {len(stored):,} bytes each"),
        *((f"latency p{p}", f"{percentile(delays, p):.0f} ms") for p in (50, 95, 99)),
        ("latency at most", f"{max(delays):.0f} ms, of {len(delays):,} pieces"),
        ("memory of the lab", f"{sum(most.values()):.0f} MiB, idle before {sum(idle.values()):.0f} MiB"),
    ]
    if equal != number:
        raise RuntimeError(f"only {equal} of {number} viewers have what is stored")
    return statistics.median(delays), rows


def main(number: int, lines: int) -> None:
    with RunningLab() as lab:
        alone, rows = round_of(lab, 1, lines)
        table(f"One viewer, {lines:,} lines", rows)
        crowd, rows = round_of(lab, number, lines)
        table(f"{number} viewers, {lines:,} lines: median latency {crowd / alone:.1f} times one's", rows)


if __name__ == "__main__":
    viewers, lines = (int(word) for word in [*sys.argv[1:], *("200", "5000")[len(sys.argv) - 1 :]])
    main(viewers, lines)
