"""How a VM is started in another way than the VM type's qemu: scripts on the host, and what they are told.

The commands are those of a definition's ``launch_with``, or the VM type's ``launch``. All but the last
prepare; the last one's terminal is the console. What they find in their environment is listed in
docs/job-definition.md: a name once there is somebody's script for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from devices.drivers.shell import quote
from jobs.execution import scripts
from jobs.execution.host import Place
from jobs.execution.network import mac
from jobs.execution.spec import VmSpec, kernel_arguments


def environment(spec: VmSpec, place: Place, disk: str, command: str) -> dict[str, str]:
    """Return what the commands find; `command` is what the VM type would run without them, if anything."""
    net, files, config = spec.network, spec.files, spec.config
    return {
        "LABBOOK_HANDLE": place.handle,
        "LABBOOK_NODE": spec.name,
        "LABBOOK_ROLE": spec.vm.role,
        "LABBOOK_INDEX": str(spec.node),
        "LABBOOK_FOLDER": place.folder,
        "LABBOOK_IMAGE": disk,
        "LABBOOK_BASE": files.disk,
        "LABBOOK_BASE_FORMAT": files.disk_format if files.disk else "",
        "LABBOOK_KERNEL": files.kernel,
        "LABBOOK_KERNEL_ARGS": kernel_arguments(spec) if files.kernel else "",
        "LABBOOK_RAMDISK": files.ramdisk,
        "LABBOOK_DTB": files.dtb,
        "LABBOOK_FIRMWARE": spec.firmware,
        "LABBOOK_OVERLAY": spec.overlay,
        "LABBOOK_MEMORY": str(spec.memory),
        "LABBOOK_CPUS": str(spec.cpus),
        "LABBOOK_ACCEL": "kvm" if spec.kvm else "tcg",
        "LABBOOK_NETDEV": f"socket,id=group,mcast={net.group}:{net.port},localaddr=127.0.0.1",
        "LABBOOK_MAC": mac(net, spec.node, 0),
        "LABBOOK_MAC_USER": mac(net, spec.node, 1),
        "LABBOOK_ADDRESS": net.address(spec.node),
        "LABBOOK_COMMAND": command,
        **{f"LABBOOK_EXTRA_{variable(name)}": value for name, value in config.extra.items()},
    }


def variable(name: str) -> str:
    """Return a key of ``extra`` as the end of a variable's name: ``bridge-0`` is ``BRIDGE_0``."""
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def launch_script(
    pid_file: str,
    commands: Sequence[str],
    variables: Mapping[str, str],
    *,
    failed: str,
    relayed: bool = False,
) -> str:
    """Return the script of a VM: records its process, runs the commands, and the last takes its place.

    A command before the last that fails ends it; the file `failed` then holds its number and exit status.
    `relayed`: what the last one prints is gathered into larger pieces (see `scripts.RELAY`).
    """
    *before, last = commands
    lines = [
        "#!/bin/sh",
        # onlcr: what the guest prints shall be recorded as it printed it
        "stty raw -echo -onlcr 2>/dev/null || :",
        scripts.HANDLE.format(pid_file=quote(pid_file)),
        *_exports(variables),
        f"cd {quote(variables['LABBOOK_FOLDER'])} || exit",
        f"rm -f {quote(failed)}",
    ]
    for number, command in enumerate(before, 1):
        lines.append(
            f"{command}\nstatus=$?; [ $status = 0 ] ||"
            f' {{ echo "{number} $status" >{quote(failed)}; exit $status; }}'
        )
    lines.append(scripts.RELAY.format(command=last) if relayed else f"exec {last}" if _simple(last) else last)
    return "\n".join([*lines, ""])


def stop_script(commands: Sequence[str], variables: Mapping[str, str]) -> str:
    """Return the script that ends a VM; its exit status is the last command's."""
    folder = f"cd {quote(variables['LABBOOK_FOLDER'])} || exit"
    return "\n".join(["#!/bin/sh", *_exports(variables), folder, *commands, ""])


def failure(said: bytes | None, commands: Sequence[str]) -> str:
    """Return in words which command before the last has failed, from the file `failed`; empty if none."""
    words = (said or b"").decode(errors="replace").split()
    if len(words) != 2 or not words[0].isdigit() or not 1 <= int(words[0]) <= len(commands):
        return ""
    number = int(words[0])
    shown = commands[number - 1].strip().splitlines()[0][:200]
    return f"command {number} of {len(commands)} ({shown}) ended with exit status {words[1]}"


def _exports(variables: Mapping[str, str]) -> list[str]:
    return [f"export {name}={quote(value)}" for name, value in variables.items()]


def _simple(command: str) -> bool:
    """Say whether a command may be put behind ``exec``: no list, no pipe, no assignment before it."""
    first = command.split(maxsplit=1)[0] if command.strip() else ""
    return not any(mark in command for mark in "|&;\n(){}") and "=" not in first and first != "exec"
