"""The board's image: Debian with sshd and QEMU, on a disk that the board's kernel mounts as its root.

Two steps, neither of which needs root, or a kernel here that runs programs of another architecture.
Packages are unpacked (`lab.demo.board.root`); then the image boots once, in an emulated machine, and
configures itself.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.demo.board.root import Root
from lab.demo.images import GuestImages, disks
from lab.demo.images import build as build_guest
from lab.demo.images.errors import ImageError
from lab.demo.images.packages import Archive, alone, unpack

ARCHITECTURE = "arm64"
PACKAGES = (
    # Everything essential, and apt's own way to say so.
    *("?essential", "usr-is-merged", "base-passwd", "login", "passwd"),
    # What jobs need of a host.
    *("openssh-server", "qemu-system-arm", "iproute2", "mount", "procps"),
    # The first program, and DHCP.
    "busybox-static",
)
MEBIBYTES = 2048
"""Size of the disk; what is not used takes no space in its file."""
CONFIGURED = "board: configured"
CONFIGURE_TIMEOUT = 1200.0
"""Seconds that the first boot may take; some 90 on an idle machine."""
BOOT_LOADER = "./usr/lib/u-boot/qemu_arm64/u-boot.bin"
HOST_NAME = "board"
FILES = Path(__file__).parent / "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardImage:
    """Where the parts lie."""

    folder: Path
    guest: GuestImages
    """Kernel and initramfs of the board are those of 64-bit ARM guests."""

    @property
    def disk(self) -> Path:
        """The image to deploy."""
        return self.folder / f"board-{ARCHITECTURE}.qcow2"

    @property
    def boot_loader(self) -> Path:
        return self.folder / f"board-{ARCHITECTURE}.u-boot"

    @property
    def key_file(self) -> Path:
        """The private key with which root may log in."""
        return self.folder / f"board-{ARCHITECTURE}.key"

    @property
    def host_key_file(self) -> Path:
        return self.folder / f"board-{ARCHITECTURE}.host-key.pub"

    @property
    def host_key(self) -> str:
        """The board's public key, as known_hosts has it."""
        return " ".join(self.host_key_file.read_text().split()[:2])

    @property
    def stamp(self) -> Path:
        return self.folder / f"board-{ARCHITECTURE}.json"

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.disk, self.boot_loader, self.key_file, self.host_key_file)


def build(folder: Path) -> BoardImage:
    """Make sure that the board's image is in the folder; raises `ImageError`.

    Whoever wants it while somebody else builds it waits for that.
    """
    image = BoardImage(folder=folder, guest=build_guest(ARCHITECTURE, folder))
    if is_current(image):
        return image
    work = folder / ".work"
    with alone(work / "board"):
        if not is_current(image):
            _build(image, work)
    return image


def is_current(image: BoardImage) -> bool:
    """Whether everything is there, made by this recipe."""
    try:
        stamp = json.loads(image.stamp.read_text())
        return stamp["recipe"] == recipe() and all(
            (image.folder / name).stat().st_size == known["size"] for name, known in stamp["files"].items()
        )
    except (FileNotFoundError, ValueError, KeyError):
        return False


def recipe() -> str:
    """Return a digest of what decides what the image is."""
    digest = hashlib.sha256()
    for path in sorted([Path(__file__), Path(__file__).with_name("root.py"), *FILES.iterdir()]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _build(image: BoardImage, work: Path) -> None:
    archive = Archive(work / f"apt-{ARCHITECTURE}", ARCHITECTURE)
    packages = archive.fetch_system(PACKAGES)
    loader = archive.fetch("u-boot-qemu")
    with tempfile.TemporaryDirectory(prefix="build-", dir=work / "board") as temporary:
        scratch = Path(temporary)
        new = BoardImage(folder=scratch, guest=image.guest)
        (boot_loader,) = unpack(loader, lambda path: path == BOOT_LOADER).values()
        new.boot_loader.write_bytes(boot_loader)
        host_key = scratch / "host_key"
        _key(host_key, HOST_NAME)
        _key(new.key_file, "lab")
        new.host_key_file.write_text(host_key.with_suffix(".pub").read_text())
        (scratch / "root").mkdir()
        root = Root(scratch / "root")
        for package in packages:
            root.unpack(package)
        _configuration(root, host_key, new.key_file.with_suffix(".key.pub").read_text())
        raw = scratch / "disk.raw"
        root.ext4(raw, MEBIBYTES, "board-root")
        _configure(raw, image.guest, scratch / "console.log")
        disks.qcow2(raw, new.disk)
        _publish(new, image, [*packages, loader])


def _configuration(root: Root, host_key: Path, login_key: str) -> None:
    """Add what is the board's own."""
    root.link("sbin/init", "/usr/share/board/configure")
    for path in sorted(FILES.iterdir()):
        root.file(f"usr/share/board/{path.name}", path.read_bytes(), path.stat().st_mode & 0o755)
    root.link("usr/local/bin/qemu-system-aarch64", "/usr/share/board/qemu-system-aarch64")
    # While packages are configured nothing is to be started.
    root.file("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    root.file("etc/hostname", f"{HOST_NAME}\n")
    root.file("etc/hosts", f"127.0.0.1 localhost {HOST_NAME}\n")
    root.file("etc/fstab", "LABEL=board-root / ext4 defaults 0 0\n")
    root.file("etc/ssh/ssh_host_ed25519_key", host_key.read_bytes(), 0o600)
    root.file("etc/ssh/ssh_host_ed25519_key.pub", host_key.with_suffix(".pub").read_bytes())
    root.file(
        "etc/ssh/sshd_config.d/board.conf",
        "HostKey /etc/ssh/ssh_host_ed25519_key\nPermitRootLogin prohibit-password\n"
        "UseDNS no\nUsePAM no\nPrintMotd no\nPrintLastLog no\n"
        # Or bash reads its start-up files for every single command.
        "SetEnv SHLVL=1\n"
        # A job takes a session for each VM, and some; ten is the default.
        "MaxSessions 100\nMaxStartups 100\n",
    )
    root.folder("root", 0o700)
    root.folder("root/.ssh", 0o700)
    root.file("root/.ssh/authorized_keys", login_key, 0o600)


def _configure(disk: Path, guest: GuestImages, log: Path) -> None:
    """Boot the disk once; raises `ImageError` with what it said if it does not get through."""
    command = [
        *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-smp", "2", "-m", "1024"),
        *("-accel", "tcg,thread=multi", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-kernel", str(guest.kernel), "-initrd", str(guest.initramfs)),
        *("-append", f"console={guest.architecture.console} root=/dev/vda panic=-1 quiet"),
        *("-drive", f"file={disk},format=raw,if=none,id=disk,cache=unsafe,discard=unmap"),
        *("-device", "virtio-blk-device,drive=disk", "-device", "virtio-rng-device"),
        *("-serial", f"file:{log}"),
    ]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CONFIGURE_TIMEOUT
        )
    except FileNotFoundError as exc:
        raise ImageError("qemu-system-aarch64 is not installed; `make setup` installs it.") from exc
    except subprocess.TimeoutExpired as exc:
        raise ImageError(
            f"the board's packages were not configured within {CONFIGURE_TIMEOUT:.0f} s. {_said(log)}"
        ) from exc
    if done.returncode or CONFIGURED not in log.read_text(errors="replace"):
        raise ImageError(f"the board's packages cannot be configured. {done.stderr[-500:]}{_said(log)}")


def _said(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "It said last:\n" + "\n".join(lines[-15:]) if lines else "It said nothing."


def _key(path: Path, comment: str) -> None:
    """Make a key pair; the public part gets ``.pub`` behind the name."""
    disks.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path))


def _publish(new: BoardImage, image: BoardImage, packages: list[Path]) -> None:
    """Move what was built into place, the stamp last."""
    image.stamp.unlink(missing_ok=True)
    files = {}
    for made, wanted in zip(new.files, image.files, strict=True):
        with made.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        files[wanted.name] = {"size": made.stat().st_size, "sha256": sha256}
        made.replace(wanted)
    stamp = {"recipe": recipe(), "packages": sorted(p.name for p in packages), "files": files}
    temporary = image.stamp.with_suffix(".tmp")
    temporary.write_text(json.dumps(stamp, indent=1) + "\n")
    temporary.replace(image.stamp)
