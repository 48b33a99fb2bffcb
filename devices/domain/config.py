"""The configuration of device types and boards, as values.

A board's configuration is its type's with the board's own laid over it, key by key. What a board has not got
(a serial console, a power switch) stays at its default and is never asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SshConfig:
    """How to reach a host by ssh."""

    host: str = ""
    """Empty where the address is read from the booted host's console (`BootConfig.address`)."""
    port: int = 22
    user: str = "root"
    key_file: str = ""
    """Path of the private key on the worker. It authorises the key pair that is made for each job."""
    host_key: str = ""
    """The host's public key as in known_hosts (``ssh-ed25519 AAAA…``); any other is refused."""
    authorized_keys: str = ".ssh/authorized_keys"
    """The file on the host in which its sshd looks for the user's keys, absolute or below the home folder."""
    patience: float = 20
    """Seconds that the host may take to answer at all, or to end a process, before it counts as lost; more
    where it is slow, as an emulated one is."""
    probe_every: float = 5
    """Seconds between two questions whether the host still answers."""
    proof_timeout: float = 6
    """Seconds that the host has to prove that it lives when its console says that it crashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleConfig:
    """A board's serial console, as the worker reaches it. Neither `url` nor `command`: there is none."""

    url: str = ""
    """A serial device (``/dev/ttyUSB0``) or a URL that pyserial opens (``socket://``, ``rfc2217://``)."""
    command: tuple[str, ...] = ()
    """Program and arguments that attach to the console on a terminal (conserver, telnet)."""
    baud: int = 115200
    """Bits per second; for devices and rfc2217."""
    char_delay: float = 0
    """Seconds between two characters that are typed."""
    line_delay: float = 0
    """Seconds after each line that is typed."""
    line_end: str = "cr"
    """What the Enter key sends: ``cr`` as real terminals do (boot loaders, Linux and UEFI take it), ``lf`` or
    ``crlf``."""
    reconnect: float = 60
    """Seconds within which a connection that drops must be back, or the job ends; 0: it is not made anew."""
    open_timeout: float = 30
    """Seconds until the console must be open when a job begins."""
    speak_timeout: float = 30
    """Seconds after power on in which something must have been printed when the connections are tested."""
    taken_timeout: float = 10
    """Seconds for which a console that somebody else has open is tried again: they may just be leaving."""
    connect_timeout: float = 10
    """Seconds for one TCP connection to stand."""

    @property
    def present(self) -> bool:
        return bool(self.url or self.command)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerConfig:
    """A board's power switch. Which keys count depends on `method`."""

    method: str = ""
    """Empty: always on. ``command``, ``http``, ``pdudaemon`` or ``qmp``."""
    on: str = ""
    """``command``: a shell command line on the worker. ``http``: a URL, with the verb before it if it is not
    GET, and what to send after it (``PUT http://pdu/outlet/3 {"on": true}``). ``{name}`` stands for a value
    of `BoardConfig.extra`, quoted as its place asks for."""
    off: str = ""
    cycle: str = ""
    """Off and on again in one go, where the switch can; otherwise it is switched off, then on."""
    status: str = ""
    """Prints or answers the state of the outlet."""
    on_pattern: str = "(?i)\\bon\\b|running"
    """Regular expression for the answer of `status` when the outlet is on."""
    off_pattern: str = "(?i)\\boff\\b"
    headers: dict[str, str] = field(default_factory=dict)
    """``http``: sent with every request. A secret belongs into `credentials`."""
    credentials: str = ""
    """``http``, ``pdudaemon``: path of a file on the worker that holds ``user:password`` or one header
    (``Authorization: Bearer …``)."""
    certificate: str = ""
    """``http``, ``pdudaemon``: path of a PEM file on the worker with the certificates to believe, in place of
    the system's."""
    url: str = ""
    """``pdudaemon``: where it listens, ``http://host:16421``."""
    pdu: str = ""
    """``pdudaemon``: the name of the PDU in its configuration."""
    port: str = ""
    """``pdudaemon``: the outlet."""
    socket: str = ""
    """``qmp``: QEMU's monitor, ``unix:/path`` or ``host:port``."""
    off_seconds: float = 1
    """How long the board stays without power when it is switched off and on."""
    attempts: int = 3
    """How often a switch that fails, or does not do what it was told, is asked."""
    retry_delay: float = 2
    """Seconds between two attempts."""
    timeout: float = 30
    """Seconds for one request to the switch."""

    @property
    def present(self) -> bool:
        return bool(self.method)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderStep:
    """One thing to wait for on the console before the kernel runs, and what to type then."""

    expect: str
    """Regular expression."""
    send: str = ""
    """A line to type; ``{kernel}``, ``{ramdisk}``, … stand for what was deployed. Empty: nothing. A step that
    names a ``{ramdisk}``, ``{dtb}``, ``{rootfs}`` or ``{firmware}`` is left out where none was deployed."""
    newline: bool = True
    """Whether a line end follows; not so for the key that stops a countdown."""
    within: float = 60
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long is waited for what a machine says on its console; more where it is slow."""

    answer: float = 5
    """Seconds that a shell has to answer before what looked like its prompt is taken for mere text, and of
    silence before it is asked once more how a command ended. In tests of the connections: that something has
    to answer to Enter."""
    nudge: float = 3
    """Seconds of silence in a boot before Enter is typed: a kernel message may have hidden the prompt."""
    nudge_login: float = 15
    """The same once a user name was typed: Enter would then be taken for an empty password."""
    typing: float = 20
    """Seconds in which the console must take what is typed."""
    exit: float = 15
    """Seconds that the shell has to say how the test runner ended, after the runner said that it ends."""
    panic: float = 5
    """Seconds of silence after a kernel's last words until a test shell is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootConfig:
    """From power on to a shell on the board's console, and from there to ssh."""

    loader: tuple[LoaderStep, ...] = ()
    """The conversation with the boot loader, in order."""
    loader_prompt: str = ""
    """Regular expression; a definition's ``boot_cmds`` are typed at it in place of what comes after it in
    `loader`."""
    loader_timeout: float = 60
    """Seconds until that prompt must come, and come back after each of the ``boot_cmds``."""
    login_prompt: str = ""
    username: str = ""
    password_prompt: str = ""
    password: str = ""
    login_commands: tuple[str, ...] = ()
    prompts: tuple[str, ...] = (r"[#$] $",)
    """Regular expressions for a shell prompt."""
    timeout: float = 300
    """Seconds from power on to the shell prompt."""
    attempts: int = 1
    """How often the board is power-cycled and booted before it counts as failed."""
    address_command: str = "ip -4 -o addr show scope global"
    """Typed at the prompt to find the board's address."""
    address: str = ""
    """Regular expression with one group for the address in the output of `address_command`, or in what the
    board prints while it boots if `address_command` is empty. Needed where ``ssh.host`` is empty."""
    host_key_command: str = "cat /etc/ssh/ssh_host_*_key.pub"
    """Typed at the prompt to read the host's public ssh keys where ``ssh.host_key`` is empty: what the
    board's own console says is trusted, so an image that makes new keys at its first boot needs no words."""
    ssh_timeout: float = 120
    """Seconds from the shell prompt until ssh answers."""
    reboot_between_shells: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuDeploy:
    """``qemu``: the image becomes the disk of an emulated board."""

    folder: str = ""
    """On the worker; ``disk``, ``kernel``, ``ramdisk``, ``dtb`` and ``firmware`` are placed in it under these
    names while the board is off."""
    node: str = ""
    """QEMU's name of the block node (driver ``raw``) that stands before the disk, where one QEMU stays while
    the board is off and on: it is told which disk is in, by the monitor at ``power.socket``. Empty: QEMU is
    started anew and finds the disk itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Netboot:
    """``netboot``: files are placed where the boot loader fetches them."""

    folder: str = ""
    """Root of the TFTP or HTTP server, on the worker."""
    prefix: str = ""
    """What the boot loader says before a file's path below `folder`: empty for TFTP, or a URL."""
    server: str = ""
    """Address of the server as the board sees it, ``{server}`` for the boot loader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployCommands:
    """``command``: the site's own commands write the image."""

    before: tuple[str, ...] = ()
    """Shell command lines on the worker, run before power on (``{image}``, ``{kernel}``, …)."""
    after: tuple[str, ...] = ()
    """Run when the job is over, whatever happened."""
    timeout: float = 3600
    """Seconds for one command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """How it is found out that a board is in order."""

    definition: str = ""
    """A whole definition, JSON or YAML. Empty: there is no health check."""
    every: float = 0
    """Hours after which it is run again while the board is free; 0: only on demand and after repair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardConfig:
    """The effective configuration of a board."""

    ssh: SshConfig
    console: ConsoleConfig = ConsoleConfig()
    power: PowerConfig = PowerConfig()
    boot: BootConfig = BootConfig()
    waits: Waits = Waits()
    deploy: str = "none"
    """Deploy method. ``none``: the installed system is used as it is. ``qemu``, ``netboot``, ``command``."""
    qemu: QemuDeploy = QemuDeploy()
    netboot: Netboot = Netboot()
    commands: DeployCommands = DeployCommands()
    volatile: bool = False
    """Whether nothing that a job writes on the board outlives the next power on (memory file system, or the
    deploy method writes everything anew)."""
    health: HealthCheck = HealthCheck()
    extra: dict[str, str] = field(default_factory=dict)
    """Free values for `boot.loader`, `power` and `commands`, as ``{name}``."""
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
    kvm_timeout: float = 6
    """Seconds that this guest may take; more where the host is slow, as an emulated one is."""
    cleanup_timeout: float = 60
    """Seconds for the whole clean-up."""
    stuck_timeout: float = 3
    """Seconds that all nodes of a group must wait for each other in vain before their waits are refused: a
    test may send from the background."""
    cache_limit: int = 20 * 1024
    """MiB that the image cache on the host may use."""

    @property
    def leave_timeout(self) -> float:
        """Seconds until the board must have been left clean, or given up.

        One that does not answer may have to be booted for it.
        """
        boots = self.power.present and not self.volatile
        return self.cleanup_timeout + (self.boot.timeout + self.boot.ssh_timeout if boots else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class VmTypeConfig:
    """How a host starts a VM of a type."""

    qemu: str = ""
    """The binary on the host, as ``qemu-system-arm``. Needed without `launch`, as are machine and cpu."""
    machine: str = ""
    cpu: str = ""
    """CPU model under emulation."""
    kvm_qemu: str = ""
    """The binary under KVM where it differs: 32-bit ARM on a 64-bit host takes ``qemu-system-aarch64``."""
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
    start_timeout: float = 20
    """Seconds in which the host must have told the process number of a VM that it starts."""
    waits: Waits = Waits()
    reboot_between_shells: bool = True
    network: bool = True
    """Join the group's network."""
    launch: tuple[str, ...] = ()
    """Commands on the host that start a VM, in place of qemu's own; the last one attaches to the console.
    They find in their environment what those of ``launch_with`` find (docs/job-definition.md)."""
    stop: tuple[str, ...] = ()
    """Commands on the host that end a VM which does not die with its console; with the environment of
    `launch`. They run when a VM is to end, and again when the host is cleaned, so they must not mind a VM
    that is gone. The exit status of the last one says whether it is."""
    requires: tuple[str, ...] = ()
    """Programs that `launch` needs on the host; `qemu`, where it is given, is needed without being named."""
    extra: dict[str, str] = field(default_factory=dict)
    """Free values for `launch` and `stop`: ``bridge`` is ``$LABBOOK_EXTRA_BRIDGE`` there."""

    @property
    def programs(self) -> tuple[str, ...]:
        """What must be installed on a host that is to run such VMs."""
        return tuple(dict.fromkeys(name for name in (*self.requires, self.qemu) if name))
