"""A small inventory and small jobs for tests of what happens to jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from django.contrib.auth.models import User

from devices import board_commands, type_commands
from jobs import commands
from jobs.domain.events import Fact, PhaseStarted, ResultReported
from jobs.recorder import Recorder

BOARD_CONFIG = {"ssh": {"host": "192.0.2.1", "user": "lab"}, "runs": ["kvm"]}
VM_CONFIG = {"qemu": "qemu-system-x86_64", "machine": "q35", "cpu": "qemu64"}


def make_inventory(*boards: str, host_type: str = "bench", site: str = "default") -> None:
    """Register the VM type kvm, a board type that runs it, and its boards (``alpha`` if none is named)."""
    type_commands.register_device_type("kvm", "vm", "", VM_CONFIG, actor="lab")
    type_commands.register_device_type(host_type, "board", "", BOARD_CONFIG, actor="lab")
    for name in boards or ("alpha",):
        add_board(name, host_type=host_type, site=site)


def add_board(
    name: str, *, host_type: str = "bench", site: str = "default", tags: Sequence[str] = ()
) -> None:
    board_commands.register_board(name, host_type, site, list(tags), "", {}, actor="lab")


def definition(
    name: str = "a job",
    *,
    host_type: str = "bench",
    priority: str | int = "medium",
    visibility: str | list[str] = "public",
    board: str = "",
    tags: Sequence[str] = (),
    timeout: int = 60,
    vms: int = 1,
) -> str:
    host = {"device_type": host_type, "role": "host"} | ({"board": board} if board else {})
    guest = {"device_type": "kvm", "role": "guest", "image": "http://images.test/guest.img", "count": vms}
    return json.dumps(
        {
            "job_name": name,
            "timeout": timeout,
            "priority": priority,
            "visibility": visibility,
            "tags": list(tags),
            "vm_group": {"host": host, "vms": [guest]},
            "actions": [
                {"command": "dummy_deploy", "parameters": {"role": "host"}},
                {
                    "command": "lava_test_shell",
                    "parameters": {"testdef": "{metadata: {name: smoke}, run: {steps: [true]}}"},
                },
            ],
        }
    )


def make_user(name: str = "erika", **fields: bool) -> User:
    return User.objects.create(username=name, **fields)


def submit(user: User, text: str | None = None) -> int:
    return commands.submit_job(text or definition(), user=user, cause="test")


def started(user: User) -> tuple[int, Recorder]:
    """A job that runs, and the recorder of its worker."""
    number = submit(user)
    assert [one.job for one in commands.schedule()] == [number]
    return number, Recorder(number, commands.start_job(number, "worker-1"))


def result(case: str, verdict: str = "pass", **fields: object) -> Fact:
    values = {"node": 1, "suite": "smoke", "at": time.time(), **fields}
    return ResultReported(case=case, result=verdict, **values)  # type: ignore[arg-type]


def phase(node: int, kind: str, what: str, at: float = 1.0) -> Fact:
    return PhaseStarted(node=node, phase=kind, what=what, at=at)  # type: ignore[arg-type]
