"""Does KVM work on this host? Only a guest can tell: a /dev/kvm that is there may hang everything it runs.

The guest is a few instructions that end the machine in a way that nothing else does. The answer is kept on
the host until it boots again.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from devices.domain.config import BoardConfig, VmTypeConfig
from devices.drivers.shell import HostShell, quote
from jobs.execution.host import Place
from lab.kernel.deadline import Deadline

# out 0x3f8, 'K'; out 0xf4, 0x10 (isa-debug-exit: QEMU ends with status 0x21); hlt; jmp back to hlt
_X86 = bytes.fromhex("baf803b04beeb010e6f4f4ebfd").ljust(510, b"\0") + b"\x55\xaa"
# PSCI SYSTEM_OFF through hvc: QEMU ends with status 0
_ARM64 = struct.pack("<4I", 0x52800100, 0x72B08000, 0xD4000002, 0x14000000)
_ARM32 = struct.pack("<4I", 0xE3000008, 0xE3480400, 0xE1400070, 0xEAFFFFFE)

_RUN = """
printf {content} >{guest} || exit
{command} </dev/null >{output} 2>&1 &
guest=$!
( sleep {seconds}; kill -9 $guest ) </dev/null >/dev/null 2>&1 &
watch=$!
wait $guest; status=$?
kill $watch 2>/dev/null
if [ $status = {expected} ]; then answer=works
elif [ $status = 137 ]; then answer=hangs
else answer="fails: $(head -c 300 {output} | tr '\\n' ' ')"; fi
rm -f {output} {guest} {old}
printf '%s\\n' "$answer" >{cache}.$$ && mv {cache}.$$ {cache}
printf '%s\\n' "$answer"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kvm:
    """Whether VMs of a type run under KVM."""

    usable: bool
    words: str
    """Why not, or that it does; empty where there is nothing to say."""
    surprising: bool = False
    """One would have expected it to work: worth a warning."""


def _architecture(qemu: str) -> str:
    name = qemu.rsplit("/", 1)[-1].removeprefix("qemu-system-")
    return {"i386": "x86_64"}.get(name, name)


def _same_machine(qemu: str, machine: str) -> bool:
    return _architecture(qemu) == {"i686": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def look(shell: HostShell, place: Place, config: VmTypeConfig, board: BoardConfig, deadline: Deadline) -> Kvm:
    """Find out whether VMs of this type can use KVM here."""
    qemu = config.kvm_qemu or config.qemu
    if not qemu.rsplit("/", 1)[-1].startswith("qemu-system-"):
        return Kvm(usable=False, words="")
    if board.kvm == "never":
        return Kvm(usable=False, words="the board is configured to emulate")
    if not _same_machine(qemu, place.machine):
        return Kvm(usable=False, words=f"{config.qemu} is emulation on a host that is {place.machine}")
    if not place.has_kvm:
        return Kvm(usable=False, words="there is no /dev/kvm that may be opened", surprising=True)
    answer = _probe(shell, place, config, board.kvm_timeout, deadline)
    if answer == "works":
        return Kvm(usable=True, words="a guest ran under KVM")
    if answer == "hangs":
        words = f"a guest under KVM hung (it did not end within {board.kvm_timeout:g} s)"
        return Kvm(usable=False, words=words, surprising=True)
    return Kvm(usable=False, words=f"a guest under KVM {answer}", surprising=True)


def _probe(shell: HostShell, place: Place, config: VmTypeConfig, seconds: float, deadline: Deadline) -> str:
    qemu = config.kvm_qemu or config.qemu
    name = qemu.rsplit("/", 1)[-1] + ("-32" if _is_arm32(config) else "")
    if known := place.known.get(f"kvm-{name}-{place.boot_id}"):
        return known
    cache = f"{place.cache}/kvm-{name}-{place.boot_id}"
    guest, output = place.path(f"kvm-{name}"), place.path(f"kvm-{name}.out")
    command, content, expected = _guest(config, guest)
    script = _RUN.format(
        command=quote(*command),
        content=quote("".join(f"\\{byte:03o}" for byte in content)),
        output=quote(output),
        guest=quote(guest),
        old=f"{quote(place.cache)}/kvm-{quote(name)}-*",
        cache=quote(cache),
        seconds=math.ceil(seconds),
        expected=expected,
    )
    done = shell.run(script, deadline)
    return done.expect_ok(f"KVM could not be tried on {shell.name}").text


def _guest(config: VmTypeConfig, path: str) -> tuple[list[str], bytes, int]:
    """Return the command, the guest's bytes, and the exit status that proves that they ran."""
    common = ["-nodefaults", "-no-user-config", "-display", "none", "-accel", "kvm", "-m", "64"]
    qemu = config.kvm_qemu or config.qemu
    if _architecture(qemu) == "x86_64":
        exit_device = ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
        drive = ["-drive", f"file={path.replace(',', ',,')},format=raw,if=ide"]
        return [qemu, "-M", "pc", "-cpu", config.kvm_cpu, *common, *exit_device, *drive], _X86, 33
    machine = config.kvm_machine or config.machine
    content = _ARM32 if _is_arm32(config) else _ARM64
    return [qemu, "-M", machine, "-cpu", config.kvm_cpu, *common, "-kernel", path], content, 0


def _is_arm32(config: VmTypeConfig) -> bool:
    """Whether guests start in 32-bit mode; on a 64-bit host the CPU is told so."""
    return _architecture(config.kvm_qemu or config.qemu) == "arm" or "aarch64=off" in config.kvm_cpu
