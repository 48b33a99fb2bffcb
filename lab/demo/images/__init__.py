"""Guest images for a lab that fits in one machine, made from Debian packages.

For each architecture the builder leaves, in one folder and named ``guest-<arch>.<what>``:

``vmlinuz``
    Debian's kernel, as packaged.
``initramfs``
    Busybox and the virtio drivers: a root shell on the serial console, or, with ``root=``, the way to a disk.
``rootfs.qcow2``
    A bare ext4 file system, for ``root=/dev/vda`` with that kernel and initramfs.
``disk.qcow2``
    A disk that boots by itself: amd64 by BIOS (syslinux), arm64 and armhf by UEFI (systemd-boot).
``firmware`` (arm64 and armhf)
    The UEFI firmware such a disk needs, for ``qemu -bios``.
``json``
    What it was made from. A second build with the same recipe finds everything there and does nothing.

Nothing needs root, nothing is installed: packages come through a private apt of the guest's architecture that
uses the system's own sources. The same packages give the same bytes.

``python -m lab.demo.images --out FOLDER [--arch ARCH …]`` builds from the command line.
"""

from __future__ import annotations

from lab.demo.images.architecture import ARCHITECTURES, Architecture
from lab.demo.images.build import GuestImages, ImageError, build, build_all

__all__ = ["ARCHITECTURES", "Architecture", "GuestImages", "ImageError", "build", "build_all"]
