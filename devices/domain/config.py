"""The configuration of device types and boards, as values.

A board's configuration is its type's with the board's own laid over it, key by key.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SshConfig:
    """How to reach a host by ssh."""

    host: str
    port: int = 22
    user: str = "root"
    key_file: str = ""
    """Path of the private key on the worker. It authorises the key pair that is made for each job."""
    host_key: str = ""
    """The host's public key as in known_hosts (``ssh-ed25519 AAAA…``); any other is refused."""
    authorized_keys: str = ".ssh/authorized_keys"
    """The file on the host in which its sshd looks for the user's keys, absolute or below the home folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardConfig:
    """The effective configuration of a board."""

    ssh: SshConfig
    deploy: str = "none"
    """Deploy method. ``none``: the installed system is used as it is."""
    runs: tuple[str, ...] = ()
    """VM types that this host can run."""
    work_dir: str = "/tmp/labbook"
    """Folder on the host for job folders and the image cache; made if missing, only for the ssh user."""
    connect_timeout: float = 30
    """Seconds until an ssh connection must stand."""
    command_timeout: float = 60
    """Seconds for one small command on the host."""
    kvm: str = "auto"
    """``auto``: probe with a real guest and fall back to emulation; ``never``: always emulate."""
    cleanup_timeout: float = 60
    """Seconds for the whole clean-up."""
    cache_limit: int = 20 * 1024
    """MiB that the image cache on the host may use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmTypeConfig:
    """How a host starts a VM of a type."""

    qemu: str
    """The binary on the host, for example ``qemu-system-arm``."""
    machine: str
    cpu: str
    """CPU model under emulation."""
    kvm_machine: str = ""
    """Machine under KVM where it differs (``virt,gic-version=host``)."""
    kvm_cpu: str = "host"
    memory: int = 192
    """MiB."""
    cpus: int = 1
    console: str = "ttyS0"
    """Kernel name of the console that is the serial line."""
    bus: str = "pci"
    """Virtio transport: ``pci`` or ``device`` (memory mapped)."""
    kernel_args: str = ""
    """Added to the kernel command line."""
    extra_args: tuple[str, ...] = ()
    """Added to the qemu command line."""
    firmware: str = ""
    """UEFI firmware on the host for disk images that boot by themselves; empty: the machine's own (BIOS)."""
    kernel: str = ""
    """URL of the kernel for disk images that are a bare root file system."""
    ramdisk: str = ""
    """URL of the initramfs that goes with it."""
    prompts: tuple[str, ...] = (r"[#$] $",)
    """Regular expressions for a shell prompt."""
    login_prompt: str = ""
    username: str = ""
    password_prompt: str = ""
    password: str = ""
    boot_timeout: float = 300
    """Seconds from start to prompt."""
    reboot_between_shells: bool = True
    network: bool = True
    """Join the group's network."""
    extra: dict[str, str] = field(default_factory=dict)
    """Free values for launch templates."""
