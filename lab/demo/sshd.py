"""A throw-away ssh host: an sshd of one's own on a loopback port.

It has its own host key, configuration and list of authorised keys in one folder, offers sftp, and needs no
root: whoever starts it is the one user who can log in.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from lab.demo.tied import tied
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError

_CONFIG = """\
# Written by Labbook's demo at every start; changes are lost.
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile {folder}/pid
AuthorizedKeysFile {folder}/authorized_keys
AllowUsers {user}
StrictModes no
UsePAM {pam}
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
# A job takes a session for each VM, and some; ten is the default.
MaxSessions 100
MaxStartups 100
UseDNS no
# Or bash reads its user's .bashrc for every single command, which takes a tenth of a second and more.
SetEnv SHLVL=1
PrintMotd no
PrintLastLog no
AllowTcpForwarding no
AllowAgentForwarding no
X11Forwarding no
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshServer:
    """A running server, and what one needs to log in."""

    port: int
    user: str
    key_file: Path
    host_key: str
    """As known_hosts has it: type and key."""
    authorized_keys: Path


class Sshd:
    """The server of one folder. Usable as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> SshServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, port: int = 0, *, timeout: float = 20) -> SshServer:
        """Start it on `port` where that is free, else on any; returns when it answers.

        Raises `InfrastructureError` with what sshd said.
        """
        program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:" + os.environ.get("PATH", ""))
        if program is None:
            raise InfrastructureError(
                "there is no sshd on this machine; `make setup` installs openssh-server"
            )
        self._end_earlier()
        self._make_keys()
        around = self._around()
        deadline = Deadline.after(timeout, "the start of the demo's sshd")
        for wanted in (port, 0, 0):  # somebody may take a free port before sshd does
            free = _free_port(wanted)
            self._write_config(free)
            # Its own session: a Ctrl-C at the terminal is for whoever started us, who then stops it in order.
            self._process = subprocess.Popen(
                [
                    *around,
                    *tied(program, "-D", "-f", str(self._path("config")), "-E", str(self._path("log"))),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            if self._answers(free, deadline):
                return self._server(free)
            self.stop()
        raise InfrastructureError(f"the demo's sshd does not start: {self._last_words()}")

    def stop(self) -> None:
        """End the server and the sessions it carries."""
        if self._process is not None:
            with suppress(psutil.NoSuchProcess):
                _end(psutil.Process(self._process.pid))
            self._process.wait()
        self._process = None
        self._path("pid").unlink(missing_ok=True)

    def _server(self, port: int) -> SshServer:
        kind, key = self._path("host_key.pub").read_text().split()[:2]
        return SshServer(
            port=port,
            user=_user(),
            key_file=self._path("id"),
            host_key=f"{kind} {key}",
            authorized_keys=self._path("authorized_keys"),
        )

    def _around(self) -> list[str]:
        """Return the command in which sshd must run so that it can give terminals; mostly none.

        An ordinary user's sshd gives up when a terminal is not of the group tty and cannot be given to it. As
        a rule new terminals are (devpts is mounted with gid=5); where not, sshd is shown a machine without
        that group, and leaves the terminal as it is. Raises `InfrastructureError` if that is forbidden.
        """
        if os.getuid() == 0 or _terminals_are_of_group_tty():
            return []
        groups = self._path("group")
        lines = Path("/etc/group").read_text().splitlines(keepends=True)
        groups.write_text("".join(line for line in lines if not line.startswith("tty:")))
        around = [
            *("unshare", "--user", "--map-root-user", "--mount"),
            *("sh", "-c", 'mount --bind "$0" /etc/group && exec "$@"', str(groups)),
            *("unshare", "--user", f"--map-user={os.getuid()}", f"--map-group={os.getgid()}"),
        ]
        tried = subprocess.run([*around, "true"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if tried.returncode:
            raise InfrastructureError(
                "new terminals here do not belong to the group tty, so an ordinary user's sshd cannot give "
                f"any, and a namespace without that group is forbidden ({tried.stderr.strip()}). As root: "
                "mount -o remount,gid=5,mode=620 /dev/pts; or run this as root."
            )
        return around

    def _make_keys(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for name in ("host_key", "id"):
            if not self._path(f"{name}.pub").exists():
                self._path(name).unlink(missing_ok=True)
                command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "labbook-demo", "-f")
                subprocess.run([*command, str(self._path(name))], check=True, stdin=subprocess.DEVNULL)
        # Keys of jobs that ended badly long ago are not wanted any more.
        self._path("authorized_keys").write_text(self._path("id.pub").read_text())
        self._path("authorized_keys").chmod(0o600)

    def _write_config(self, port: int) -> None:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it, for root only
        text = _CONFIG.format(port=port, folder=self.folder, user=_user(), pam="yes" if _locked() else "no")
        self._path("config").write_text(text)
        self._path("log").write_text("")

    def _answers(self, port: int, deadline: Deadline) -> bool:
        """Wait until it sends its banner; False if it ends instead."""
        while self.alive:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                if connection.recv(4) == b"SSH-" and self.alive:
                    return True
            deadline.check()
            time.sleep(0.02)
        return False

    def _end_earlier(self) -> None:
        """End a server of this folder that was left behind by somebody who was killed."""
        with suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            earlier = psutil.Process(int(self._path("pid").read_text()))
            if str(self._path("config")) in " ".join(earlier.cmdline()):
                _end(earlier)

    def _last_words(self) -> str:
        log = self._path("log")
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "; ".join(lines[-3:]) or "it said nothing"

    def _path(self, name: str) -> Path:
        return self.folder / name


def _end(server: psutil.Process) -> None:
    """End a server and what runs in its sessions, which are in process groups of their own."""
    processes = [server, *server.children(recursive=True)]
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                ask(process)
        _, processes = psutil.wait_procs(processes, timeout=5)


def _free_port(wanted: int) -> int:
    """Return `wanted` if nobody listens there, else a free port."""
    for port in (wanted, 0):
        with suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise InfrastructureError("there is no free port on 127.0.0.1")


def _user() -> str:
    """Return who runs this: by number, not by what the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError as exc:
        raise InfrastructureError(
            f"the user with number {os.getuid()} has no name on this machine (no line in /etc/passwd), "
            "so it cannot log in by ssh"
        ) from exc


def _terminals_are_of_group_tty() -> bool:
    try:
        group = grp.getgrnam("tty").gr_gid
    except KeyError:
        return True  # then sshd does not ask for it
    ours, theirs = os.openpty()
    try:
        return os.fstat(theirs).st_gid == group
    finally:
        os.close(ours)
        os.close(theirs)


def _locked() -> bool:
    """Whether sshd would refuse root for its locked password, which it does where PAM does not decide."""
    if os.getuid() != 0:
        return False
    lines = Path("/etc/shadow").read_text().splitlines() if Path("/etc/shadow").exists() else []
    return any(line.startswith("root:!") for line in lines)
