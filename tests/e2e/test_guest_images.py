"""Every guest image boots to a root shell on its serial console, on an emulated machine."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lab.demo.images import GuestImages

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

GuestImagesFor = Callable[[str], GuestImages]
PROMPT = rb"root@vm:~# "
MACHINES = {
    "amd64": ["qemu-system-x86_64", "-M", "pc"],
    "arm64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"],
    "armhf": ["qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a15"],
}


class Guest:
    """A running machine whose serial line is a pair of pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._heard = process, b""

    def expect(self, pattern: bytes, seconds: float = 180) -> re.Match[bytes]:
        """Wait for the pattern, and forget what came before and with it."""
        assert self._process.stdout
        until = time.monotonic() + seconds
        while (match := re.search(pattern, self._heard)) is None:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0, until - time.monotonic()))
            piece = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            assert piece, f"{pattern!r} did not come; the guest said {self._heard[-2000:].decode('latin1')}"
            self._heard += piece
        self._heard = self._heard[match.end() :]
        return match

    def run(self, command: str) -> str:
        """Return what a command prints."""
        assert self._process.stdin
        # The shell echoes what is typed, so the marks must not be in it as they will be printed.
        self._process.stdin.write(f"echo BE''GIN; {command}; echo E''ND\n".encode())
        self._process.stdin.flush()
        said = self.expect(rb"BEGIN\r?\n((?s:.*?))END\r?\n").group(1)
        self.expect(PROMPT)
        return said.decode("latin1").replace("\r\n", "\n").strip()


@contextmanager
def boot(name: str, *arguments: str) -> Iterator[Guest]:
    bus = "pci" if name == "amd64" else "device"
    command = [*MACHINES[name], "-accel", "tcg", "-m", "256", "-nodefaults", "-no-user-config", "-nographic"]
    command += ["-serial", "stdio", "-no-reboot", "-netdev", "user,id=n,restrict=on"]
    command += ["-device", f"virtio-net-{bus},netdev=n"]
    words = [word.replace("BUS", bus) for word in arguments]
    with subprocess.Popen([*command, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Guest(process)
        finally:
            process.kill()


def drive(image: object) -> list[str]:
    return ["-drive", f"file={image},if=none,id=d,snapshot=on", "-device", "virtio-blk-BUS,drive=d,serial=x1"]


@pytest.mark.parametrize("name", MACHINES)
def test_kernel_and_initramfs_give_a_shell_in_memory(guest_images: GuestImagesFor, name: str) -> None:
    images = guest_images(name)
    console = f"console={images.architecture.console}"
    start = ["-kernel", str(images.kernel), "-initrd", str(images.initramfs), "-append", console]
    with boot(name, *start) as guest:
        guest.expect(PROMPT)
        assert guest.run("id -u; pwd") == "0\n/root"
        assert " eth0:" in guest.run("ip link")
        for tool in ("tar", "gzip", "base64", "nc", "netstat", "sha256sum", "mkfifo", "od", "stty", "tty"):
            assert guest.run(f"command -v {tool}"), f"{tool} is not there"


@pytest.mark.parametrize("name", MACHINES)
def test_the_bare_root_file_system_boots_with_that_kernel(guest_images: GuestImagesFor, name: str) -> None:
    images = guest_images(name)
    start = ["-kernel", str(images.kernel), "-initrd", str(images.initramfs), *drive(images.rootfs)]
    with boot(name, *start, "-append", f"console={images.architecture.console} root=/dev/vda rw") as guest:
        guest.expect(PROMPT)
        assert "/dev/vda on / type ext4 (rw" in guest.run("mount")
        assert guest.run("stat -c %u /etc/passwd; cat /sys/block/vda/serial") == "0\nx1"


@pytest.mark.parametrize("name", MACHINES)
def test_the_disk_boots_by_itself(guest_images: GuestImagesFor, name: str) -> None:
    images = guest_images(name)
    firmware = ["-bios", str(images.firmware)] if images.firmware else []
    with boot(name, *firmware, *drive(images.disk)) as guest:
        guest.expect(PROMPT)
        assert "/dev/vda2 on / type ext4 (rw" in guest.run("mount")
        assert " eth0:" in guest.run("ip link")


def test_a_guest_that_is_told_to_asks_for_a_login(guest_images: GuestImagesFor) -> None:
    images = guest_images("amd64")
    start = ["-kernel", str(images.kernel), "-initrd", str(images.initramfs)]
    with boot("amd64", *start, "-append", "console=ttyS0 guest.login") as guest:
        guest.expect(rb"vm login: ")
        assert guest._process.stdin
        guest._process.stdin.write(b"tester\n")
        guest._process.stdin.flush()
        guest.expect(rb"Password: ")
        guest._process.stdin.write(b"guest\n")
        guest._process.stdin.flush()
        guest.expect(PROMPT.replace(b"~", b"[^ ]*"))
