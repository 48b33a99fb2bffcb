"""One contract for deploy methods: files on a real TFTP server, as QEMU's disk, through real commands."""

from __future__ import annotations

import hashlib
import os
import select
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from devices.deploy import deploy_method
from devices.domain.config import (
    BoardConfig,
    BootConfig,
    DeployCommands,
    LoaderStep,
    Netboot,
    PowerConfig,
    QemuDeploy,
    SshConfig,
)
from devices.drivers.power.qmp import Monitor
from devices.drivers.shell import quote
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Canceled, DeadlineExceeded, DefinitionFault, InfrastructureError
from tests.support import tftpd

Seen = list[tuple[str, int, int | None]]


def soon(seconds: float = 30) -> Deadline:
    return Deadline.after(seconds, "the test")


def canceled() -> Deadline:
    return Deadline.after(30, "the test", stop=lambda: Canceled("no more"))


@dataclass
class Site:
    """A board with its deploy method, and how what was deployed is looked at from the board's side."""

    board: BoardConfig
    read: Callable[[str], bytes | None]
    """What the board gets for a key; None if there is nothing."""
    folder: Path
    """All that the method may write to."""
    worker: Path
    seen: Seen = field(default_factory=list)

    def progress(self, what: str, done: int, total: int | None) -> None:
        self.seen.append((what, done, total))

    def file(self, key: str, content: bytes) -> Path:
        """A file as the worker's cache has it: named by its digest."""
        path = self.worker / hashlib.sha256(content).hexdigest()
        path.write_bytes(content)
        return path

    def deploy(self, deadline: Deadline | None = None, **contents: bytes) -> dict[str, str]:
        files = {key: self.file(key, content) for key, content in contents.items()}
        return dict(deploy_method(self.board, 57).deploy(files, self.progress, deadline or soon()))

    def left(self) -> list[str]:
        return sorted(str(one.relative_to(self.folder)) for one in self.folder.rglob("*") if one.is_file())


def board(**config: object) -> BoardConfig:
    return BoardConfig(ssh=SshConfig(host="board"), extra={"slot": "a b"}, **config)  # type: ignore[arg-type]


def _qemu(folder: Path) -> tuple[BoardConfig, Callable[[str], bytes | None]]:
    def read(key: str) -> bytes | None:
        path = folder / ("disk" if key in ("image", "rootfs") else key)
        if not path.exists():
            return None
        if path.name != "disk":
            return path.read_bytes()
        raw = folder.parent / "disk.raw"
        subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw], check=True)
        return raw.read_bytes()

    return board(deploy="qemu", qemu=QemuDeploy(folder=str(folder))), read


def _command(folder: Path) -> tuple[BoardConfig, Callable[[str], bytes | None]]:
    keys = ("kernel", "ramdisk")
    commands = DeployCommands(
        before=tuple(f"cat {{{key}}} > {quote(str(folder))}/{key}-{{slot}}" for key in keys),
        after=tuple(f"rm -f {quote(str(folder))}/{key}-{{slot}}" for key in keys),
    )

    def read(key: str) -> bytes | None:
        path = folder / f"{key}-a b"
        return path.read_bytes() if path.exists() else None

    return board(deploy="command", commands=commands), read


@pytest.fixture(params=["qemu", "netboot", "command"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    folder, worker = tmp_path / "site's own", tmp_path / "the worker's cache"
    folder.mkdir()
    worker.mkdir()
    if request.param == "netboot":
        with tftpd.tftpd(folder) as port:

            def read(key: str) -> bytes | None:
                try:
                    return tftpd.fetch(port, f"labbook/57/{key}")
                except subprocess.CalledProcessError:
                    return None

            config = board(deploy="netboot", netboot=Netboot(folder=str(folder), server="10.0.0.1"))
            yield Site(board=config, read=read, folder=folder, worker=worker)
        return
    config, reader = (_qemu if request.param == "qemu" else _command)(folder)
    yield Site(board=config, read=reader, folder=folder, worker=worker)


# -- what all of them do -------------------------------------------------------------------------

KERNEL = b"the kernel" * 300_000
RAMDISK = os.urandom(100_001)


def test_the_board_gets_what_the_worker_has(site: Site) -> None:
    site.deploy(kernel=KERNEL, ramdisk=RAMDISK)

    assert site.read("kernel") == KERNEL
    assert site.read("ramdisk") == RAMDISK


def test_the_boot_loader_is_told_where_and_the_boards_own_values(site: Site) -> None:
    values = site.deploy(kernel=KERNEL, ramdisk=RAMDISK)

    assert values["job"] == "57"
    assert values["slot"] == "a b"
    assert {"kernel", "ramdisk"} < values.keys()


def test_undo_leaves_nothing_even_without_the_memory_of_who_deployed(site: Site) -> None:
    site.deploy(kernel=KERNEL, ramdisk=RAMDISK)

    deploy_method(site.board, 57).undo(soon())
    deploy_method(site.board, 57).undo(soon())

    assert site.left() == []
    assert site.read("kernel") is None


def test_what_a_lost_run_left_is_replaced(site: Site) -> None:
    site.deploy(kernel=b"old", ramdisk=b"old")

    site.deploy(kernel=KERNEL, ramdisk=RAMDISK)

    assert (site.read("kernel"), site.read("ramdisk")) == (KERNEL, RAMDISK)


def test_the_workers_files_stay_as_they_are(site: Site) -> None:
    site.deploy(kernel=KERNEL, ramdisk=RAMDISK)
    for path in site.folder.rglob("kernel*"):
        with path.open("r+b") as placed:
            placed.write(b"scribbled")
    deploy_method(site.board, 57).undo(soon())

    assert site.file("kernel", KERNEL).read_bytes() == KERNEL
    assert all(hashlib.sha256(one.read_bytes()).hexdigest() == one.name for one in site.worker.iterdir())


def test_progress_grows_to_the_whole(site: Site) -> None:
    site.deploy(kernel=KERNEL, ramdisk=RAMDISK)

    for key, content in (("kernel", KERNEL), ("ramdisk", RAMDISK)):
        steps = [(done, total) for what, done, total in site.seen if what == key]
        assert steps == sorted(steps)
        assert steps[-1] == (len(content), len(content))


def test_a_cancelled_job_deploys_nothing(site: Site) -> None:
    with pytest.raises(Canceled):
        site.deploy(canceled(), kernel=KERNEL, ramdisk=RAMDISK)

    assert [name for name in site.left() if "part" in name] == []


def test_a_file_that_the_method_cannot_use_is_the_definitions_fault(site: Site) -> None:
    with pytest.raises(DefinitionFault, match="moon cannot be deployed to this board"):
        site.deploy(kernel=KERNEL, ramdisk=RAMDISK, moon=b"cheese")


# -- none ----------------------------------------------------------------------------------------


def test_an_installed_system_is_not_changed_and_the_error_says_what_to_do() -> None:
    method = deploy_method(board(), 57)

    with pytest.raises(DefinitionFault, match=r"image cannot be deployed to it; use dummy_deploy"):
        method.deploy({"image": Path("/dev/null")}, lambda what, done, total: None, soon())
    method.undo(soon())


# -- qemu ----------------------------------------------------------------------------------------


@pytest.fixture
def emulated(tmp_path: Path) -> Site:
    folder, worker = tmp_path / "board", tmp_path / "cache"
    folder.mkdir()
    worker.mkdir()
    config, read = _qemu(folder)
    return Site(board=config, read=read, folder=folder, worker=worker)


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
@pytest.mark.parametrize("key", ["image", "rootfs"])
def test_a_disk_is_an_overlay_that_keeps_the_image_from_being_written(
    emulated: Site, kind: str, key: str
) -> None:
    content = os.urandom(300 * 1024) + bytes(200 * 1024)
    (emulated.worker / "raw").write_bytes(content)
    image = emulated.worker / "image"
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", kind, emulated.worker / "raw", image], check=True
    )
    stored = image.read_bytes()

    values = emulated.deploy(None, **{key: stored})
    read = emulated.read(key)
    disk = emulated.folder / "disk"
    subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", "write -P 0x2a 0 64k", disk], check=True, stdout=subprocess.DEVNULL
    )

    assert read == content
    assert values[key] == str(disk)
    assert (emulated.read(key) or b"").startswith(b"*" * 65536)
    assert emulated.file("image", stored).read_bytes() == stored


def test_the_same_image_again_costs_no_copy(emulated: Site) -> None:
    content = os.urandom(1024 * 1024)
    before = emulated.file("image", content).stat().st_ino

    emulated.deploy(image=content)

    base = emulated.folder / "disk.base"
    assert base.stat().st_ino == before or not base.samefile(emulated.file("image", content))
    assert [step for step in emulated.seen if 0 < step[1] < len(content)] == []


def test_an_image_that_leans_on_another_file_is_refused(emulated: Site) -> None:
    (emulated.worker / "base").write_bytes(bytes(65536))
    leaning = emulated.worker / "leaning"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", emulated.worker / "base", leaning],
        check=True,
    )

    with pytest.raises(DefinitionFault, match="backing file"):
        emulated.deploy(image=leaning.read_bytes())


def test_an_empty_image_is_refused(emulated: Site) -> None:
    with pytest.raises(DefinitionFault, match="empty"):
        emulated.deploy(image=b"")


def test_two_disks_are_refused(emulated: Site) -> None:
    with pytest.raises(DefinitionFault, match="one disk"):
        emulated.deploy(image=b"x" * 512, rootfs=b"y" * 512)


def test_the_next_job_does_not_find_the_kernel_of_the_last(emulated: Site) -> None:
    emulated.deploy(kernel=KERNEL, image=b"x" * 512)

    emulated.deploy(image=b"y" * 512)

    assert emulated.read("kernel") is None


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Site]:
    """A QEMU that stays while the board is off: its disk is exchanged under it."""
    folder, worker, socket = tmp_path / "board", tmp_path / "cache", tmp_path / "qmp"
    folder.mkdir()
    worker.mkdir()
    command = [
        *("qemu-system-aarch64", "-M", "none", "-S", "-nodefaults", "-display", "none"),
        *("-qmp", f"unix:{socket},server=on,wait=off"),
        *("-blockdev", "driver=null-co,node-name=disk-none,size=0"),
        *("-blockdev", "driver=raw,node-name=disk,file=disk-none"),
    ]
    config = board(
        deploy="qemu",
        qemu=QemuDeploy(folder=str(folder), node="disk"),
        power=PowerConfig(method="qmp", socket=f"unix:{socket}"),
    )
    with subprocess.Popen(command) as process:
        try:
            answers(config)
            yield Site(board=config, read=lambda key: None, folder=folder, worker=worker)
        finally:
            process.kill()


def answers(config: BoardConfig) -> None:
    """Wait until QEMU's monitor does."""
    deadline = soon()
    while True:
        try:
            with Monitor(config.power.socket, deadline):
                return
        except InfrastructureError:
            deadline.check()


def size_of_disk(site: Site) -> int:
    """What the running QEMU has for the board's disk, in bytes."""
    with Monitor(site.board.power.socket, soon()) as monitor:
        nodes = monitor.ask("query-named-block-nodes", {})
    return int(next(one["image"]["virtual-size"] for one in nodes if one["node-name"] == "disk"))


def test_a_qemu_that_runs_on_is_given_the_disk_and_loses_it_again(running: Site) -> None:
    sizes = [size_of_disk(running)]
    for mebibytes in (1, 2):
        running.deploy(image=os.urandom(mebibytes * 1024 * 1024))
        sizes.append(size_of_disk(running))
    deploy_method(running.board, 57).undo(soon())

    assert [*sizes, size_of_disk(running)] == [0, 1024 * 1024, 2 * 1024 * 1024, 0]
    assert running.left() == []


def test_a_qemu_without_that_node_is_told_from_one_with_it(running: Site) -> None:
    other = replace(running.board, qemu=QemuDeploy(folder=str(running.folder), node="drive"))

    with pytest.raises(InfrastructureError, match=r"no block node 'drive' \(the board's qemu\.node\)"):
        deploy_method(other, 57).undo(soon())


def test_a_disk_cannot_be_exchanged_without_a_monitor(running: Site) -> None:
    other = replace(running.board, power=PowerConfig())

    with pytest.raises(InfrastructureError, match=r"no power\.socket"):
        deploy_method(other, 57).deploy({}, running.progress, soon())


@pytest.mark.parametrize("folder", ["", "relative", "/there/is/no/such/folder"])
@pytest.mark.parametrize("method", ["qemu", "netboot"])
def test_a_folder_that_is_none_is_named(method: str, folder: str, tmp_path: Path) -> None:
    config = board(deploy=method, qemu=QemuDeploy(folder=folder), netboot=Netboot(folder=folder))

    with pytest.raises(InfrastructureError, match=rf"{method}\.folder"):
        deploy_method(config, 57).deploy({}, lambda what, done, total: None, soon())


# -- netboot -------------------------------------------------------------------------------------


def test_paths_for_the_boot_loader_carry_the_prefix_and_the_job(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(KERNEL)
    (tmp_path / "root").mkdir()
    config = board(
        deploy="netboot",
        netboot=Netboot(folder=str(tmp_path / "root"), prefix="http://10.0.0.1/", server="10.0.0.1"),
    )

    values = deploy_method(config, 57).deploy({"kernel": kernel}, lambda what, done, total: None, soon())

    assert values["kernel"] == "http://10.0.0.1/labbook/57/kernel"
    assert values["prefix"] == "http://10.0.0.1/labbook/57/"
    assert values["server"] == "10.0.0.1"


def test_a_disk_image_is_refused_unless_the_boot_loader_fetches_one(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"x" * 512)
    without = board(deploy="netboot", netboot=Netboot(folder=str(tmp_path)))
    writes = BootConfig(loader=(LoaderStep(expect="=>", send="tftp ${addr} {image}; mmc write"),))
    fetching = board(deploy="netboot", netboot=Netboot(folder=str(tmp_path)), boot=writes)

    with pytest.raises(DefinitionFault, match="use deploy_linaro_kernel"):
        deploy_method(without, 57).deploy({"image": image}, lambda what, done, total: None, soon())
    deploy_method(fetching, 57).deploy({"image": image}, lambda what, done, total: None, soon())

    assert (tmp_path / "labbook/57/image").read_bytes() == b"x" * 512


def test_jobs_do_not_touch_each_others_files(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(KERNEL)
    config = board(deploy="netboot", netboot=Netboot(folder=str(tmp_path)))
    for job in (57, 58):
        deploy_method(config, job).deploy({"kernel": kernel}, lambda what, done, total: None, soon())

    deploy_method(config, 57).undo(soon())

    assert (tmp_path / "labbook/58/kernel").read_bytes() == KERNEL


# -- command -------------------------------------------------------------------------------------


def commands(*before: str, after: tuple[str, ...] = (), timeout: float = 30) -> BoardConfig:
    config = DeployCommands(before=before, after=after, timeout=timeout)
    return board(deploy="command", commands=config)


def run(config: BoardConfig, deadline: Deadline | None = None, **files: Path) -> Seen:
    seen: Seen = []
    deploy_method(config, 57).deploy(
        files, lambda what, done, total: seen.append((what, done, total)), deadline or soon()
    )
    return seen


def test_a_command_that_fails_is_named_with_what_it_said() -> None:
    config = commands("echo all is well; echo no such slot >&2; exit 3")

    with pytest.raises(InfrastructureError, match=r"exit status 3; it said:\nall is well\nno such slot"):
        run(config)


def test_a_command_that_hangs_ends_with_its_whole_group(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alive")
    reader = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    config = commands(f"exec > '{tmp_path}/alive'; sleep 1000 & sleep 1000", timeout=0.5)

    with pytest.raises(DeadlineExceeded, match="the deploy command"):
        run(config)

    waiting = select.poll()
    waiting.register(reader, select.POLLHUP)
    assert waiting.poll(20_000)  # nobody holds the other end any more
    os.close(reader)


def test_the_sites_commands_see_none_of_the_labs_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABBOOK_SECRET_KEY", "hush")
    run(commands(f"env > '{tmp_path}/environment'"))

    assert "hush" not in (tmp_path / "environment").read_text()


def test_a_file_that_no_command_uses_is_the_definitions_fault(tmp_path: Path) -> None:
    with pytest.raises(DefinitionFault, match="dtb cannot be deployed"):
        run(commands("cat {kernel} >/dev/null"), kernel=tmp_path, dtb=tmp_path)


def test_a_file_that_a_command_needs_and_nobody_gives_is_the_definitions_fault(tmp_path: Path) -> None:
    with pytest.raises(DefinitionFault, match="cannot be deployed without image"):
        run(commands("dd if={image} of=/dev/null"))


def test_what_dd_says_becomes_progress(tmp_path: Path) -> None:
    image = tmp_path / "an image"
    image.write_bytes(bytes(3_000_000))

    seen = run(commands(f"dd if={{image}} of='{tmp_path}/out' bs=100k count=10 status=progress"), image=image)

    assert ("image", 1_024_000, 3_000_000) in seen
    assert seen[-1] == ("image", 3_000_000, 3_000_000)


def test_afterwards_every_command_runs_whatever_becomes_of_one(tmp_path: Path) -> None:
    config = commands("true", after=("echo broken; false", f"touch '{tmp_path}/done' # {{image}}"))

    with pytest.raises(InfrastructureError, match="broken"):
        deploy_method(config, 57).undo(soon())

    assert (tmp_path / "done").exists()
