"""Starting a VM: its command line, its script on the host, its process."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

from devices.domain.config import VmTypeConfig
from devices.drivers import qcow2
from devices.drivers.shell import HostShell, Terminal, quote
from jobs.domain.definition.model import Vm
from jobs.execution import scripts
from jobs.execution.host import Place
from jobs.execution.images import BootFiles
from jobs.execution.network import Network, mac
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

OVERLAY_SERIAL = "labbook"
"""Serial number of the read-only drive that carries the test overlay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmSpec:
    """Everything that decides how a VM is started."""

    node: int
    name: str
    vm: Vm
    config: VmTypeConfig
    files: BootFiles
    network: Network
    kvm: bool
    overlay: str = ""
    """Path on the host of the test overlay (a tar), empty if there is none."""

    @property
    def memory(self) -> int:
        return self.vm.memory or self.config.memory

    @property
    def cpus(self) -> int:
        return self.vm.cpus or self.config.cpus


def qemu_command(spec: VmSpec, disk: str) -> list[str]:
    """Return the command that starts a VM of the lab's VM types; `disk` is its throw-away overlay."""
    config, files = spec.config, spec.files
    command = [
        *(
            (config.kvm_qemu if spec.kvm else "") or config.qemu,
            "-name",
            spec.name,
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
        ),
        *("-M", (config.kvm_machine if spec.kvm else "") or config.machine),
        *("-accel", "kvm" if spec.kvm else "tcg", "-cpu", config.kvm_cpu if spec.kvm else config.cpu),
        *("-m", str(spec.memory), "-smp", str(spec.cpus)),
        # Without `signal=off` a Ctrl-C for the guest would end its VM.
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
    ]
    if files.firmware:
        command += ["-bios", files.firmware]
    if files.kernel:
        command += ["-kernel", files.kernel, "-append", kernel_arguments(spec), "-no-reboot"]
        command += ["-initrd", files.ramdisk] if files.ramdisk else []
        command += ["-dtb", files.dtb] if files.dtb else []
    return [*command, *_devices(spec, disk), *config.extra_args]


def _devices(spec: VmSpec, disk: str) -> list[str]:
    """Return disks and network cards: in the guest the disk is vda, the card of the group eth0."""
    bus, net = spec.config.bus, spec.network
    block, card = f"virtio-blk-{bus}", f"virtio-net-{bus}"
    rom = ",romfile=" if bus == "pci" else ""
    devices: list[tuple[str, str, str]] = []
    if disk:
        first = ",bootindex=0" if not spec.files.kernel else ""
        drive = f"file={_comma(disk)},format=qcow2,if=none,id=disk"
        devices.append(("-drive", drive, f"{block},drive=disk{first}"))
    if spec.overlay:
        drive = f"file={_comma(spec.overlay)},format=raw,readonly=on,if=none,id=overlay"
        devices.append(("-drive", drive, f"{block},drive=overlay,serial={OVERLAY_SERIAL}"))
    if spec.config.network:
        group = f"socket,id=group,mcast={net.group}:{net.port},localaddr=127.0.0.1"
        devices.append(("-netdev", group, f"{card},netdev=group,mac={mac(net, spec.node, 0)}{rom}"))
        devices.append(("-netdev", "user,id=user", f"{card},netdev=user,mac={mac(net, spec.node, 1)}{rom}"))
    if bus == "device":
        # Linux finds memory-mapped ones in the opposite order: QEMU gives them addresses from the top down.
        devices.reverse()
    return [word for kind, back, front in devices for word in (kind, back, "-device", front)]


def kernel_arguments(spec: VmSpec) -> str:
    """Return the kernel's command line. ``panic=-1`` makes a panic end the VM at once, where it is seen."""
    root = ["root=/dev/vda", "rw"] if spec.files.root_on_disk else []
    own = [f"console={spec.config.console}", "panic=-1", *root]
    return " ".join(word for word in (*own, spec.config.kernel_args, *spec.files.arguments) if word)


def _comma(path: str) -> str:
    """Return a path as QEMU's option parser wants it."""
    return path.replace(",", ",,")


def environment(spec: VmSpec, place: Place, disk: str, command: str) -> dict[str, str]:
    """Return what `launch_with` commands find in their environment (docs/job-definition.md)."""
    net = spec.network
    return {
        "LABBOOK_HANDLE": place.handle,
        "LABBOOK_NODE": spec.name,
        "LABBOOK_ROLE": spec.vm.role,
        "LABBOOK_INDEX": str(spec.node),
        "LABBOOK_FOLDER": place.folder,
        "LABBOOK_IMAGE": disk,
        "LABBOOK_KERNEL": spec.files.kernel,
        "LABBOOK_RAMDISK": spec.files.ramdisk,
        "LABBOOK_DTB": spec.files.dtb,
        "LABBOOK_OVERLAY": spec.overlay,
        "LABBOOK_MEMORY": str(spec.memory),
        "LABBOOK_CPUS": str(spec.cpus),
        "LABBOOK_ACCEL": "kvm" if spec.kvm else "tcg",
        "LABBOOK_NETDEV": f"socket,id=group,mcast={net.group}:{net.port},localaddr=127.0.0.1",
        "LABBOOK_MAC": mac(net, spec.node, 0),
        "LABBOOK_MAC_USER": mac(net, spec.node, 1),
        "LABBOOK_ADDRESS": net.address(spec.node),
        "LABBOOK_COMMAND": command,
    }


def launch_script(
    pid_file: str, commands: tuple[str, ...], variables: Mapping[str, str], *, relayed: bool = False
) -> str:
    """Return the script of a VM: records its process, runs the commands, and the last takes its place.

    `relayed`: what the last one prints is gathered into larger pieces (see `scripts.RELAY`).
    """
    exports = [f"export {name}={quote(value)}" for name, value in variables.items()]
    *before, last = commands
    return "\n".join(
        [
            "#!/bin/sh",
            # onlcr: what the guest prints shall be recorded as it printed it
            "stty raw -echo -onlcr 2>/dev/null || :",
            scripts.HANDLE.format(pid_file=quote(pid_file)),
            *exports,
            f"cd {quote(variables['LABBOOK_FOLDER'])} || exit",
            *(f"{command}\n[ $? = 0 ] || exit" for command in before),
            scripts.RELAY.format(command=last) if relayed else f"exec {last}" if _simple(last) else last,
            "",
        ]
    )


def _simple(command: str) -> bool:
    """Say whether a command may be put behind ``exec``: no list, no pipe, no assignment before it."""
    first = command.split(maxsplit=1)[0] if command.strip() else ""
    return not any(mark in command for mark in "|&;\n(){}") and "=" not in first and first != "exec"


class VmProcess:
    """A VM as a process on the host; it may be started more than once (a reboot between shells)."""

    def __init__(self, shell: HostShell, place: Place, spec: VmSpec) -> None:
        self._shell, self._place, self.spec = shell, place, spec
        self.disk = place.path(f"vm-{spec.node}.qcow2") if spec.files.disk else ""
        self._script = place.path(f"vm-{spec.node}.sh")
        self.pid_file = place.path(f"vm-{spec.node}.pid")

    def prepare(self, deadline: Deadline) -> str:
        """Write the throw-away disk and the launch script; returns the command that will run."""
        spec = self.spec
        if self.disk:
            content = qcow2.overlay(spec.files.disk, spec.files.disk_format, spec.files.disk_size)
            self._shell.put(io.BytesIO(content), self.disk, deadline)
        command = quote(*qemu_command(spec, self.disk))
        script = launch_script(
            self.pid_file,
            spec.vm.launch_with or (command,),
            environment(spec, self._place, self.disk, command),
            relayed=not spec.vm.launch_with,
        )
        self._shell.put(io.BytesIO(script.encode()), self._script, deadline, mode=0o700)
        return spec.vm.launch_with[-1] if spec.vm.launch_with else command

    def start(self, deadline: Deadline) -> Terminal:
        """Start it; the terminal is its console, and it dies with the terminal."""
        return self._shell.terminal(f"rm -f {quote(self.pid_file)}; exec sh {quote(self._script)}", deadline)

    def pid(self, deadline: Deadline) -> int | None:
        """Return the process's number on the host."""
        words = (self._shell.read(self.pid_file, deadline) or b"").split()
        return int(words[0]) if len(words) == 2 and words[0].isdigit() else None

    def kill(self, deadline: Deadline) -> None:
        """End the process by its handle and see that it is gone."""
        kill_by_handle(self._shell, [self.pid_file], deadline)


def kill_by_handle(shell: HostShell, pid_files: list[str], deadline: Deadline, grace: float = 1) -> None:
    """End the processes recorded in files: asked first, forced after `grace` seconds.

    Raises `InfrastructureError` if one is still there afterwards.
    """
    files = quote(*pid_files)
    script = (
        scripts.KILL.format(pid_files=files, signal="TERM")
        + f"alive() {{ {scripts.ALIVE.format(pid_files=files)} }}\n"
        + f'tries=0; while [ -n "$(alive)" ] && [ $tries -lt {int(grace * 20)} ]; do\n'
        + "  tries=$((tries + 1)); sleep 0.05 2>/dev/null || sleep 1; done\n"
        + '[ -z "$(alive)" ] && exit 0\n'
        + scripts.KILL.format(pid_files=files, signal="KILL")
        + 'tries=0; while [ -n "$(alive)" ] && [ $tries -lt 60 ]; do\n'
        + "  tries=$((tries + 1)); sleep 0.05 2>/dev/null || sleep 1; done\n"
        + "alive\n"
    )
    done = shell.run(script, deadline).expect_ok("processes of the job could not be ended")
    if done.text.strip():
        raise InfrastructureError(
            f"processes of the job on {shell.name} do not end, even when killed: {done.text.split()}"
        )
