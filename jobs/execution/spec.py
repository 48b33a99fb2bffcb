"""Everything that decides how a VM is started."""

from __future__ import annotations

from dataclasses import dataclass

from devices.domain.config import VmTypeConfig
from jobs.domain.definition.model import Vm
from jobs.execution.images import BootFiles
from jobs.execution.network import Network


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
    def commands(self) -> tuple[str, ...]:
        """The commands that start it in another way than its type's qemu; none where that does it."""
        return self.vm.launch_with or self.config.launch

    @property
    def firmware(self) -> str:
        """Path on the host: the definition's firmware, or its VM type's for a disk that boots by itself.

        A kernel that is given needs none, and would only start later behind it.
        """
        return self.files.firmware or ("" if self.files.kernel else self.config.firmware)

    @property
    def cpus(self) -> int:
        return self.vm.cpus or self.config.cpus


def kernel_arguments(spec: VmSpec) -> str:
    """Return the kernel's command line. ``panic=-1`` makes a panic end the VM at once, where it is seen."""
    root = ["root=/dev/vda", "rw"] if spec.files.root_on_disk else []
    own = [f"console={spec.config.console}", "panic=-1", *root]
    return " ".join(word for word in (*own, spec.config.kernel_args, *spec.files.arguments) if word)
