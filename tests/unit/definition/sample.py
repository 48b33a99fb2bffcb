"""A lab, and definitions that are valid in it."""

from __future__ import annotations

import copy
import json
from typing import Any

from jobs.domain.definition.lab_view import BoardTypeView, BoardView, LabView

LAB = LabView(
    board_types={
        "arndale": BoardTypeView(
            name="arndale",
            boards=(
                BoardView(name="arndale-01", tags=frozenset({"hdd", "lan"})),
                BoardView(name="arndale-02", tags=frozenset({"usb"})),
            ),
            runs=frozenset({"kvm-arm", "kvm"}),
            deploy="none",
        ),
        "juno": BoardTypeView(
            name="juno",
            boards=(BoardView(name="juno-01"),),
            runs=frozenset({"kvm-aarch64"}),
            deploy="netboot",
        ),
        "empty": BoardTypeView(name="empty", runs=frozenset({"kvm"})),
        "secret": BoardTypeView(
            name="secret", boards=(BoardView(name="secret-01"),), barred="erika or the lab's administrators"
        ),
    },
    vm_types=frozenset({"kvm", "kvm-arm", "kvm-aarch64"}),
    groups=frozenset({"kernel team", "qa"}),
    images=frozenset({"server-arm", "client-arm"}),
    file_roots=("/srv/images",),
    max_timeout=100_000,
    max_vms=5,
)

_DOCUMENT: dict[str, Any] = {
    "job_name": "vm-groups basic test case",
    "timeout": 18000,
    "logging_level": "DEBUG",
    "vm_group": {
        "host": {"device_type": "arndale", "role": "host"},
        "auto_start_vms": True,
        "vms": [
            {"device_type": "kvm-arm", "role": "server"},
            {"device_type": "kvm-arm", "role": "client", "count": 2, "image": "lab:client-arm"},
        ],
    },
    "actions": [
        {"command": "dummy_deploy", "parameters": {"target_type": "ubuntu", "role": "host"}},
        {
            "command": "deploy_linaro_kernel",
            "parameters": {
                "kernel": "file:///srv/images/zImage",
                "ramdisk": "file:///srv/images/rootfs.cpio.gz",
                "login_prompt": "login:",
                "username": "root",
                "role": "server",
            },
        },
        {
            "command": "lava_test_shell",
            "parameters": {
                "testdef_urls": ["http://example.org/smoke.yaml"],
                "testdef_repos": [
                    {
                        "git-repo": "https://example.org/tests.git",
                        "testdef": "net.yaml",
                        "parameters": {"VERSION": "1.10", "LOOPS": 3, "FAST": True},
                    }
                ],
                "timeout": 600,
            },
        },
        {"command": "submit_results", "parameters": {"server": "http://example.org/in", "stream": "/a/b/"}},
    ],
}


def document() -> dict[str, Any]:
    """Return a fresh copy of a valid definition."""
    return copy.deepcopy(_DOCUMENT)


def text(value: Any = None) -> str:
    """Return it as JSON, as people write it."""
    return json.dumps(document() if value is None else value, indent=2)
