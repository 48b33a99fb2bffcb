"""The guest's own files: busybox, its links, a minimal ``/etc``, and the scripts in ``guest/``."""

from __future__ import annotations

from pathlib import Path

from lab.demo.images.errors import ImageError
from lab.demo.images.kernel import Kernel
from lab.demo.images.tree import Tree

SCRIPTS = Path(__file__).parent / "guest"

# `root` needs no password; `tester` (password: guest) is there for tests of logging in.
_PASSWORD = (
    "$6$labbook$sPRmpaWnf2WTbKBdrwMNAC7K959d3vU2BrPSDdAMGfSNM3hODrvPUFRBRPX2eIVhPCpOl4McPb6XJhUaF30YI/"
)
_PASSWD = f"root:x:0:0:root:/root:/bin/sh\ntester:{_PASSWORD}:1000:1000:tester:/tmp:/bin/sh\n"


def system(busybox: bytes, kernel: Kernel) -> Tree:
    """Return what the initramfs and the root file systems share; raises `ImageError`."""
    tree = Tree()
    for folder in ("dev", "proc", "sys", "run", "mnt", "usr/bin", "usr/sbin", "var/log", "var/tmp"):
        tree.folder(folder)
    tree.folder("root", 0o700)
    tree.folder("tmp", 0o1777)
    tree.file("bin/busybox", busybox, 0o755)
    for applet in applets(busybox):
        if applet != "busybox":
            tree.link(f"bin/{applet}", "busybox")
    tree.link("sbin/init", "/bin/busybox")
    tree.file("etc/passwd", _PASSWD)
    tree.file("etc/shadow", "root::19000:0:99999:7:::\n", 0o600)
    tree.file("etc/group", "root:x:0:\n")
    tree.file("etc/hostname", "vm\n")
    tree.file("etc/hosts", "127.0.0.1 localhost\n")
    tree.file("etc/os-release", 'ID=labbook-guest\nPRETTY_NAME="Labbook guest (busybox, Debian kernel)"\n')
    tree.file("etc/profile", (SCRIPTS / "profile").read_bytes())
    for script in ("rc", "udhcpc.sh"):
        tree.file(f"etc/{script}", (SCRIPTS / script).read_bytes(), 0o755)
    for path, content in kernel.modules.items():
        tree.file(f"lib/modules/{kernel.release}/{path}", content)
    tree.file(f"lib/modules/{kernel.release}/modules.dep", kernel.dependencies())
    return tree


def initramfs(busybox: bytes, kernel: Kernel) -> bytes:
    """Return the initramfs, not compressed: unpacking it takes the guest longer than reading it."""
    tree = system(busybox, kernel)
    tree.device("dev/console", 5, 1)
    tree.file("init", (SCRIPTS / "init").read_bytes(), 0o755)
    return tree.cpio()


def applets(busybox: bytes) -> list[str]:
    """Return the names busybox answers to, from its own table (it may be of another architecture).

    The table is one sorted run of strings, each ended by a zero byte.
    """
    start = busybox.find(b"[\0[[\0")
    end = busybox.find(b"\0\0", start)
    names = busybox[start:end].decode("ascii", "replace").split("\0") if start >= 0 else []
    if missing := {"sh", "mount", "switch_root", "modprobe", "ip", "nc", "tar", "base64"} - set(names):
        raise ImageError(f"this busybox-static has no {', '.join(sorted(missing))}; guests need it.")
    return names
