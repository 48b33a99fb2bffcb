"""Memory of all processes of a lab, idle and with the example running.

    python -m bench.memory

Proportional set size: what is shared is counted once. The floor is one bare Python process.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import defaultdict

import psutil

from bench.figures import table
from bench.overhead import example
from tests.support.running_lab import RunningLab

MIB = 1024 * 1024


def resident(lab: RunningLab) -> dict[str, float]:
    """Return MiB by kind of process."""
    found: dict[str, float] = defaultdict(float)
    for process in lab.processes():
        try:
            words = process.cmdline()
            kind = next(
                (word for word in words[1:] if not word.startswith("-") and "/" not in word), "task worker"
            )
            found[kind] += process.memory_full_info().pss / MIB
        except psutil.Error:
            continue
    return found


def floor() -> float:
    """Return MiB of a Python process that does nothing."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as idle:
        assert idle.stdin is not None
        threading.Event().wait(0.5)
        pss = float(psutil.Process(idle.pid).memory_full_info().pss) / MIB
        idle.stdin.close()
    return pss


def main() -> None:
    with RunningLab() as lab:
        bare, before = floor(), resident(lab)
        job, most, pause = lab.submit(example()), dict[str, float](), threading.Event()
        while lab.job(job)["state"] != "finished":
            now = resident(lab)
            most = now if sum(now.values()) > sum(most.values()) else most
            pause.wait(0.5)
    rows = [("bare Python process", f"{bare:.0f} MiB")]
    for name, what in (("idle", before), ("with the example", most)):
        total = sum(what.values())
        parts = ", ".join(
            f"{kind} {mib:.0f}" for kind, mib in sorted(what.items(), key=lambda item: -item[1])
        )
        rows.append((name, f"{total:.0f} MiB, {total / bare:.1f} times the bare process ({parts})"))
    table("Memory of the lab (its VMs not counted)", rows)


if __name__ == "__main__":
    main()
