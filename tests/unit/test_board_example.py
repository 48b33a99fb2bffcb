"""The example for the emulated board has the keys of the example that LAVA's page on VM groups prints.

Only what is a lab's own differs: paths, and the type of the board.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from lab.demo.lab import EXAMPLES

PRINTED = {
    "timeout": 18000,
    "logging_level": "DEBUG",
    "vm_group.host.role": "host",
    "vm_group.auto_start_vms": True,
    "vm_group.vms.0.device_type": "kvm-arm",
    "vm_group.vms.0.role": "server",
    "vm_group.vms.1.device_type": "kvm-arm",
    "vm_group.vms.1.role": "client",
    "actions.0.command": "deploy_linaro_image",
    "actions.0.parameters.role": "host",
    "actions.1.command": "deploy_linaro_image",
    "actions.1.parameters.role": "client",
    "actions.2.command": "deploy_linaro_image",
    "actions.2.parameters.role": "server",
    "actions.3.command": "lava_test_shell",
}
OURS = {
    "job_name",
    "vm_group.host.device_type",
    "actions.0.parameters.image",
    "actions.1.parameters.image",
    "actions.2.parameters.image",
    "actions.3.parameters.testdef_urls.0",
}
"""Keys that are printed, too, with values that name a thing of a lab."""


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, below in pairs:
            yield from leaves(below, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def test_it_has_the_printed_keys_and_no_other() -> None:
    ours = dict(leaves(json.loads((EXAMPLES / "vm-groups-arm64.json").read_text())))

    assert set(ours) == PRINTED.keys() | OURS
    assert {path: ours[path] for path in PRINTED} == PRINTED
