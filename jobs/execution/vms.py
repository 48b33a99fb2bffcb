"""Starting a VM: its command line, its script on the host, its process."""

from __future__ import annotations

import io
from dataclasses import replace

from devices.drivers import qcow2
from devices.drivers.shell import HostShell, Terminal, quote
from jobs.execution import launch, scripts
from jobs.execution.host import Place
from jobs.execution.host_files import looked_at
from jobs.execution.network import mac
from jobs.execution.spec import VmSpec, kernel_arguments
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

OVERLAY_SERIAL = "labbook"
"""Serial number of the read-only drive that carries the test overlay."""


def qemu_command(spec: VmSpec, disk: str) -> list[str]:
    """Return the command that starts a VM of the lab's VM types; `disk` is its throw-away overlay."""
    config, files = spec.config, spec.files
    command = [
        (config.kvm_qemu if spec.kvm else "") or config.qemu,
        *("-name", spec.name, "-nodefaults", "-no-user-config", "-display", "none"),
        *("-M", (config.kvm_machine if spec.kvm else "") or config.machine),
        *("-accel", "kvm" if spec.kvm else "tcg", "-cpu", config.kvm_cpu if spec.kvm else config.cpu),
        *("-m", str(spec.memory), "-smp", str(spec.cpus)),
        # Without `signal=off` a Ctrl-C for the guest would end its VM.
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
    ]
    if spec.firmware:
        command += ["-bios", spec.firmware]
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


def _comma(path: str) -> str:
    """Return a path as QEMU's option parser wants it."""
    return path.replace(",", ",,")


class VmProcess:
    """A VM as a process on the host; it may be started more than once (a reboot between shells)."""

    def __init__(self, shell: HostShell, place: Place, spec: VmSpec) -> None:
        self._shell, self._place, self.spec = shell, place, spec
        self.disk = place.path(f"vm-{spec.node}.qcow2") if spec.files.disk else ""
        self._script = place.path(f"vm-{spec.node}.sh")
        self._stop = place.path(f"vm-{spec.node}.stop")
        self._failed = place.path(f"vm-{spec.node}.failed")
        self.pid_file = place.path(f"vm-{spec.node}.pid")
        self._prepared = False

    def prepare(self, deadline: Deadline) -> None:
        """Write the throw-away disk and the scripts, unless what it boots is still to be made on the host.

        Then it is done at the first start. Raises `DefinitionFault` for a file that is not there by then.
        """
        if not self.spec.files.on_host:
            self._write(deadline)

    def _write(self, deadline: Deadline) -> None:
        spec = self.spec = replace(
            self.spec, files=looked_at(self._shell, self.spec.files, deadline, strict=not self.spec.commands)
        )
        if self.disk:
            content = qcow2.overlay(spec.files.disk, spec.files.disk_format, spec.files.disk_size)
            self._shell.put(io.BytesIO(content), self.disk, deadline)
        variables = launch.environment(spec, self._place, self.disk, self._own_command())
        script = launch.launch_script(
            self.pid_file,
            spec.commands or (self._own_command(),),
            variables,
            failed=self._failed,
            relayed=not spec.commands,
        )
        self._shell.put(io.BytesIO(script.encode()), self._script, deadline, mode=0o700)
        if spec.config.stop:
            script = launch.stop_script(spec.config.stop, variables)
            self._shell.put(io.BytesIO(script.encode()), self._stop, deadline, mode=0o700)
        self._prepared = True

    @property
    def overlay_drive(self) -> str:
        """What a Linux guest calls the drive with the tests, if it has ours and no others; empty: has none.

        The disk, where there is one, comes before it: see `_devices`.
        """
        if not self.spec.overlay:
            return ""
        return "vdb" if self.disk else "vda"

    def _own_command(self) -> str:
        return quote(*qemu_command(self.spec, self.disk)) if self.spec.config.qemu else ""

    @property
    def command(self) -> str:
        """What is run on the host, for the record."""
        return self.spec.commands[-1] if self.spec.commands else self._own_command()

    def start(self, deadline: Deadline) -> Terminal:
        """Start it; the terminal is its console, and it dies with the terminal."""
        if not self._prepared:
            self._write(deadline)
        return self._shell.terminal(f"rm -f {quote(self.pid_file)}; exec sh {quote(self._script)}", deadline)

    def pid(self, deadline: Deadline) -> int | None:
        """Return the process's number on the host."""
        words = (self._shell.read(self.pid_file, deadline) or b"").split()
        return int(words[0]) if len(words) == 2 and words[0].isdigit() else None

    def failed_command(self, deadline: Deadline) -> str:
        """Return in words which command before the last has ended the start, if one has."""
        return launch.failure(self._shell.read(self._failed, deadline), self.spec.commands)

    def kill(self, deadline: Deadline) -> None:
        """End the VM, by the commands of its type and its process by its handle, and see that it is gone."""
        config = self.spec.config
        stopped = self._shell.run(f"sh {quote(self._stop)} </dev/null", deadline) if config.stop else None
        kill_by_handle(self._shell, [self.pid_file], deadline)
        if stopped is not None and not stopped.ok:
            raise InfrastructureError(
                f"{self.spec.name} is not gone, say the stop commands of its VM type: the last one"
                f" {stopped.ending}"
            )


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
