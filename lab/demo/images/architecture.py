"""What differs between the architectures of the guests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One architecture, under Debian's name for it."""

    name: str
    kernel_package: str
    """Meta package that depends on the current kernel."""
    console: str
    """Kernel name of the first serial line of the emulated machine."""
    boot_loader: str = ""
    """systemd-boot's file name; empty where the disk boots by BIOS."""
    boot_file: str = ""
    """Where UEFI firmware looks on a disk nobody has told it about."""
    firmware_package: str = ""
    firmware: str = ""
    """Path of the UEFI firmware inside that package."""


AMD64 = Architecture(name="amd64", kernel_package="linux-image-cloud-amd64", console="ttyS0")
ARM64 = Architecture(
    name="arm64",
    kernel_package="linux-image-arm64",
    console="ttyAMA0",
    boot_loader="systemd-bootaa64.efi",
    boot_file="BOOTAA64.EFI",
    firmware_package="qemu-efi-aarch64",
    firmware="./usr/share/AAVMF/AAVMF_CODE.fd",
)
ARMHF = Architecture(
    name="armhf",
    kernel_package="linux-image-armmp-lpae",
    console="ttyAMA0",
    boot_loader="systemd-bootarm.efi",
    boot_file="BOOTARM.EFI",
    firmware_package="qemu-efi-arm",
    firmware="./usr/share/AAVMF/AAVMF32_CODE.fd",
)

ARCHITECTURES = {architecture.name: architecture for architecture in (AMD64, ARM64, ARMHF)}
