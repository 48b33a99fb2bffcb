"""The kernel and the few of its modules that a guest needs, out of Debian's package."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lab.demo.images.errors import ImageError
from lab.demo.images.packages import unpack

# What the initramfs may load, and what that needs. Some are built into one architecture's kernel and are
# modules of another's; what a kernel has not at all is left out.
MODULES = {
    *("virtio", "virtio_ring", "virtio_pci", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_mmio"),
    *("virtio_blk", "failover", "net_failover", "virtio_net", "virtio_console", "virtio-rng", "rng-core"),
    *("ext4", "jbd2", "mbcache", "crc16", "crc32c_generic", "libcrc32c"),
    *("fat", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1", "cdrom", "isofs", "squashfs"),
    *("netfs", "fscache", "9pnet", "9p", "9pnet_virtio"),
    *("af_packet",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One kernel: its release, its image, its modules by path below ``lib/modules/<release>``."""

    release: str
    image: bytes
    modules: dict[str, bytes]

    def dependencies(self) -> str:
        """Return ``modules.dep``: a line per module, with what it needs; modprobe loads the last one first.

        Raises `ImageError` where a module is missing from `MODULES`.
        """
        paths = {_name(path): path for path in self.modules}
        lines = []
        for path in sorted(self.modules):
            order: list[str] = []
            self._visit(path, paths, order)
            lines.append(f"{path}: {' '.join(reversed(order[:-1]))}".rstrip())
        return "\n".join(lines) + "\n"

    def _visit(self, path: str, paths: dict[str, str], order: list[str]) -> None:
        """Add the module to `order`, behind everything it needs."""
        for name in _direct_needs(self.modules[path]):
            if name not in paths:
                raise ImageError(
                    f"the kernel module {path} needs {name}, which is not in the builder's list."
                )
            if paths[name] not in order:
                self._visit(paths[name], paths, order)
        if path not in order:
            order.append(path)


def read_kernel(package: Path) -> Kernel:
    """Take the kernel out of its package; raises `ImageError`."""
    wanted = {_name(name) for name in MODULES}

    def is_wanted(path: str) -> bool:
        if path.startswith("./boot/vmlinuz-"):
            return True
        return path.endswith(".ko") and _name(path) in wanted

    files = unpack(package, is_wanted)
    images = [path for path in files if path.startswith("./boot/")]
    if len(images) != 1:
        raise ImageError(f"{package.name} holds {len(images)} kernels, one was expected.")
    release = images[0].removeprefix("./boot/vmlinuz-")
    folder = f"/lib/modules/{release}/"
    modules = {path.split(folder, 1)[1]: data for path, data in files.items() if folder in path}
    return Kernel(release=release, image=files[images[0]], modules=modules)


def _name(path: str) -> str:
    """Modules are named with ``-`` or ``_`` as it pleases; the kernel sees no difference."""
    return PurePosixPath(path).name.removesuffix(".ko").replace("-", "_")


def _direct_needs(content: bytes) -> list[str]:
    match = re.search(rb"\0depends=([^\0]*)\0", content)
    names = match.group(1).decode().split(",") if match and match.group(1) else []
    return [_name(name) for name in names]
