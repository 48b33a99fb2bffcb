"""The emulated board, treated like metal.

One QEMU stays for as long as the board is "plugged in": power off and on go through its monitor (QMP), the
serial line is a TCP port that stays open whether the board has power or not, and deploying puts another disk
into it. The boot loader is U-Boot; it finds kernel and initramfs on a TFTP server. CPUs start at EL2, so KVM
works on the board.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

from devices.drivers.power.qmp import Monitor
from lab.demo.board.image import BoardImage
from lab.demo.tied import tied
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded, InfrastructureError

PROGRAM = "qemu-system-aarch64"
DISK_NODE = "disk"
"""QEMU's name of what stands before the disk, for deploying."""
SERVER = "10.0.2.2"
"""The TFTP server, as the board sees it: QEMU's own network is between them."""
START_TIMEOUT = 30.0


class Machine:
    """A board that is plugged in while it is started. Usable as a context manager.

    `folder`: where its disk is deployed to, what it boots by TFTP, its monitor and its log.
    Sockets have short names only: keep the folder's path below 90 characters.
    """

    def __init__(self, image: BoardImage, folder: Path, *, memory: int = 1024, cpus: int = 2) -> None:
        self.image, self.folder = image, folder.resolve()
        self._memory, self._cpus = memory, cpus
        self._process: subprocess.Popen[bytes] | None = None
        self.serial_port = 0
        """On 127.0.0.1, once it is started."""
        self.ssh_port = 0

    def __enter__(self) -> Machine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def serial_url(self) -> str:
        return f"socket://127.0.0.1:{self.serial_port}"

    @property
    def monitor(self) -> str:
        """The QMP socket, for the power switch and for deploying."""
        return f"unix:{self.folder / 'qmp'}"

    @property
    def disks(self) -> Path:
        """Where a disk is deployed to."""
        return self.folder / "disks"

    @property
    def tftp(self) -> Path:
        """What the TFTP server gives out: ``kernel`` and ``ramdisk``, as part of the board's installation."""
        return self.folder / "tftp"

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Plug it in, switched off and without a disk. Raises `InfrastructureError` with what QEMU said."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise InfrastructureError(f"{PROGRAM} is not installed; `make setup` installs it")
        for folder in (self.tftp, self.disks):
            folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "qmp").unlink(missing_ok=True)
        for source, name in ((self.image.guest.kernel, "kernel"), (self.image.guest.initramfs, "ramdisk")):
            _same(source, self.tftp / name)
        deadline = Deadline.after(START_TIMEOUT, "the start of the emulated board")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                tied(program, *self._arguments()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._find_ports(deadline)
        except (DeadlineExceeded, InfrastructureError) as exc:
            self.stop()
            said = self._log.read_text(errors="replace").strip()[-500:]
            raise InfrastructureError(f"the emulated board does not start: {said or exc}") from exc

    def stop(self) -> None:
        """Pull the plug."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    @property
    def _log(self) -> Path:
        return self.folder / "qemu.log"

    def _arguments(self) -> list[str]:
        network = f"user,id=net,tftp={_comma(self.tftp)},hostfwd=tcp:127.0.0.1:0-:22"
        return [
            *("-name", "board", "-nodefaults", "-no-user-config", "-display", "none"),
            *("-M", "virt,virtualization=on,gic-version=3", "-cpu", "cortex-a57"),
            *("-smp", str(self._cpus), "-m", str(self._memory), "-accel", "tcg,thread=multi,tb-size=512"),
            # Switched off; and neither a power-off from inside nor one from outside ends the process.
            *("-S", "-no-shutdown"),
            *("-qmp", f"unix:{_comma(self.folder / 'qmp')},server=on,wait=off"),
            *(
                "-chardev",
                "socket,id=line,host=127.0.0.1,port=0,server=on,wait=off",
                "-serial",
                "chardev:line",
            ),
            *("-bios", str(self.image.boot_loader)),
            # An empty disk, until one is deployed in its place.
            *("-blockdev", f"driver=null-co,node-name={DISK_NODE}-none,size=0"),
            *("-blockdev", f"driver=raw,node-name={DISK_NODE},file={DISK_NODE}-none"),
            *("-device", f"virtio-blk-device,drive={DISK_NODE}"),
            *("-netdev", network, "-device", "virtio-net-device,netdev=net"),
            *("-device", "virtio-rng-device"),
        ]

    def _find_ports(self, deadline: Deadline) -> None:
        """Ask QEMU which free ports it took."""
        with self._monitor(deadline) as monitor:
            lines = {one["label"]: one["filename"] for one in monitor.ask("query-chardev", {})}
            told = str(monitor.ask("human-monitor-command", {"command-line": "info usernet"}))
        self.serial_port = int(lines["line"].split(",")[0].rsplit(":", 1)[1])
        forwarded = re.search(r"HOST_FORWARD\S*\s+\S+\s+127\.0\.0\.1\s+(\d+)", told)
        if forwarded is None:
            raise InfrastructureError(f"it forwards no port: {told}")
        self.ssh_port = int(forwarded.group(1))

    def _monitor(self, deadline: Deadline) -> Monitor:
        """Wait until the monitor answers."""
        while True:
            try:
                return Monitor(self.monitor, deadline)
            except InfrastructureError:
                if not self.alive:
                    raise
            deadline.check()
            time.sleep(0.02)


def _same(source: Path, target: Path) -> None:
    """Make `target` a file with the same content, by a link where one is possible."""
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _comma(path: Path) -> str:
    """Return a path as QEMU's option parser wants it."""
    return str(path).replace(",", ",,")
