"""VMs that are started by commands, and what they boot from the host: scripts that real shells run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devices.domain.config import BoardConfig, SshConfig, VmTypeConfig
from devices.drivers import qcow2
from devices.drivers.local import LocalHost
from jobs.domain.definition.model import Definition, Host, Vm
from jobs.execution import launch
from jobs.execution.host import JobKey, Place, key_mark, make_place
from jobs.execution.host_files import looked_at
from jobs.execution.images import BootFiles, BootPlan, boot_plan
from jobs.execution.network import Network
from jobs.execution.spec import VmSpec
from jobs.execution.traces import remove_traces
from jobs.execution.vms import VmProcess
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DefinitionFault, InfrastructureError

BOOT_SECTOR = bytes(510) + b"\x55\xaa"
BOOTS = b"\xeb" + bytes(445) + bytes([1]) + BOOT_SECTOR[447:]
BARE = (bytes(0x438) + b"\x53\xef").ljust(0x20000, b"\0")


def soon() -> Deadline:
    return Deadline.after(20, "the test")


@pytest.fixture
def host() -> Iterator[LocalHost]:
    shell = LocalHost()
    yield shell
    shell.close()


@pytest.fixture
def board(tmp_path: Path) -> BoardConfig:
    return BoardConfig(
        ssh=SshConfig(host="x", authorized_keys=str(tmp_path / "keys")), work_dir=str(tmp_path / "work")
    )


@pytest.fixture
def place(host: LocalHost, board: BoardConfig) -> Place:
    return make_place(host, board, 8, "abc", JobKey.generate(key_mark(board, 8) + "abc"), set(), soon())


def spec(files: BootFiles | None = None, **config: object) -> VmSpec:
    return VmSpec(
        node=1,
        name="guest",
        vm=Vm(device_type="own", role="guest"),
        config=VmTypeConfig(**config),  # type: ignore[arg-type]
        files=files or BootFiles(),
        network=Network.of("abc"),
        kvm=False,
    )


def printed(process: VmProcess) -> bytes:
    terminal, data, limit = process.start(soon()), b"", soon()
    while (piece := terminal.read(1)) != b"":
        limit.check()
        data += piece or b""
    terminal.close()
    return data


def test_a_vm_type_is_started_by_its_commands(host: LocalHost, place: Place) -> None:
    own = spec(
        launch=(
            "name=$LABBOOK_EXTRA_GREETING-$LABBOOK_NODE",
            "touch made",
            "echo $name in $PWD with $LABBOOK_MEMORY",
        ),
        extra={"greeting": "it's"},
    )
    process = VmProcess(host, place, own)
    process.prepare(soon())

    assert printed(process) == f"it's-guest in {place.folder} with 192\n".encode()
    assert process.command == "echo $name in $PWD with $LABBOOK_MEMORY"
    assert process.failed_command(soon()) == ""
    process.kill(soon())


def test_a_command_before_the_last_that_fails_is_named(host: LocalHost, place: Place) -> None:
    process = VmProcess(
        host, place, spec(launch=("test -e made || touch made", "sh -c 'exit 4'", "echo never"))
    )
    process.prepare(soon())
    assert b"never" not in printed(process)
    assert process.failed_command(soon()) == "command 2 of 3 (sh -c 'exit 4') ended with exit status 4"


def test_stop_commands_end_what_outlives_its_console_also_when_the_host_is_cleaned(
    host: LocalHost, board: BoardConfig, place: Place, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    own = spec(
        launch=("true",), stop=(f"echo stop $LABBOOK_NODE >>{asked}", f"test ! -e {tmp_path}/stubborn")
    )
    process = VmProcess(host, place, own)
    process.prepare(soon())
    process.kill(soon())
    assert asked.read_text() == "stop guest\n"

    (tmp_path / "stubborn").touch()
    with pytest.raises(InfrastructureError, match="guest is not gone, say the stop commands"):
        process.kill(soon())
    dirty = {one.what: one for one in remove_traces(host, board, 8, soon()).checks}
    assert not dirty["VMs that outlive their console"].ok
    assert "vm-1.stop ended with status 1" in dirty["VMs that outlive their console"].found
    assert not dirty["the job's folder"].ok, "it holds what the next clean-up needs"

    (tmp_path / "stubborn").unlink()
    assert all(one.ok for one in remove_traces(host, board, 8, soon()).checks)
    assert not Path(place.folder).exists()


def test_a_file_that_the_hosts_test_makes_is_looked_at_when_the_vm_starts(
    host: LocalHost, place: Place
) -> None:
    made = place.path("made.img")
    files = BootFiles(disk=made, on_host=(made,), kernel_for_bare="/k", ramdisk_for_bare="/r")
    process = VmProcess(host, place, spec(files, qemu="true", machine="m", cpu="c"))
    process.prepare(soon())
    assert not Path(process.disk).exists()
    with pytest.raises(DefinitionFault, match=r"there is no file .*/made.img on the host"):
        process.start(soon())

    Path(made).write_bytes(BARE)
    process.start(soon()).close()

    assert (process.spec.files.kernel, process.spec.files.root_on_disk) == ("/k", True)
    assert process.spec.files.disk_size == len(BARE)
    with Path(process.disk).open("rb") as disk:
        assert qcow2.read_header(disk, "d", backing_allowed=True).size == len(BARE)


def test_disks_on_the_host_are_recognised_by_their_content(host: LocalHost, tmp_path: Path) -> None:
    raw, inner = tmp_path / "raw", tmp_path / "inner"
    raw.write_bytes(BOOTS)
    inner.write_bytes(qcow2.overlay("/elsewhere", "raw", 1024 * 1024))

    def look(path: Path, *, strict: bool = True) -> BootFiles:
        return looked_at(host, BootFiles(disk=str(path), on_host=(str(path),)), soon(), strict=strict)

    assert (look(raw).disk_format, look(raw).disk_size, look(raw).root_on_disk) == ("raw", len(BOOTS), False)
    assert (look(inner).disk_format, look(inner).disk_size) == ("qcow2", 1024 * 1024)
    raw.write_bytes(BARE)
    with pytest.raises(DefinitionFault, match="bare root file system"):
        look(raw)
    assert look(raw, strict=False).root_on_disk, "commands of one's own know what they do"
    assert looked_at(host, BootFiles(kernel=str(raw), on_host=(str(raw),)), soon(), strict=True).disk == ""


def test_commands_of_ones_own_need_no_image() -> None:
    vm = Vm(device_type="own", role="guest")
    definition = Definition(
        job_name="a", timeout=1, host=Host(device_type="x", role="host"), vms=(vm,), actions=()
    )
    assert boot_plan(definition, vm, own=True) == BootPlan()
    with pytest.raises(DefinitionFault, match="nothing says what"):
        boot_plan(definition, vm)
    assert replace(spec(launch=("a",)), vm=replace(vm, launch_with=("b",))).commands == ("b",)
    assert launch.variable("bridge-0.x") == "BRIDGE_0_X"
