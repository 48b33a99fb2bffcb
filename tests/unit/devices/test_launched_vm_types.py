"""VM types with commands of their own: what may be written."""

from __future__ import annotations

from typing import Any

import pytest

from devices.domain.config import VmTypeConfig
from devices.domain.parse_config import checked_vm_type_config, validate_vm_type_config


def test_a_type_with_a_launch_template_needs_no_qemu() -> None:
    config = checked_vm_type_config(
        {"launch": ["true", "exec sh"], "requires": ["unshare"], "extra": {"a": "b"}}
    )
    assert (config.launch, config.programs) == (("true", "exec sh"), ("unshare",))
    both = VmTypeConfig(qemu="qemu-system-arm", requires=("socat", "qemu-system-arm"))
    assert both.programs == ("socat", "qemu-system-arm")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"launch": ["true", "daemon &"]}, "launch[1]: this goes into the background"),
        ({"launch": ["  "]}, "launch[0]: this is empty"),
        ({"launch": "exec sh"}, "launch: this is a text"),
        ({"launch": ["sh"], "requires": ["a b"]}, "requires[0]"),
        ({"qemu": "q", "machine": "m", "cpu": "c", "stop": ["true"]}, "stop: stop goes with launch"),
        ({"qemu": "q", "machine": "m", "cpu": "c", "requires": ["x"]}, "requires: requires goes with launch"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(raw: dict[str, Any], said: str) -> None:
    assert any(one.startswith(said) for one in validate_vm_type_config(raw)), validate_vm_type_config(raw)
