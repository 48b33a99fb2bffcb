"""The demo's ssh host."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from devices.drivers import ssh
from lab.demo.sshd import Sshd, SshServer
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError
from tests.support.sshd import ssh_config

ROOT = Path(__file__).parents[2]


def test_whoever_starts_it_can_run_commands_and_copy_files(sshd: SshServer, tmp_path: Path) -> None:
    deadline = Deadline.after(30)
    host = ssh.connect(ssh_config(sshd), deadline)
    try:
        assert host.run("id -un", deadline).text.strip() == pwd.getpwuid(os.getuid()).pw_name
        with (ROOT / "pyproject.toml").open("rb") as content:
            host.put(content, str(tmp_path / "copy"), deadline)
    finally:
        host.close()
    assert (tmp_path / "copy").read_bytes() == (ROOT / "pyproject.toml").read_bytes()


def test_a_second_start_keeps_its_keys_and_its_port(tmp_path: Path) -> None:
    with Sshd(tmp_path) as first:
        pass
    server = Sshd(tmp_path)
    second = server.start(first.port)
    server.stop()
    assert second == first


def test_a_port_that_is_taken_is_left_alone(sshd: SshServer, tmp_path: Path) -> None:
    server = Sshd(tmp_path / "other")
    try:
        assert server.start(sshd.port).port != sshd.port
    finally:
        server.stop()


def test_stopping_it_ends_what_runs_in_its_sessions(tmp_path: Path) -> None:
    server = Sshd(tmp_path)
    host = ssh.connect(ssh_config(server.start()), Deadline.after(30))
    try:
        terminal = host.terminal("echo $$; exec sleep 1000", Deadline.after(10))
        said = b""
        while b"\n" not in said:
            said += terminal.read(10) or b""
        process = psutil.Process(int(said.split()[0]))
        server.stop()
        assert not process.is_running()
        assert not server.alive
    finally:
        host.close()
        server.stop()


def test_a_server_left_behind_is_replaced(tmp_path: Path) -> None:
    left = Sshd(tmp_path)
    port = left.start().port
    server = Sshd(tmp_path)
    try:
        assert server.start(port).port == port
        assert not left.alive
    finally:
        server.stop()
        left.stop()


def test_it_says_why_it_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.demo.sshd._CONFIG", "NoSuchOption yes\n")
    with pytest.raises(InfrastructureError, match="Bad configuration option: NoSuchOption"):
        Sshd(tmp_path).start()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else; the others run as one")
def test_it_works_for_an_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    shells = set(Path("/etc/shells").read_text().split())
    users = [u for u in pwd.getpwall() if u.pw_uid and u.pw_shell in shells]
    if not users:
        pytest.skip("there is no ordinary user with a shell on this machine")
    script = (
        "import subprocess, sys\n"
        "from pathlib import Path\n"
        "from lab.demo.sshd import Sshd\n"
        "folder = Path(sys.argv[1])\n"
        "with Sshd(folder) as s:\n"
        "    (folder / 'known').write_text(f'[127.0.0.1]:{s.port} {s.host_key}\\n')\n"
        "    options = ['-o', 'BatchMode=yes', '-o', f'UserKnownHostsFile={folder}/known']\n"
        "    login = ['-i', str(s.key_file), '-p', str(s.port), '-tt', s.user + '@127.0.0.1']\n"
        "    subprocess.run(['ssh', '-F', 'none', *options, *login, 'id -un; tty'], check=True)\n"
    )
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    # This Python may lie where only root can go; Debian's does not.
    packages = os.pathsep.join([str(ROOT), *(path for path in sys.path if "site-packages" in path)])
    become = ["runuser", "-u", users[0].pw_name, "--", "env", f"PYTHONPATH={packages}", "/usr/bin/python3"]
    try:
        os.chown(folder, users[0].pw_uid, users[0].pw_gid)
        if subprocess.run([*become, "-c", "import lab.demo.sshd"], capture_output=True, cwd="/").returncode:
            pytest.skip(f"{users[0].pw_name} may not read {ROOT}")
        done = subprocess.run(
            [*become, "-c", script, str(folder)], capture_output=True, text=True, cwd="/", timeout=60
        )
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    assert done.returncode == 0, done.stderr
    name, terminal = done.stdout.split()
    assert name == users[0].pw_name
    assert terminal.startswith("/dev/pts/")


def test_it_ends_with_whoever_started_it_even_if_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from lab.demo.sshd import Sshd\n"
        "server = Sshd(Path(sys.argv[1]))\n"
        "print(server.start().port, server._process.pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as starter:
        assert starter.stdout
        pid = int(starter.stdout.readline().split()[1])
        server = psutil.Process(pid)
        starter.kill()
    deadline = Deadline.after(20)
    # Where nobody buries it, it stays a zombie: as good as gone.
    while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
        deadline.check()
        time.sleep(0.02)
