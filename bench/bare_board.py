"""The floor on the emulated board: the example for it, done by a bare script.

Disk put in, power on, the boot loader told what to boot, login on the serial line, ssh, images copied by
sftp, two 32-bit ARM VMs under KVM on the board, the example's work in them, power off. No log, no results, no
clean-up.

python -m bench.bare_board
"""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import paramiko

from bench.bare import Guest, connect, vm_command, work
from devices.deploy import qemu_disk
from devices.domain.config import BoardConfig, PowerConfig, QemuDeploy, SshConfig
from devices.drivers.power.qmp import Monitor
from lab.demo.board.image import build
from lab.demo.board.machine import DISK_NODE, SERVER, Machine
from lab.demo.sshd import SshServer
from lab.kernel.deadline import Deadline
from tests.support.images import IMAGES

SECONDS = 600.0
LOADER = (
    "setenv autoload no; dhcp",
    f"setenv serverip {SERVER}; tftpboot ${{kernel_addr_r}} kernel",
    "tftpboot ${ramdisk_addr_r} ramdisk",
    "setenv bootargs console=ttyAMA0 root=/dev/vda quiet",
    "booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdtcontroladdr}",
)
COPIED = ("guest-armhf.vmlinuz", "guest-armhf.initramfs", "guest-armhf.rootfs.qcow2")
FOLDER = "/root/images"


class Serial:
    """The board's serial line."""

    def __init__(self, port: int) -> None:
        self._line = socket.create_connection(("127.0.0.1", port))
        self._line.settimeout(1)
        self._seen = b""

    def expect(self, pattern: bytes, deadline: Deadline) -> None:
        while (found := re.search(pattern, self._seen)) is None:
            deadline.check()
            try:
                self._seen += self._line.recv(65536)
            except TimeoutError:
                continue
        self._seen = self._seen[found.end() :]

    def send(self, text: str) -> None:
        self._line.sendall(text.encode())

    def close(self) -> None:
        self._line.close()


def run(machine: Machine, *, say: bool = False) -> float:
    """Do it all on a board that is plugged in and off; returns the seconds it took."""
    started = time.monotonic()
    deadline = Deadline.after(SECONDS, "the bare script")

    def tell(what: str) -> None:
        if say:
            print(f"{time.monotonic() - started:6.1f}  {what}", flush=True)

    put_in_disk(machine, deadline)
    line = Serial(machine.serial_port)
    try:
        with Monitor(machine.monitor, deadline) as monitor:
            monitor.execute("cont")
        boot(line, deadline, tell)
        with reach(machine, deadline) as client:
            tell("ssh")
            host(client, tell)
    finally:
        line.close()
        with Monitor(machine.monitor, deadline) as monitor:
            monitor.execute("stop")
            monitor.reset()
    tell("off")
    return time.monotonic() - started


def put_in_disk(machine: Machine, deadline: Deadline) -> None:
    disk = machine.folder / "bare"
    disk.unlink(missing_ok=True)
    create = ("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b")
    subprocess.run([*create, str(machine.image.disk), str(disk)], check=True)
    board = BoardConfig(
        ssh=SshConfig(host="127.0.0.1"),
        power=PowerConfig(method="qmp", socket=machine.monitor),
        qemu=QemuDeploy(node=DISK_NODE),
    )
    qemu_disk.insert(board, disk, deadline)


def boot(line: Serial, deadline: Deadline, tell: Callable[[str], None]) -> None:
    line.expect(rb"Hit any key to stop autoboot", deadline)
    line.send(" ")
    for command in LOADER:
        line.expect(rb"=> ", deadline)
        line.send(command + "\r")
    tell("kernel")
    line.expect(rb"login: ", deadline)
    tell("login prompt")
    line.send("root\r")
    line.expect(rb"root@board:~# ", deadline)
    tell("shell on the serial line")


def reach(machine: Machine, deadline: Deadline) -> paramiko.SSHClient:
    server = SshServer(
        port=machine.ssh_port,
        user="root",
        key_file=machine.image.key_file,
        host_key=machine.image.host_key,
        authorized_keys=Path("/root/.ssh/authorized_keys"),
    )
    while True:
        try:
            return connect(server)
        except (OSError, paramiko.SSHException):
            deadline.check()


def host(client: paramiko.SSHClient, tell: Callable[[str], None]) -> None:
    """Bring the images, and run the VMs."""
    with client.open_sftp() as sftp:
        sftp.mkdir(FOLDER)
        for name in COPIED:
            sftp.put(str(IMAGES / name), f"{FOLDER}/{name}")
    tell("images are there")
    server_vm, client_vm = (Guest(client, kvm_command(name, n)) for n, name in ((1, "server"), (2, "client")))
    work(server_vm, client_vm, SECONDS, tell)
    tell("VMs are done")


def kvm_command(name: str, node: int) -> str:
    """The example's VM, under KVM and with the images on the board."""
    command = vm_command(Path("/unused"), name, node).replace(str(IMAGES), FOLDER)
    for emulated, real in (
        ("qemu-system-arm ", "qemu-system-aarch64 "),
        ("virt,highmem=off", "virt,gic-version=host"),
        ("-accel tcg", "-accel kvm"),
        ("-cpu cortex-a15", "-cpu host,aarch64=off"),
        (" rw'", " rw quiet'"),
    ):
        assert emulated in command
        command = command.replace(emulated, real)
    return command


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="bare-") as folder,
        Machine(build(IMAGES), Path(folder)) as machine,
    ):
        print(f"{run(machine, say=True):.1f} s")


if __name__ == "__main__":
    main()
