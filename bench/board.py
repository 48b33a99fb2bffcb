"""How much longer the example on the emulated board takes in the lab than its bare work, one after the other.

Both begin with a board that is plugged in and off, and end when it is off again; images are there already.

python -m bench.board [RUNS]
"""

from __future__ import annotations

import json
import statistics
import sys
from datetime import datetime

from bench import bare_board
from bench.figures import spread, table
from lab.demo.board.image import build
from lab.demo.board.machine import Machine
from lab.demo.lab import EXAMPLES
from tests.support.images import IMAGES
from tests.support.running_lab import Json, RunningLab

SECONDS = 1200.0
SEED = """
import json, os
from types import SimpleNamespace
from pathlib import Path
from devices import loading, type_commands
from lab.demo import lab, metal
told = json.loads(os.environ["LABBOOK_SEED"])
metal.seed(SimpleNamespace(**told | {"disks": Path(told["disks"])}))
for name in lab.VM_TYPES:
    config = loading.load_device_type(name).state.config | metal.OF_VM_TYPES
    type_commands.change_device_type(name, config=config, actor="lab", cause="bench")
"""


def example() -> str:
    text = (EXAMPLES / "vm-groups-arm64.json").read_text()
    return text.replace("@IMAGES@", IMAGES.as_uri()).replace("@EXAMPLES@", EXAMPLES.as_uri())


def register(lab: RunningLab, machine: Machine) -> None:
    """Make the board a board of the lab."""
    told = {name: str(getattr(machine, name)) for name in ("serial_url", "monitor", "disks")}
    seed = json.dumps(told | {"ssh_port": machine.ssh_port})
    lab.manage("shell", "-c", SEED, LABBOOK_SEED=seed)


def seconds(job: Json) -> float:
    submitted, finished = (datetime.fromisoformat(job[key]) for key in ("submitted_at", "finished_at"))
    return (finished - submitted).total_seconds()


def main(runs: int) -> None:
    with RunningLab() as lab, Machine(build(IMAGES), lab.folder / "board") as machine:
        lab.pause = 1
        register(lab, machine)
        floor, ours = [], []
        for run in range(runs + 1):
            job = lab.run(example(), SECONDS)
            assert job["outcome"] == "complete", job["failure"]
            if run == 0:
                continue  # it has put the images into the worker's cache
            ours.append(seconds(job))
            floor.append(bare_board.run(machine))
    ratios = [mine / bare for mine, bare in zip(ours, floor, strict=True)]
    table(
        "The documentation's example on an emulated ARM64 board: U-Boot, two 32-bit ARM VMs under KVM on it",
        [
            ("bare script", spread(floor)),
            ("Labbook", spread(ours)),
            ("ratio", f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"),
        ],
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
