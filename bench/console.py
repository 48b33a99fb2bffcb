"""Consoles: how soon a byte of a VM is in a browser, and how much a VM may print.

    python -m bench.console [latency|lines [RUNS]]

Latency: from the moment a byte leaves QEMU until a websocket client has it. Lines: a VM prints 100,000 lines;
the time until the last is stored and streamed, against the same VM piped to a file; compared byte for byte.
"""

from __future__ import annotations

import base64
import json
import shlex
import statistics
import subprocess
import sys
import time
from bisect import bisect_left
from pathlib import Path

from websockets.sync.client import connect
from websockets.typing import Origin

from bench.figures import percentile, table
from lab.demo.images import build
from lab.kernel.deadline import Deadline
from tests.e2e.definitions import Json, boot, group, shell
from tests.support.images import IMAGES
from tests.support.running_lab import RunningLab

TICKS, LINES = 400, 100_000
PRINT = (
    f"awk 'BEGIN {{ for (i = 1; i <= {LINES}; i++)"
    ' printf "line %06d the quick brown fox jumps over the lazy dog\\n", i }\''
)
FIRST, LAST = b"line 000001 ", f"line {LINES:06d} ".encode()


class Stamped:
    """A definition whose guest prints through `bench.stamp`, and what that noted."""

    def __init__(self, lab: RunningLab, *steps: str) -> None:
        self._copy = lab.folder / "copy"
        stamp = shlex.join([sys.executable, str(Path(__file__).with_name("stamp.py")), str(self._copy)])
        lab.wrapper.write_text(f'#!/bin/sh\nqemu-system-x86_64 "$@" | {stamp}\n')
        lab.wrapper.chmod(0o755)
        vm = {"device_type": "kvm-wrapped", "role": "guest"}
        self.definition: Json = group(boot("guest"), shell(*steps, role="guest"), vms=[vm], timeout=1200)

    def bytes(self) -> bytes:
        return self._copy.read_bytes()

    def left_at(self, offsets: list[int]) -> list[float]:
        """When the bytes at these offsets of the console left the VM."""
        rows = [line.split() for line in Path(f"{self._copy}.times").read_text().splitlines()]
        totals, times = [int(row[0]) for row in rows], [float(row[1]) for row in rows]
        return [times[bisect_left(totals, offset + 1)] for offset in offsets]


class Viewer:
    """What a browser receives of one console, and when."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.arrived: list[tuple[int, float]] = []

    def watch(self, lab: RunningLab, job: int, node: int, until: bytes, seconds: float) -> None:
        """Receive from the first byte until `until` has been seen twice (typed, then printed) or once."""
        deadline = Deadline.after(seconds, f"{until!r} on the console")
        url = lab.url.replace("http", "ws", 1) + f"/ws/jobs/{job}/?after=0&console={node}:0"
        with connect(url, origin=Origin(lab.url), max_size=None) as socket:
            while until not in self.data[-200_000:]:
                frame = json.loads(socket.recv(timeout=deadline.remaining))
                now = time.time()
                for chunk in frame.get("consoles", {}).get(str(node), ()):
                    if chunk["offset"] != len(self.data):
                        raise RuntimeError(f"a gap: {chunk['offset']} after {len(self.data)} bytes")
                    self.data += base64.b64decode(chunk["data"])
                    self.arrived.append((len(self.data), now))

    def seen_at(self, offset: int) -> float:
        return next(when for total, when in self.arrived if total > offset)


def latency(lab: RunningLab) -> None:
    loop = f"i=0; while [ $i -lt {TICKS} ]; do echo tick-$i-; i=$((i + 1)); sleep 0.05; done; echo all-done"
    stamped = Stamped(lab, loop)
    job, viewer = lab.submit(stamped.definition), Viewer()
    lab.wait(job, 120, until=lambda one: one["nodes"][1]["state"] == "boot")
    viewer.watch(lab, job, 1, b"\nall-done", 300)
    lab.wait(job, 60)
    data = bytes(viewer.data)
    # Not the first: they share their reads with what the boot printed.
    offsets = [data.index(f"tick-{i}-".encode()) for i in range(20, TICKS)]
    delays = [
        1000 * (viewer.seen_at(offset) - left)
        for offset, left in zip(offsets, stamped.left_at(offsets), strict=True)
    ]
    table(
        f"From a VM to a browser, {len(delays)} lines",
        [(f"p{p}", f"{percentile(delays, p):.1f} ms") for p in (50, 95, 99)]
        + [("max", f"{max(delays):.1f} ms")],
    )


def piped(folder: Path) -> float:
    """Return the seconds that the same VM takes to print the lines into a file."""
    images = build("amd64", IMAGES)
    out = folder / "piped"
    command = shlex.split(
        "qemu-system-x86_64 -nodefaults -no-user-config -display none -M pc -accel tcg -cpu qemu64 -m 256"
        " -chardev stdio,id=console -serial chardev:console -append 'console=ttyS0 panic=-1'"
    )
    command += ["-kernel", str(images.kernel), "-initrd", str(images.initramfs)]
    deadline, first = Deadline.after(600, "the lines in the file"), 0.0
    with out.open("wb") as file, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file) as vm:
        assert vm.stdin is not None
        try:
            typed = False
            while LAST not in (data := out.read_bytes()[-4096:] if first else out.read_bytes()):
                if not typed and b"root@" in data:
                    vm.stdin.write(PRINT.encode() + b"\n")
                    vm.stdin.flush()
                    typed = True
                first = first or (time.monotonic() if FIRST in data else 0.0)
                deadline.check()
                time.sleep(0.002)
            return time.monotonic() - first
        finally:
            vm.kill()


def lines(lab: RunningLab) -> None:
    floor, ours, lost = [], [], 0
    for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 3):
        floor.append(piped(lab.folder))
        stamped, viewer = Stamped(lab, PRINT), Viewer()
        job = lab.submit(stamped.definition)
        lab.wait(job, 120, until=lambda one: one["nodes"][1]["state"] == "boot")
        viewer.watch(lab, job, 1, LAST, 600)
        end = viewer.seen_at(viewer.data.index(LAST))
        lab.wait(job, 120)
        (begin,) = stamped.left_at([viewer.data.index(FIRST)])
        ours.append(end - begin)
        # Up to the last line: behind it, QEMU itself says that it is ended.
        stored, sent, seen = (
            data[: data.index(LAST)] for data in (lab.console(job, 1), stamped.bytes(), bytes(viewer.data))
        )
        lost += not stored == sent == seen
    table(
        f"{LINES:,} lines from a VM, stored and streamed",
        [
            ("piped to a file", f"{LINES / statistics.median(floor):,.0f} lines/s"),
            ("Labbook", f"{LINES / statistics.median(ours):,.0f} lines/s"),
            ("ratio", f"{statistics.median(a / b for a, b in zip(floor, ours, strict=True)):.2f}"),
            ("byte for byte", "equal" if not lost else f"DIFFERENT in {lost} of {len(ours)} runs"),
        ],
    )


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    with RunningLab() as the_lab:
        for what in (latency, lines):
            if chosen in ("", what.__name__):
                what(the_lab)
