"""What runs on hosts: launch scripts, handles, clean-up, the KVM probe; on dash and busybox."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devices.domain.config import BoardConfig, SshConfig, VmTypeConfig
from devices.drivers.local import LocalHost
from devices.drivers.shell import Completed, quote
from jobs.domain.definition.model import Vm
from jobs.execution import kvm, launch, scripts
from jobs.execution.host import JobKey, NotClean, key_mark, make_place
from jobs.execution.images import BootFiles
from jobs.execution.launch import launch_script
from jobs.execution.network import Network, mac
from jobs.execution.spec import VmSpec
from jobs.execution.vms import VmProcess, kill_by_handle, qemu_command
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

SHELLS = [["dash"], ["busybox", "ash"]]


def soon() -> Deadline:
    return Deadline.after(30, "the test")


@pytest.fixture
def host() -> Iterator[LocalHost]:
    shell = LocalHost()
    yield shell
    shell.close()


@pytest.fixture
def board(tmp_path: Path) -> BoardConfig:
    return BoardConfig(
        ssh=SshConfig(host="x", authorized_keys=str(tmp_path / "keys")), work_dir=str(tmp_path / "work dir")
    )


def sh(shell: list[str], script: str, **environment: str) -> Completed:
    done = subprocess.run(
        [*shell, "-c", script], capture_output=True, env={**os.environ, **environment}, check=False
    )
    return Completed(status=done.returncode, stdout=done.stdout, stderr=done.stderr)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda one: one[-1])
def test_keys_come_and_go_and_others_stay(shell: list[str], tmp_path: Path) -> None:
    keys = tmp_path / "folder" / "keys"
    keys.parent.mkdir()
    keys.write_text("ssh-ed25519 AAAA somebody without a newline")
    for number in (5, 57):
        script = scripts.AUTHORISE.format(
            file=quote(str(keys)), key=quote(f"ssh-ed25519 B{number} job-{number}-x")
        )
        assert sh(shell, script).status == 0

    assert keys.read_text().splitlines() == [
        "ssh-ed25519 AAAA somebody without a newline",
        "ssh-ed25519 B5 job-5-x",
        "ssh-ed25519 B57 job-57-x",
    ]
    done = sh(shell, scripts.UNAUTHORISE.format(file=quote(str(keys)), mark=quote("job-5-")))
    assert done.status == 0, done.stderr
    assert keys.read_text().splitlines() == [
        "ssh-ed25519 AAAA somebody without a newline",
        "ssh-ed25519 B57 job-57-x",
    ]
    assert not (tmp_path / "folder" / "keys.labbook-lock").exists()


def test_a_relative_file_of_keys_lies_in_the_home_folder(tmp_path: Path) -> None:
    script = scripts.AUTHORISE.format(file=".ssh/authorized_keys", key=quote("a key"))

    assert sh(["dash"], script, HOME=str(tmp_path)).status == 0
    assert (tmp_path / ".ssh" / "authorized_keys").read_text() == "a key\n"
    assert (tmp_path / ".ssh").stat().st_mode & 0o077 == 0


def test_many_at_once_change_the_keys(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    running = [
        subprocess.Popen(["dash", "-c", scripts.AUTHORISE.format(file=quote(str(keys)), key=f"key-{n}-")])
        for n in range(10)
    ]
    assert [one.wait() for one in running] == [0] * 10
    running = [
        subprocess.Popen(["dash", "-c", scripts.UNAUTHORISE.format(file=quote(str(keys)), mark=f"key-{n}-")])
        for n in range(0, 10, 2)
    ]
    assert [one.wait() for one in running] == [0] * 5

    assert sorted(keys.read_text().split()) == [f"key-{n}-" for n in range(1, 10, 2)]


def test_a_place_is_made_and_looked_at(host: LocalHost, board: BoardConfig, tmp_path: Path) -> None:
    key = JobKey.generate(key_mark(board, 7) + "abc")
    place = make_place(host, board, 7, "abc", key, {"sh", "no-such-program"}, soon())

    assert place.programs == {"sh"}
    assert place.machine == os.uname().machine
    assert Path(place.folder, "handle").read_text() == "abc\n"
    assert (tmp_path / "keys").read_text().strip() == key.public
    assert Path(place.folder).stat().st_mode & 0o077 == 0
    Path(place.folder, "kept").touch()
    assert make_place(host, board, 7, "abc", key, {"sh", "no-such-program"}, soon()) == place
    assert Path(place.folder, "kept").exists(), "the host has booted anew in mid-job"
    assert (tmp_path / "keys").read_text().strip() == key.public, "nobody is let in twice"
    with pytest.raises(NotClean):
        make_place(host, board, 7, "another", key, set(), soon())


@pytest.mark.parametrize("shell", SHELLS, ids=lambda one: one[-1])
def test_cleaning_leaves_nothing(
    host: LocalHost, board: BoardConfig, tmp_path: Path, shell: list[str]
) -> None:
    key = JobKey.generate(key_mark(board, 7) + "abc")
    place = make_place(host, board, 7, "handle-of-this-test", key, set(), soon())
    environment = {**os.environ, "LABBOOK_HANDLE": "handle-of-this-test"}
    left = subprocess.Popen(["sleep", "1000"], env=environment, start_new_session=True)
    other = subprocess.Popen(["sleep", "1000"], env={**os.environ, "LABBOOK_HANDLE": "another"})
    (Path(place.folder) / "read-only").mkdir(mode=0o500)
    script = scripts.CLEAN.format(
        folder=quote(place.folder), file=quote(board.ssh.authorized_keys), mark=quote(key_mark(board, 7))
    )
    try:
        reaper = subprocess.Popen([*shell, "-c", script], stdout=subprocess.PIPE, text=True)
        left.wait(20)
        output, _ = reaper.communicate(timeout=20)
        found = dict(line.split("=", 1) for line in output.splitlines())

        assert found == {
            "killed": f"{left.pid} ",
            "left": "",
            "network": "0",
            "folder": "",
            "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            "key": "",
        }
        assert other.poll() is None, "nobody else is touched"
        assert not Path(place.folder).exists()
        assert (tmp_path / "keys").read_text() == ""
    finally:
        other.kill()
        other.wait()


def test_a_launch_script_passes_words_and_leaves_a_handle(host: LocalHost, tmp_path: Path) -> None:
    script = tmp_path / "launch"
    script.write_text(
        launch_script(
            str(tmp_path / "pid"),
            ("before=1", 'echo "first $WORD"', "exec sleep 1000"),
            {"WORD": 'it\'s "odd" $HOME', "LABBOOK_FOLDER": str(tmp_path)},
            failed=str(tmp_path / "failed"),
        )
    )
    terminal = host.terminal(f"exec sh {quote(str(script))}", soon())
    data, limit = b"", soon()
    while b"\n" not in data:
        limit.check()
        data += terminal.read(1) or b""

    assert data == b'first it\'s "odd" $HOME\n'
    pid = int((tmp_path / "pid").read_text().split()[0])
    assert host.run(f"kill -0 {pid}", soon()).ok
    kill_by_handle(host, [str(tmp_path / "pid")], soon())
    assert terminal.read(5) == b""
    terminal.close()


def test_a_failing_command_before_the_last_ends_the_launch(host: LocalHost, tmp_path: Path) -> None:
    script = tmp_path / "launch"
    commands = ("sleep 0 &", "false", "echo never")
    failed = tmp_path / "failed"
    variables = {"LABBOOK_FOLDER": str(tmp_path)}
    script.write_text(launch_script(str(tmp_path / "pid"), commands, variables, failed=str(failed)))

    done = host.run(f"sh {quote(str(script))}", soon())

    assert (done.status, done.stdout) == (1, b"")
    assert launch.failure(failed.read_bytes(), commands) == "command 2 of 3 (false) ended with exit status 1"
    assert launch.failure(None, commands) == ""


def test_a_number_that_belongs_to_somebody_else_now_is_not_killed(host: LocalHost, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1000"]) as somebody:
        (tmp_path / "pid").write_text(f"{somebody.pid} 12345\n")
        kill_by_handle(host, [str(tmp_path / "pid"), str(tmp_path / "missing")], soon())

        assert somebody.poll() is None
        somebody.kill()


def test_a_process_that_ignores_requests_is_forced(host: LocalHost, tmp_path: Path) -> None:
    script = tmp_path / "launch"
    commands = ("trap '' TERM HUP INT", "echo ready", "while :; do sleep 0.1; done")
    variables = {"LABBOOK_FOLDER": str(tmp_path)}
    script.write_text(
        launch_script(str(tmp_path / "pid"), commands, variables, failed=str(tmp_path / "failed"))
    )
    terminal = host.terminal(f"exec sh {quote(str(script))}", soon())
    assert b"ready" in (terminal.read(10) or b"")

    kill_by_handle(host, [str(tmp_path / "pid")], soon(), grace=0.2)

    terminal.close()


def test_two_jobs_have_networks_of_their_own() -> None:
    one, two = Network.of("a"), Network.of("b")

    assert one == Network.of("a")
    assert (one.group, one.port) != (two.group, two.port)
    assert one.address(3).endswith(".3")
    cards = {mac(one, node, card) for node in range(1, 17) for card in (0, 1)}
    assert len(cards) == 32
    assert all(int(card[:2], 16) & 1 == 0 for card in cards), "not multicast"


def spec(**changes: object) -> VmSpec:
    values: dict[str, object] = {
        "node": 1,
        "name": "server",
        "vm": Vm(device_type="kvm", role="server", memory=512),
        "config": VmTypeConfig(qemu="qemu-system-x86_64", machine="pc", cpu="qemu64", kernel_args="quiet"),
        "files": BootFiles(kernel="/k", ramdisk="/r", disk="/d", root_on_disk=True, arguments=("debug",)),
        "network": Network.of("a"),
        "kvm": False,
        **changes,
    }
    return VmSpec(**values)  # type: ignore[arg-type]


def test_the_command_of_a_vm() -> None:
    command = qemu_command(spec(overlay="/o,1"), "/disk,1")

    assert command[0] == "qemu-system-x86_64"
    assert "console=ttyS0 panic=-1 root=/dev/vda rw quiet debug" in command
    assert command[command.index("-m") + 1] == "512"
    assert "file=/disk,,1,format=qcow2,if=none,id=disk" in command
    assert "file=/o,,1,format=raw,readonly=on,if=none,id=overlay" in command
    assert "tcg" in command


def test_the_command_of_a_vm_under_kvm_that_boots_by_itself() -> None:
    config = VmTypeConfig(
        qemu="qemu-system-aarch64", machine="virt", cpu="cortex-a57", kvm_machine="virt,gic-version=host"
    )
    command = qemu_command(spec(kvm=True, config=config, files=BootFiles(disk="/d", firmware="/fw")), "/disk")

    assert command[command.index("-M") + 1] == "virt,gic-version=host"
    assert command[command.index("-cpu") + 1] == "host"
    assert command[command.index("-bios") + 1] == "/fw"
    assert "-append" not in command
    assert any("bootindex=0" in word for word in command)


def test_the_types_firmware_is_for_disks_that_boot_by_themselves() -> None:
    config = VmTypeConfig(qemu="qemu-system-aarch64", machine="virt", cpu="cortex-a57", firmware="/type")

    assert "/type" in qemu_command(spec(config=config, files=BootFiles(disk="/d")), "/disk")
    assert "-bios" not in qemu_command(spec(config=config, files=BootFiles(disk="/d", kernel="/k")), "/disk")
    own = BootFiles(kernel="/k", firmware="/own")
    assert "/own" in qemu_command(spec(config=config, files=own), "")


def test_a_vm_is_prepared_with_a_disk_to_throw_away(
    host: LocalHost, board: BoardConfig, tmp_path: Path
) -> None:
    place = make_place(host, board, 8, "abc", JobKey.generate("x"), set(), soon())
    files = BootFiles(kernel="/k", disk=f"{place.folder}/image", disk_size=1024 * 1024)
    process = VmProcess(host, place, spec(files=files))

    process.prepare(soon())

    assert process.disk in process.command
    assert Path(process.disk).read_bytes()[:4] == b"QFI\xfb"
    assert process.pid(soon()) is None


@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="needs qemu-system-x86_64")
def test_the_probes_guest_runs_on_x86(tmp_path: Path) -> None:
    path = tmp_path / "guest"
    command, content, expected = kvm._guest(
        VmTypeConfig(qemu="qemu-system-x86_64", machine="pc", cpu="qemu64", kvm_cpu="qemu64"), str(path)
    )
    path.write_bytes(content)

    emulated = ["tcg" if word == "kvm" else word for word in command]

    assert subprocess.run(emulated, timeout=60, check=False).returncode == expected


@pytest.mark.skipif(shutil.which("qemu-system-aarch64") is None, reason="needs qemu-system-aarch64")
def test_the_probes_guest_runs_on_arm(tmp_path: Path) -> None:
    path = tmp_path / "guest"
    command, content, expected = kvm._guest(
        VmTypeConfig(qemu="qemu-system-aarch64", machine="virt", cpu="cortex-a57", kvm_cpu="cortex-a57"),
        str(path),
    )
    path.write_bytes(content)

    emulated = ["tcg" if word == "kvm" else word for word in command]

    assert subprocess.run(emulated, timeout=60, check=False).returncode == expected


def test_a_32_bit_guest_runs_under_kvm_with_the_64_bit_hosts_qemu(tmp_path: Path) -> None:
    path = tmp_path / "guest"
    arm = VmTypeConfig(
        qemu="qemu-system-arm", machine="virt", cpu="cortex-a15",
        kvm_qemu="qemu-system-aarch64", kvm_cpu="host,aarch64=off",
    )  # fmt: skip
    command, content, expected = kvm._guest(arm, str(path))
    path.write_bytes(content)

    # Emulated, only the 32-bit program starts in that mode.
    given = {"kvm": "tcg", "qemu-system-aarch64": "qemu-system-arm", "host,aarch64=off": "cortex-a15"}
    emulated = [given.get(word, word) for word in command]

    assert command[0] == "qemu-system-aarch64"
    assert subprocess.run(emulated, timeout=60, check=False).returncode == expected
    assert qemu_command(spec(kvm=True, config=arm), "")[0] == "qemu-system-aarch64"
    assert qemu_command(spec(kvm=False, config=arm), "")[0] == "qemu-system-arm"


@pytest.mark.parametrize(
    ("body", "usable", "words"),
    [
        ("exit 33", True, "a guest ran under KVM"),
        ("sleep 100", False, "a guest under KVM hung"),
        ("echo cannot set MSR >&2; exit 1", False, "a guest under KVM fails: cannot set MSR"),
    ],
)
def test_kvm_is_judged_by_what_its_guest_does(
    host: LocalHost,
    board: BoardConfig,
    tmp_path: Path,
    body: str,
    usable: bool,
    words: str,
) -> None:
    qemu = tmp_path / "qemu-system-x86_64"
    qemu.write_text(f"#!/bin/sh\n{'exec ' if body.startswith('sleep') else ''}{body}\n")
    qemu.chmod(0o755)
    first = make_place(host, board, 9, "abc", JobKey.generate("x"), set(), soon())
    place = type(first)(
        **{name: getattr(first, name) for name in first.__slots__ if name not in ("machine", "has_kvm")},
        machine="x86_64",
        has_kvm=True,
    )
    config = VmTypeConfig(qemu=str(qemu), machine="pc", cpu="qemu64")

    found = kvm.look(host, place, config, replace(board, kvm_timeout=1), soon())

    assert (found.usable, found.surprising) == (usable, not usable)
    assert found.words.startswith(words)
    qemu.unlink()
    again = make_place(host, board, 10, "abd", JobKey.generate("y"), set(), soon())
    assert again.known[f"kvm-{qemu.name}-{again.boot_id}"] in ("works", "hangs", found.words[18:])


@pytest.mark.parametrize(
    ("machine", "policy", "has_kvm", "words", "surprising"),
    [
        ("x86_64", "never", True, "the board is configured to emulate", False),
        ("aarch64", "auto", True, "is emulation on a host that is aarch64", False),
        ("x86_64", "auto", False, "there is no /dev/kvm", True),
    ],
)
def test_kvm_is_not_tried_where_it_cannot_be(
    host: LocalHost,
    board: BoardConfig,
    machine: str,
    policy: str,
    has_kvm: bool,
    words: str,
    surprising: bool,
) -> None:
    first = make_place(host, board, 9, "abc", JobKey.generate("x"), set(), soon())
    values = {name: getattr(first, name) for name in first.__slots__}
    place = type(first)(**{**values, "machine": machine, "has_kvm": has_kvm})

    config = VmTypeConfig(qemu="qemu-system-x86_64", machine="pc", cpu="x")
    found = kvm.look(host, place, config, replace(board, kvm=policy), soon())

    assert not found.usable
    assert words in found.words
    assert found.surprising is surprising


def test_a_work_dir_that_is_no_path(host: LocalHost, board: BoardConfig) -> None:
    bad = BoardConfig(ssh=board.ssh, work_dir="relative")

    with pytest.raises(InfrastructureError, match="is not an absolute path"):
        make_place(host, bad, 1, "abc", JobKey.generate("x"), set(), soon())
