"""How much longer the example takes in the lab than its bare work (submitted → finished, images in place).

python -m bench.overhead [RUNS]
"""

from __future__ import annotations

import statistics
import sys
from datetime import datetime

from bench import bare
from bench.figures import spread, table
from lab.demo.lab import EXAMPLES
from tests.support.images import IMAGES
from tests.support.running_lab import Json, RunningLab


def example() -> str:
    text = (EXAMPLES / "vm-groups.json").read_text()
    return text.replace("@IMAGES@", IMAGES.as_uri()).replace("@EXAMPLES@", EXAMPLES.as_uri())


def seconds(job: Json) -> float:
    submitted, finished = (datetime.fromisoformat(job[key]) for key in ("submitted_at", "finished_at"))
    return (finished - submitted).total_seconds()


def main(runs: int) -> None:
    with RunningLab() as lab:
        lab.pause = 1
        lab.run(example(), 600)  # puts the images on the host, as they are for the bare script
        floor, ours = [], []
        for _ in range(runs):
            floor.append(bare.run(lab.host, lab.folder))
            job = lab.run(example(), 600)
            assert job["outcome"] == "complete", job["failure"]
            ours.append(seconds(job))
    ratios = [mine / bare for mine, bare in zip(ours, floor, strict=True)]
    table(
        "The example: two 32-bit ARM VMs and their host",
        [
            ("bare script", spread(floor)),
            ("Labbook", spread(ours)),
            ("ratio", f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"),
        ],
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
