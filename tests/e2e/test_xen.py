"""Paravirtual guests of Xen on an emulated board, started by a VM type's own commands; on request.

Needs the board that docs/xen.md tells how to make. ``LABBOOK_XEN_BOARD`` is its folder (with ``kernel`` for
the guests, ``key`` and ``host_key`` of the board), ``LABBOOK_XEN_PORT`` the port of its sshd.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.definitions import RAMDISK, group, shell
from tests.support.running_lab import RunningLab

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        "LABBOOK_XEN_BOARD" not in os.environ, reason="needs LABBOOK_XEN_BOARD; see docs/xen.md"
    ),
]


def add_board(lab: RunningLab, folder: Path) -> None:
    config = {
        "ssh": {
            "host": "127.0.0.1",
            "port": int(os.environ["LABBOOK_XEN_PORT"]),
            "key_file": f"{folder}/key",
            "host_key": (folder / "host_key").read_text().strip(),
        },
        "runs": ["xen"],
        "connect_timeout": 120,
        "command_timeout": 180,
        "cleanup_timeout": 300,
    }
    code = (
        "from devices import board_commands, type_commands\n"
        "type_commands.register_device_type('xen-host', 'board', '', {'deploy': 'none'}, actor='lab')\n"
        f"board_commands.register_board('xenboard', 'xen-host', 'default', [], '', {config!r}, actor='lab')"
    )
    lab.manage("load_device_types", "xen")
    lab.manage("shell", "-c", code)


def test_two_paravirtual_guests_talk_to_each_other_and_leave_nothing(lab: RunningLab) -> None:
    folder = Path(os.environ["LABBOOK_XEN_BOARD"])
    add_board(lab, folder)
    kernel = lab.folder / "files" / "xen-guest-kernel"
    kernel.write_bytes((folder / "kernel").read_bytes())
    deploy = {
        "command": "deploy_linaro_kernel",
        "parameters": {"kernel": kernel.as_uri(), "ramdisk": RAMDISK, "role": "guest"},
    }
    steps = (
        "lava-test-case is-xen --shell grep -q xen /sys/hypervisor/type",
        "lava-sync both",
        "lava-test-case met --result pass",
    )
    guests = [{"device_type": "xen", "role": "guest", "count": 2}]
    host = shell("lava-sync both", "lava-test-case domains --shell xl list", role="host", name="dom0")
    job = lab.run(
        group(deploy, host, shell(*steps, role="guest"), vms=guests, host="xen-host", timeout=1500),
        seconds=1600,
    )
    assert job["outcome"] == "complete", job["failure"]
    results = [(one["node"], one["case"], one["result"]) for one in job["results"]]
    for node in (1, 2):
        assert (node, "is-xen", "pass") in results
        assert (node, "met", "pass") in results
        assert b"root@" in lab.console(job["id"], node)
    assert all(check["ok"] for check in job["checks"]), job["checks"]
    assert lab.board("xenboard")["state"] == "free"
