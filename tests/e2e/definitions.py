"""Small definitions for end-to-end tests: x86-64 VMs from kernel and initramfs, tests given inline."""

from __future__ import annotations

from typing import Any

from tests.support.images import IMAGES

Json = dict[str, Any]
KERNEL = f"file://{IMAGES}/guest-amd64.vmlinuz"
RAMDISK = f"file://{IMAGES}/guest-amd64.initramfs"


def shell(*steps: str, role: str = "", name: str = "steps", **parameters: Any) -> Json:
    """Return a test shell action with the steps as its one definition."""
    testdef = {
        "metadata": {"format": "Lava-Test Test Definition 1.0", "name": name},
        "run": {"steps": list(steps)},
    }
    return {
        "command": "lava_test_shell",
        "parameters": {"testdef": testdef, **({"role": role} if role else {}), **parameters},
    }


def boot(role: str, *, kernel: str = KERNEL, ramdisk: str | None = RAMDISK) -> Json:
    """Return the deployment of kernel and initramfs for a role."""
    files = {"kernel": kernel, **({"ramdisk": ramdisk} if ramdisk else {})}
    return {"command": "deploy_linaro_kernel", "parameters": {**files, "role": role}}


def group(
    *actions: Json, vms: list[Json] | None = None, host: str = "ssh-host", timeout: int = 300, **extra: Any
) -> Json:
    """Return a definition: a host and VMs (by default one, of role ``guest``), and its actions."""
    vms = vms or [{"device_type": "kvm", "role": "guest"}]
    return {
        "job_name": extra.pop("job_name", "a test"),
        "timeout": timeout,
        "vm_group": {"host": {"device_type": host, "role": "host"}, "vms": vms, **extra},
        "actions": [{"command": "dummy_deploy", "parameters": {"role": "host"}}, *actions],
    }
