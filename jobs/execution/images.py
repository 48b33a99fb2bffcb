"""What a VM boots: which files its definition asks for, what they really are, and their way to the host."""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal

from devices.domain.config import BoardConfig, VmTypeConfig
from devices.drivers.shell import HostShell, quote
from jobs.domain.definition.model import BootImage, Definition, DeployImage, DeployKernel, Login, Vm
from jobs.execution import scripts
from jobs.execution.disks import Format, look_at_disk
from jobs.execution.fetch import Fetched, Fetcher
from jobs.execution.host import Place
from jobs.execution.progress import Teller, Transfer
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file that somebody asks for."""

    url: str
    sha256: str = ""
    trusted: bool = False
    """It is named by the lab's configuration, not by a definition."""

    @property
    def on_host(self) -> str:
        """Path on the host, absolute or in the job's folder, of what ``host:`` names; empty for the rest."""
        return self.url.removeprefix("host:") if self.url.startswith("host:") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootPlan:
    """What a VM role is to boot, as the definition says."""

    disk: Wanted | None = None
    kernel: Wanted | None = None
    ramdisk: Wanted | None = None
    dtb: Wanted | None = None
    firmware: Wanted | None = None
    arguments: tuple[str, ...] = ()
    """For the kernel's command line."""
    login: Login = field(default_factory=Login)
    action: str = ""
    """The deploy command that says so, empty for ``image``."""
    disk_key: Literal["image", "rootfs"] = "image"
    """What the definition calls the disk."""


def boot_plan(definition: Definition, vm: Vm, *, own: bool = False) -> BootPlan:
    """Return what a VM role boots. An explicit deploy action for the role wins over its `image`.

    `own`: commands start it that may need nothing of this.
    """
    deploys = [
        action
        for action in definition.actions
        if isinstance(action, DeployImage | DeployKernel) and action.applies_to(vm.role)
    ]
    mine = [action for action in deploys if action.role == vm.role]
    chosen = next(reversed(mine or deploys), None)
    if isinstance(chosen, DeployImage):
        return BootPlan(
            disk=Wanted(url=chosen.image, sha256=chosen.sha256), login=chosen.login, action=chosen.command
        )
    if isinstance(chosen, DeployKernel):

        def wanted(key: str, url: str) -> Wanted | None:
            return Wanted(url=url, sha256=chosen.digests.get(key, "")) if url else None

        return BootPlan(
            kernel=wanted("kernel", chosen.kernel),
            ramdisk=wanted("ramdisk", chosen.ramdisk),
            dtb=wanted("dtb", chosen.dtb),
            disk=wanted("rootfs", chosen.rootfs),
            disk_key="rootfs",
            firmware=wanted("firmware", chosen.firmware),
            arguments=chosen.boot_cmds,
            login=chosen.login,
            action=chosen.command,
        )
    if vm.image:
        return BootPlan(disk=Wanted(url=vm.image))
    if own:
        return BootPlan()
    raise DefinitionFault(
        f"nothing says what the VMs of role {vm.role} boot: give an image or a deploy action"
    )


def boot_arguments(definition: Definition, role: str) -> tuple[str, ...]:
    """Return what explicit boot actions add to the kernel's command line."""
    return tuple(
        word
        for action in definition.actions
        if isinstance(action, BootImage) and action.applies_to(role)
        for word in (*action.options, *action.boot_cmds)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFiles:
    """What a VM role boots, lying on the host."""

    kernel: str = ""
    ramdisk: str = ""
    dtb: str = ""
    firmware: str = ""
    disk: str = ""
    disk_format: Format = "raw"
    disk_size: int = 0
    root_on_disk: bool = False
    """The kernel finds its root file system on the first disk."""
    arguments: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    """What a reader should know about how it boots."""
    on_host: tuple[str, ...] = ()
    """Those of the paths that the job does not bring: they must be there when the VM starts, and what
    `disk_format`, `disk_size` and `root_on_disk` are is only known then."""
    kernel_for_bare: str = ""
    """What boots a disk of these, should it turn out to be a bare root file system."""
    ramdisk_for_bare: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a VM is going to boot, fetched to the worker."""

    files: BootFiles
    """As they lie on the host once the contents are copied."""
    contents: tuple[Fetched, ...]


class Library:
    """Fetches files and copies each distinct content to the host once. Thread-safe."""

    def __init__(self, shell: HostShell, place: Place, board: BoardConfig, fetcher: Fetcher) -> None:
        self._shell, self._place, self._board, self._fetcher = shell, place, board, fetcher
        self._copying = threading.Lock()
        self._there: set[str] = set()
        self._moving: tuple[Fetched, int] | None = None
        """What is being copied, and how much of it is through."""

    def choose(
        self, plan: BootPlan, config: VmTypeConfig, deadline: Deadline, teller: Teller, *, own: bool = False
    ) -> Chosen:
        """Fetch everything of a plan to the worker; `copy` brings it to the host.

        `own`: commands of the definition's or the VM type's own start the VM, and know what they do with it.
        """
        kernel, ramdisk, notes = plan.kernel, plan.ramdisk, []
        disk = None
        late = {
            kind: one
            for kind, one in (
                ("disk", plan.disk),
                ("kernel", plan.kernel),
                ("ramdisk", plan.ramdisk),
                ("dtb", plan.dtb),
                ("firmware", plan.firmware),
            )
            if one is not None and one.on_host
        }
        undecided = "disk" in late and plan.kernel is None
        if undecided and config.kernel:
            kernel, ramdisk = _kernel_of_type(late["disk"].url, config)
        if plan.disk is not None and "disk" not in late:
            disk = look_at_disk(fetch(self._fetcher, plan.disk, deadline, teller))
            if kernel is None and disk.content == "bare" and (config.kernel or not own):
                kernel, ramdisk = _kernel_of_type(plan.disk.url, config)
            if kernel is None and disk.content == "unknown" and not own:
                notes.append(f"{short(plan.disk.url)} has neither a boot sector nor a known file system")
        files = {"disk": disk.file} if disk is not None else {}
        wanted = {"kernel": kernel, "ramdisk": ramdisk, "dtb": plan.dtb, "firmware": plan.firmware}
        for kind, one in wanted.items():
            if one is not None and kind not in late:
                # A kernel unpacks its ramdisk by itself.
                files[kind] = fetch(self._fetcher, one, deadline, teller, unpack=kind != "ramdisk")
        for kind, file in files.items():
            teller.used(plan.disk_key if kind == "disk" else kind, file)
        paths = {kind: self._mine(file) for kind, file in files.items()}
        paths |= {kind: posixpath.join(self._place.folder, one.on_host) for kind, one in late.items()}
        boots = BootFiles(
            kernel="" if undecided else paths.get("kernel", ""),
            ramdisk="" if undecided else paths.get("ramdisk", ""),
            kernel_for_bare=paths.get("kernel", "") if undecided else "",
            ramdisk_for_bare=paths.get("ramdisk", "") if undecided else "",
            on_host=tuple(paths[kind] for kind in late),
            dtb=paths.get("dtb", ""),
            firmware=paths.get("firmware", ""),
            disk=paths.get("disk", ""),
            disk_format=disk.format if disk is not None else "raw",
            disk_size=disk.size if disk is not None else 0,
            root_on_disk=disk is not None and disk.content == "bare",
            arguments=plan.arguments,
            notes=tuple(notes),
        )
        return Chosen(files=boots, contents=tuple(files.values()))

    def _mine(self, file: Fetched) -> str:
        return self._place.path(file.sha256)

    def copy(self, files: Sequence[Fetched], deadline: Deadline, teller: Teller) -> None:
        """See that the job's folder on the host has these contents; what the cache has is not copied."""
        self._await_turn(files, deadline, teller)
        try:
            needed = {file.sha256: file for file in files if file.sha256 not in self._there}
            missing = self._take(needed, deadline) if self._place.cached or self._there else list(needed)
            for sha256 in missing:
                self._send(needed[sha256], deadline, teller)
            if missing and (still := self._take({one: needed[one] for one in missing}, deadline, trim=True)):
                raise InfrastructureError(
                    f"{needed[still[0]].url} could not be put into the job's folder on {self._shell.name}"
                )
            self._there |= needed.keys()
        finally:
            self._copying.release()

    def _await_turn(self, files: Sequence[Fetched], deadline: Deadline, teller: Teller) -> None:
        """Wait until nobody else copies, and show how far that is where it is ours, too."""
        mine = {file.sha256 for file in files}
        with ExitStack() as stack:
            shown: dict[str, Transfer] = {}
            while not self._copying.acquire(timeout=max(0.01, deadline.tick)):
                deadline.check()
                if (moving := self._moving) is None or moving[0].sha256 not in mine:
                    continue
                file, done = moving
                if file.sha256 not in shown:
                    shown[file.sha256] = stack.enter_context(teller.transfer(f"copy {short(file.url)}"))
                shown[file.sha256](done, file.size)

    def _take(self, files: Mapping[str, Fetched], deadline: Deadline, *, trim: bool = False) -> list[str]:
        """Link cached contents into the job's folder; returns those that the cache does not have.

        The job's own link keeps the content, whatever becomes of the cache meanwhile. With `trim` the cache
        is then brought below its limit: what was not used for longest goes first.
        """
        if not files:
            return []
        take = scripts.TAKE.format(
            names=" ".join(files),
            right="|".join(f'"{file.size} {sha256}"' for sha256, file in files.items()),
            folder=quote(self._place.folder),
        )
        drop = scripts.TRIM.format(limit=self._board.cache_limit * 1024 * 1024) if trim else ""
        script = f"cd {quote(self._place.cache)} || exit{take}{drop}"
        return self._shell.run(script, deadline).expect_ok("the image cache").text.split()

    def _send(self, file: Fetched, deadline: Deadline, teller: Teller) -> None:
        teller.phase(f"copy {short(file.url)} ({_size(file.size)})")
        cached = f"{self._place.cache}/{file.sha256}"
        with file.path.open("rb") as source, teller.transfer(f"copy {short(file.url)}") as transfer:

            def progress(done: int) -> None:
                self._moving = file, done
                transfer(done, file.size)

            try:
                sent = self._shell.put(source, cached, deadline, mode=0o400, progress=progress)
            finally:
                self._moving = None
        if sent != file.sha256:
            self._shell.run(f"rm -f {quote(cached)}", deadline)
            raise InfrastructureError(f"{file.url} changed on the worker while it was copied; run it again")


def _kernel_of_type(url: str, config: VmTypeConfig) -> tuple[Wanted, Wanted | None]:
    """Return the kernel and the ramdisk with which a VM type boots a bare root file system."""
    if not config.kernel:
        raise DefinitionFault(
            f"{url} is a bare root file system: it cannot boot by itself, and the VM type names no kernel for"
            " such images; use deploy_linaro_kernel with kernel and rootfs"
        )
    ramdisk = Wanted(url=config.ramdisk, trusted=True) if config.ramdisk else None
    return Wanted(url=config.kernel, trusted=True), ramdisk


def fetch(
    fetcher: Fetcher, wanted: Wanted, deadline: Deadline, teller: Teller, *, unpack: bool = True
) -> Fetched:
    """Fetch a file for a node, and tell how far that is."""
    teller.phase(f"fetch {short(wanted.url)}")
    return prefetch(fetcher, wanted, deadline, teller, unpack=unpack)


def prefetch(
    fetcher: Fetcher, wanted: Wanted, deadline: Deadline, teller: Teller, *, unpack: bool = True
) -> Fetched:
    """Fetch a file for a node that does something else meanwhile."""
    with teller.transfer(f"fetch {short(wanted.url)}") as transfer:
        return fetcher.get(
            wanted.url,
            deadline,
            sha256=wanted.sha256,
            unpack=unpack,
            trusted=wanted.trusted,
            progress=transfer,
        )


def short(url: str) -> str:
    return url.rsplit("/", 1)[-1] or url


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
