"""What a VM more costs in a group of 1, 2, 4, 8, 16: our overhead for each shall stay flat.

python -m bench.scale [RUNS [SIZES…]]

The VMs are x86-64 guests of 96 MiB from kernel and initramfs; each runs one test case. The floor is a script
that boots the same VMs at the same time over the same sshd, and types one command into each.
"""

from __future__ import annotations

import json
import shlex
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from bench import bare
from bench.figures import table
from bench.overhead import seconds
from lab.demo.sshd import SshServer
from tests.e2e.definitions import boot, group, shell
from tests.support.images import IMAGES
from tests.support.running_lab import RunningLab

SIZES = (1, 2, 4, 8, 16)
MEMORY = 96
PATIENCE = 600.0
"""Seconds until all VMs must have booted."""
PATIENT = f"""
from devices import loading, type_commands
own = loading.load_device_type("kvm").state.config | {{"boot_timeout": {PATIENCE:g}}}
type_commands.change_device_type("kvm", config=own, actor="lab", cause="bench")
"""


def floor(server: SshServer, vms: int) -> float:
    """Boot `vms` VMs at once, do one thing in each; returns the seconds until the last one has ended."""
    started = time.monotonic()
    with ExitStack() as stack:
        # A connection each: sshd allows ten sessions on one.
        guests = [
            bare.Guest(stack.enter_context(bare.connect(server)), command(node)) for node in range(1, vms + 1)
        ]
        for guest in guests:
            guest.expect(bare.PROMPT, PATIENCE)
            guest.run("true")
            guest.channel.close()
    return time.monotonic() - started


def command(node: int) -> str:
    """Return the command of a VM as the type kvm starts it, with both of its network cards."""
    return shlex.join([
        "qemu-system-x86_64", "-name", f"guest-{node}", "-nodefaults", "-no-user-config", "-display", "none",
        "-M", "pc", "-accel", "tcg", "-cpu", "qemu64", "-m", str(MEMORY), "-smp", "1",
        "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
        "-kernel", str(IMAGES / "guest-amd64.vmlinuz"), "-initrd", str(IMAGES / "guest-amd64.initramfs"),
        "-append", "console=ttyS0 panic=-1", "-no-reboot",
        "-netdev", "socket,id=group,mcast=230.77.77.78:27778,localaddr=127.0.0.1",
        "-device", f"virtio-net-pci,netdev=group,mac=52:54:00:77:78:{node:02x},romfile=",
        "-netdev", "user,id=user",
        "-device", f"virtio-net-pci,netdev=user,mac=52:54:01:77:78:{node:02x},romfile=",
    ])  # fmt: skip


def definition(vms: int) -> str:
    guest = {"device_type": "kvm", "role": "guest", "count": vms, "memory": MEMORY}
    test = shell("lava-test-case up --shell true", role="guest")
    return json.dumps(group(boot("guest"), test, vms=[guest], timeout=900))


def main(runs: int, sizes: Sequence[int]) -> None:
    rows = []
    with RunningLab() as lab:
        lab.pause = 1
        lab.manage("shell", "-c", PATIENT)
        lab.run(definition(1), 600)  # puts the files on the host, as they are for the bare script
        for vms in sizes:
            pairs = []
            for _ in range(runs):
                bare_seconds = floor(lab.host, vms)
                job = lab.run(definition(vms), 900)
                assert job["outcome"] == "complete", job["failure"]
                pairs.append((bare_seconds, seconds(job)))
            least, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(mine / least for least, mine in pairs)
            each = statistics.median((mine - least) / vms for least, mine in pairs)
            words = f"bare {least:6.2f} s  Labbook {ours:6.2f} s  ratio {ratio:.2f}  {each:.2f} s more per VM"
            rows.append((f"{vms} VM{'s' if vms > 1 else ''}", words))
            print(*rows[-1], flush=True)
    table("VMs in one group, all started at once (medians)", rows)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(numbers[0] if numbers else 1, numbers[1:] or SIZES)
