"""The floor: the example's VMs booted and driven by a bare script, over the same ssh host.

It does what the example does and nothing else: log in, start both VMs, wait for their prompts, give them
addresses, move the data and compare the checksums, end them. No log, no results, no clean-up.
"""

from __future__ import annotations

import base64
import re
import shlex
import socket
import time
from collections.abc import Callable
from pathlib import Path

import paramiko

from lab.demo.sshd import SshServer
from tests.support.images import IMAGES

PROMPT = rb"root@[^ ]*:[^ ]*# (?:\x1b\[6n)?$"
BYTES = 1048576


def connect(server: SshServer) -> paramiko.SSHClient:
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = paramiko.SSHClient()
    kind, key = server.host_key.split()
    client.get_host_keys().add(
        f"[127.0.0.1]:{server.port}", kind, paramiko.PKey.from_type_string(kind, base64.b64decode(key))
    )
    client.connect(
        "127.0.0.1", port=server.port, username=server.user, key_filename=str(server.key_file),
        allow_agent=False, look_for_keys=False, sock=sock,
    )  # fmt: skip
    return client


class Guest:
    """A VM in a channel of its own."""

    def __init__(self, client: paramiko.SSHClient, command: str) -> None:
        transport = client.get_transport()
        assert transport is not None
        self.channel = transport.open_session()
        self.channel.get_pty("dumb", 200, 50)
        self.channel.exec_command(f"stty raw -echo; exec {command}")
        self.seen = b""

    def expect(self, pattern: bytes, seconds: float = 180) -> bytes:
        end = time.monotonic() + seconds
        self.channel.settimeout(1)
        compiled = re.compile(pattern)
        while not compiled.search(self.seen[-4096:]):
            if time.monotonic() > end:
                raise TimeoutError(f"no {pattern!r} in {self.seen[-500:]!r}")
            try:
                data = self.channel.recv(65536)
            except TimeoutError:
                continue
            if not data:
                raise EOFError(self.seen[-500:])
            self.seen += data
        seen, self.seen = self.seen, b""
        return seen

    def run(self, line: str, seconds: float = 180) -> bytes:
        self.channel.sendall(line.encode() + b"\n")
        return self.expect(PROMPT, seconds)


def vm_command(folder: Path, name: str, node: int) -> str:
    """Return the command of the example's VM (type kvm-arm) with a disk to throw away."""
    return shlex.join([
        "qemu-system-arm", "-name", name, "-nodefaults", "-no-user-config", "-display", "none",
        "-M", "virt,highmem=off", "-accel", "tcg", "-cpu", "cortex-a15", "-m", "256", "-smp", "1",
        "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
        "-kernel", str(IMAGES / "guest-armhf.vmlinuz"), "-initrd", str(IMAGES / "guest-armhf.initramfs"),
        "-append", "console=ttyAMA0 panic=-1 root=/dev/vda rw", "-no-reboot",
        "-drive", f"file={IMAGES / 'guest-armhf.rootfs.qcow2'},if=none,id=disk,snapshot=on",
        "-device", "virtio-blk-device,drive=disk",
        "-netdev", "socket,id=group,mcast=230.77.77.77:27777,localaddr=127.0.0.1",
        "-device", f"virtio-net-device,netdev=group,mac=52:54:00:77:77:0{node}",
        "-netdev", "user,id=user", "-device", f"virtio-net-device,netdev=user,mac=52:54:01:77:77:0{node}",
    ])  # fmt: skip


def digest(printed: bytes) -> bytes:
    """Return the checksum in what a command printed."""
    found = re.search(rb"\b[0-9a-f]{64}\b", printed)
    if found is None:
        raise RuntimeError(f"there is no checksum in {printed!r}")
    return found.group()


def work(
    server_vm: Guest,
    client_vm: Guest,
    boot_seconds: float = 180,
    tell: Callable[[str], None] = lambda what: None,
) -> None:
    """Do in the VMs what the example's test definition does, line by line, without the helpers."""
    for guest, address in ((server_vm, "10.7.7.1"), (client_vm, "10.7.7.2")):
        guest.expect(PROMPT, boot_seconds)
        tell(f"the VM {address} has a prompt")
        guest.run("card=$(grep -l 52:54:00 /sys/class/net/*/address | cut -d/ -f5)")
        guest.run(f"ip addr add {address}/24 dev $card; ip link set $card up")
    server_vm.run("cd $(mktemp -d)")
    server_vm.run(f"echo 'head -c {BYTES} | tee received | sha256sum' >receive; chmod +x receive")
    server_vm.run("nc -l -p 5001 -e sh ./receive & until netstat -ltn | grep -q :5001; do sleep 0.1; done")
    server_vm.run("netstat -ltn | grep :5001")
    client_vm.run(f"cd $(mktemp -d); head -c {BYTES} /dev/urandom >payload")
    sent = digest(client_vm.run("sha256sum <payload | cut -d' ' -f1"))
    client_vm.run("ping -c 1 -w 20 10.7.7.1")
    client_vm.run("read -r before rest </proc/uptime")
    answered = digest(client_vm.run("nc 10.7.7.1 5001 <payload | cut -d' ' -f1"))
    client_vm.run("read -r after rest </proc/uptime; echo $before $after | awk '{ print $2 - $1 }'")
    received = digest(server_vm.run("sha256sum <received | cut -d' ' -f1"))
    server_vm.run("wc -c <received")
    if not sent == answered == received:
        raise RuntimeError("the data did not arrive as it was sent")
    for guest in (server_vm, client_vm):
        guest.channel.close()


def run(server: SshServer, folder: Path) -> float:
    """Do the example's work; returns the seconds from the first connection to the end of both VMs."""
    started = time.monotonic()
    with connect(server) as client:
        server_vm = Guest(client, vm_command(folder, "server", 1))
        client_vm = Guest(client, vm_command(folder, "client", 2))
        work(server_vm, client_vm)
    return time.monotonic() - started
