"""Starting a VM: its command line, its script on the host, its process."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from devices.domain.config import VmTypeConfig
from devices.drivers.shell import HostShell, Terminal, quote
from jobs.domain.definition.model import Vm
from jobs.execution import qcow2, scripts
from jobs.execution.host import Place
from jobs.execution.images import BootFiles
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

OVERLAY_SERIAL = "labbook"
"""Serial number of the read-only drive that carries the test overlay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The group's own network: a multicast group on the host's loopback, chosen for the job alone."""

    group: str
    port: int
    prefix: str
    """The first three numbers of the addresses."""

    @classmethod
    def of(cls, handle: str) -> Network:
        """Choose by the job's random handle, so that two jobs on one machine do not meet."""
        digest = hashlib.sha256(handle.encode()).digest()
        a, b, c = (1 + byte % 254 for byte in digest[:3])
        port = 20000 + int.from_bytes(digest[3:5], "big") % 12000
        return cls(group=f"230.{a}.{b}.{c}", port=port, prefix=f"10.{100 + digest[5] % 100}.{digest[6]}")

    def address(self, node: int) -> str:
        return f"{self.prefix}.{node}"


USER_NETWORK = "labbook-user-network"
"""Name, in the test overlay, of the script that connects a VM to its host."""
HOST_ADDRESS = "10.0.2.2"
"""Where a VM finds its host: the gateway of QEMU's user network."""


def mac(network: Network, node: int, card: int) -> str:
    """Return the address of a VM's card: 0 in the group's network, 1 in the user network."""
    tail = hashlib.sha256(f"{network.group}:{network.port}".encode()).digest()
    return f"52:54:{card:02x}:{tail[0]:02x}:{tail[1]:02x}:{node:02x}"


def user_network_script(network: Network, node: int) -> str:
    """Return the script that gives a VM's second card the address that QEMU's user network expects.

    It changes nothing where the guest has done so itself (by DHCP), and needs ``ip`` or ``ifconfig``.
    """
    return f"""\
for file in /sys/class/net/*/address; do
  [ "$(cat "$file")" = {mac(network, node, 1)} ] || continue
  card=${{file%/address}}; card=${{card##*/}}
  if command -v ip >/dev/null 2>&1; then
    ip -4 addr show dev "$card" | grep -q "inet " && exit 0
    ip link set dev "$card" up && ip addr add 10.0.2.15/24 dev "$card"
    ip route | grep -q "^default" || ip route add default via {HOST_ADDRESS}
  elif command -v ifconfig >/dev/null 2>&1; then
    ifconfig "$card" | grep -q "inet " && exit 0
    ifconfig "$card" 10.0.2.15 netmask 255.255.255.0 up
    route add default gw {HOST_ADDRESS} 2>/dev/null
  fi
  [ -s /etc/resolv.conf ] || echo "nameserver 10.0.2.3" 2>/dev/null >/etc/resolv.conf
  exit 0
done 2>/dev/null
exit 0
"""


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
    bus = config.bus
    command = [
        *(config.qemu, "-name", spec.name, "-nodefaults", "-no-user-config", "-display", "none"),
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
    if disk:
        command += ["-drive", f"file={_comma(disk)},format=qcow2,if=none,id=disk"]
        command += ["-device", f"virtio-blk-{bus},drive=disk" + (",bootindex=0" if not files.kernel else "")]
    if spec.overlay:
        command += ["-drive", f"file={_comma(spec.overlay)},format=raw,readonly=on,if=none,id=overlay"]
        command += ["-device", f"virtio-blk-{bus},drive=overlay,serial={OVERLAY_SERIAL}"]
    if config.network:
        net = spec.network
        rom = ",romfile=" if bus == "pci" else ""
        command += ["-netdev", f"socket,id=group,mcast={net.group}:{net.port},localaddr=127.0.0.1"]
        command += ["-device", f"virtio-net-{bus},netdev=group,mac={mac(net, spec.node, 0)}{rom}"]
        command += ["-netdev", "user,id=user"]
        command += ["-device", f"virtio-net-{bus},netdev=user,mac={mac(net, spec.node, 1)}{rom}"]
    return [*command, *config.extra_args]


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


def launch_script(pid_file: str, commands: tuple[str, ...], variables: Mapping[str, str]) -> str:
    """Return the script of a VM: records its process, runs the commands, and the last takes its place."""
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
            f"exec {last}" if _simple(last) else last,
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
        )
        self._shell.put(io.BytesIO(script.encode()), self._script, deadline, mode=0o700)
        return spec.vm.launch_with[-1] if spec.vm.launch_with else command

    def start(self, deadline: Deadline) -> Terminal:
        """Start it; the terminal is its console, and it dies with the terminal."""
        return self._shell.terminal(f"rm -f {quote(self.pid_file)}; exec sh {quote(self._script)}", deadline)

    def pid(self, deadline: Deadline) -> int | None:
        """Return the process's number on the host."""
        done = self._shell.run(f"cat {quote(self.pid_file)} 2>/dev/null", deadline)
        words = done.text.split()
        return int(words[0]) if words and words[0].isdigit() else None

    def kill(self, deadline: Deadline) -> None:
        """End the process by its handle and see that it is gone."""
        kill_by_handle(self._shell, [self.pid_file], deadline)


def kill_by_handle(shell: HostShell, pid_files: list[str], deadline: Deadline, grace: float = 3) -> None:
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
