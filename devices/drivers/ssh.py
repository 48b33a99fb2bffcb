"""Hosts by ssh, with paramiko. Foreign exceptions are translated here and nowhere else.

Facts that shaped this module (measured, see docs/drivers.md): without TCP_NODELAY a command takes 44 ms
instead of 2; paramiko reports -1 both for "killed by a signal" and "connection lost"; its keepalive never
checks for an answer; sshd gives 10 sessions per connection unless told otherwise; a pty is what makes
remote processes die with their channel.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import socket
import threading
from collections.abc import Iterator
from typing import BinaryIO

import paramiko
from paramiko.ssh_exception import ChannelException, SSHException

from devices.domain.config import SshConfig
from devices.drivers.sftp import Sftp
from devices.drivers.shell import Completed, ConnectionLost, Progress, quote
from devices.drivers.ssh_channels import SshTerminal, collect
from devices.drivers.ssh_order import in_order
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded, InfrastructureError

MAX_CONNECTIONS = 16
REFUSED_RETRIES = 3
FAST = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""Ciphers that need no second pass for a checksum: copies are a third faster with them."""
PARAMIKO_LOG = "labbook.paramiko"


class NotLetIn(InfrastructureError):
    """The host answers, but is not the one that was meant, or does not take the key. It will say so again."""


def load_key(path: str) -> paramiko.PKey:
    """Return the private key in a file. Raises `InfrastructureError` with words."""
    try:
        return paramiko.PKey.from_path(path)
    except FileNotFoundError as exc:
        raise InfrastructureError(f"the board's ssh key file {path} does not exist on this worker") from exc
    except OSError as exc:
        raise InfrastructureError(f"the board's ssh key file {path} cannot be read: {exc.strerror}") from exc
    except (SSHException, ValueError, TypeError) as exc:
        raise InfrastructureError(
            f"the board's ssh key file {path} is not a usable private key: {exc}"
        ) from exc


def fingerprint(key: paramiko.PKey) -> str:
    """Return the key's kind and SHA-256 fingerprint as ``ssh-keygen -l`` shows it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def connect(config: SshConfig, deadline: Deadline, *, key: paramiko.PKey | None = None) -> SshHost:
    """Return a connected host; `key` instead of the one in the configuration's file."""
    host = SshHost(config, key or load_key(config.key_file))
    try:
        host.dial(deadline)
    except BaseException:
        host.close()
        raise
    return host


class SshHost:
    """A host by ssh; see `devices.drivers.shell.HostShell`. Opens more connections when sessions run out."""

    def __init__(self, config: SshConfig, key: paramiko.PKey) -> None:
        self.config, self._key = config, key
        self._transports: list[paramiko.Transport] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._probes: list[threading.Thread] = []
        self._why_lost = ""
        self._sftp = Sftp(self)

    @property
    def name(self) -> str:
        return f"{self.config.user}@{self.config.host}:{self.config.port}"

    # -- connections ---------------------------------------------------------------------------------

    def dial(self, deadline: Deadline) -> paramiko.Transport:
        """Open one more connection."""
        sock = self._socket(deadline)
        transport: paramiko.Transport | None = None
        try:
            with self._translated(deadline):
                transport = self._negotiate(sock, deadline)
                self._check_host_key(transport.get_remote_server_key())
                self._log_in(transport, deadline)
        except BaseException:
            if transport is not None:
                transport.close()
            sock.close()
            raise
        self._transports.append(transport)
        probe = threading.Thread(
            target=self._probe, args=(transport,), name=f"probe {self.name}", daemon=True
        )
        self._probes.append(probe)
        probe.start()
        return transport

    def _socket(self, deadline: Deadline) -> socket.socket:
        where = (self.config.host, self.config.port)
        tries = 0
        while True:
            deadline.check()
            try:
                sock = socket.create_connection(where, timeout=max(0.05, deadline.tick * 25))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except ConnectionRefusedError as exc:
                tries += 1
                if tries > REFUSED_RETRIES:
                    raise InfrastructureError(
                        f"ssh to {self.name} failed: the connection was refused; is sshd running there,"
                        " and on that port?"
                    ) from exc
                self._closed.wait(min(0.3 * tries, deadline.remaining))
            except TimeoutError as exc:
                if deadline.expired:
                    raise DeadlineExceeded(f"ssh to {self.name} failed: no answer in time") from exc
            except socket.gaierror as exc:
                raise InfrastructureError(
                    f"ssh to {self.name} failed: the name {self.config.host!r} cannot be resolved"
                ) from exc
            except OSError as exc:
                raise InfrastructureError(f"ssh to {self.name} failed: {exc.strerror or exc}") from exc
            else:
                return sock

    def _negotiate(self, sock: socket.socket, deadline: Deadline) -> paramiko.Transport:
        transport = paramiko.Transport(sock)
        transport.daemon = True
        transport.set_log_channel(PARAMIKO_LOG)
        logging.getLogger(PARAMIKO_LOG).setLevel(logging.CRITICAL)  # its errors arrive as exceptions
        seconds = deadline.remaining
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = seconds
        options = transport.get_security_options()
        options.ciphers = (*FAST, *(one for one in options.ciphers if one not in FAST))
        kind = self.config.host_key.split(" ")[0]
        wanted = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}.get(kind, (kind,))
        if known := tuple(name for name in options.key_types if name in wanted):
            options.key_types = known
        try:
            done = threading.Event()
            transport.start_client(event=done)
            _await(transport, done, deadline)
        except BaseException:
            transport.close()
            raise
        return transport

    def _log_in(self, transport: paramiko.Transport, deadline: Deadline) -> None:
        done = threading.Event()
        transport.auth_publickey(self.config.user, self._key, event=done)
        _await(transport, done, deadline)
        if not transport.is_authenticated():
            raise paramiko.AuthenticationException("the host wants something else than this key")

    def _check_host_key(self, found: paramiko.PKey) -> None:
        words = self.config.host_key.split()
        if len(words) < 2:
            raise NotLetIn(
                f"ssh to {self.name} refused: the board has no host key configured to check it against; the"
                f" host shows {found.get_name()} {found.get_base64()} ({fingerprint(found)})"
            )
        if (found.get_name(), found.get_base64()) != (words[0], words[1]):
            raise NotLetIn(
                f"ssh to {self.name} refused: the host key is not the configured one (it shows"
                f" {fingerprint(found)}, configured is {words[0]} {words[1][:24]}…). Either another machine"
                " answers there or it was installed anew; change the board's host_key only if you know which"
            )

    @contextlib.contextmanager
    def _translated(self, deadline: Deadline) -> Iterator[None]:
        """Turn what paramiko raises while connecting into our errors."""
        try:
            yield
        except paramiko.AuthenticationException as exc:
            raise NotLetIn(
                f"ssh to {self.name} failed: user {self.config.user} may not log in with the key"
                f" {fingerprint(self._key)}; is it in the host's authorized_keys?"
            ) from exc
        except (SSHException, EOFError, OSError) as exc:
            if deadline.expired:
                raise DeadlineExceeded(f"ssh to {self.name} failed: no ssh answer in time ({exc})") from exc
            why = str(exc) or "the host hung up"
            raise InfrastructureError(f"ssh to {self.name} failed: {why}") from exc

    def _probe(self, transport: paramiko.Transport) -> None:
        """Ask now and then whether the host still answers, and close the connection when it does not."""
        while not self._closed.wait(self.config.probe_every) and transport.is_active():
            answered = threading.Event()

            def ask(answered: threading.Event = answered) -> None:
                with contextlib.suppress(SSHException, EOFError, OSError):
                    transport.global_request("keepalive@openssh.com", wait=True)
                answered.set()

            threading.Thread(target=ask, daemon=True, name=f"ask {self.name}").start()
            if not answered.wait(self.config.patience) and not self._closed.is_set():
                self._why_lost = f"it has not answered for {self.config.patience:g} s"
                transport.close()
                return

    def give_up(self, why: str) -> None:
        """Take the host for lost: whoever waits for it is told so at once."""
        self._why_lost = self._why_lost or why
        for transport in list(self._transports):
            transport.close()

    def lost(self) -> ConnectionLost:
        """Return the error that says that the connection is gone."""
        why = f": {self._why_lost}" if self._why_lost else ""
        return ConnectionLost(f"the ssh connection to {self.name} was lost{why}")

    def close(self) -> None:
        self._closed.set()
        self._sftp.close()
        for transport in self._transports:
            # paramiko's thread would look for its end ten times a second only: this wakes it up.
            with contextlib.suppress(OSError):
                transport.sock.shutdown(socket.SHUT_RDWR)
            transport.close()
        for thread in (*self._transports, *self._probes):
            if thread.is_alive():
                thread.join(2)

    # -- sessions ------------------------------------------------------------------------------------

    def session(self, deadline: Deadline) -> paramiko.Channel:
        """Open a channel, on one more connection if the host gives no more on those there are."""
        with self._lock:
            deadline.check()
            for transport in list(self._transports):
                if not transport.is_active():
                    continue
                try:
                    return in_order(transport.open_session(timeout=max(0.1, deadline.remaining)))
                except ChannelException:
                    continue  # MaxSessions: try the next connection
                except (SSHException, EOFError, OSError) as exc:
                    deadline.check()
                    raise self.lost() from exc
            if not any(t.is_active() for t in self._transports):
                raise self.lost()
            if len(self._transports) >= MAX_CONNECTIONS:
                raise InfrastructureError(
                    f"{self.name} grants no more sessions on {MAX_CONNECTIONS} connections; raise MaxSessions"
                    " in its sshd_config"
                )
            transport = self.dial(deadline)
            try:
                return in_order(transport.open_session(timeout=max(0.1, deadline.remaining)))
            except (SSHException, EOFError, OSError) as exc:
                deadline.check()
                raise InfrastructureError(f"{self.name} grants no session: {exc}") from exc

    def run(self, script: str, deadline: Deadline, *, stdin: bytes = b"") -> Completed:
        channel = self.session(deadline)
        try:
            channel.settimeout(0.2)
            self.execute(channel, script)
            done = collect(channel, stdin, self.name, deadline)
            if done is None:
                raise self.lost()
            return done
        finally:
            with contextlib.suppress(OSError, SSHException, EOFError):
                channel.close()

    def execute(self, channel: paramiko.Channel, script: str) -> None:
        """Start POSIX shell text on a channel."""
        try:
            # `exec sh`: the user's login shell may be anything
            channel.exec_command("exec sh -c " + quote(script))
        except (SSHException, EOFError, OSError) as exc:
            raise self.lost() from exc

    def terminal(self, script: str, deadline: Deadline) -> SshTerminal:
        channel = self.session(deadline)
        try:
            channel.get_pty("vt100", 200, 50)
            self.execute(channel, script)
        except (SSHException, EOFError, OSError) as exc:
            channel.close()
            raise InfrastructureError(
                f"{self.name} gives no terminal: {str(exc) or 'the connection was lost'}"
            ) from exc
        except BaseException:
            channel.close()
            raise
        return SshTerminal(channel, self.name)

    def put(
        self,
        source: BinaryIO,
        path: str,
        deadline: Deadline,
        *,
        mode: int = 0o600,
        progress: Progress | None = None,
    ) -> str:
        return self._sftp.put(source, path, deadline, mode=mode, progress=progress)

    def read(self, path: str, deadline: Deadline, limit: int = 64 * 1024) -> bytes | None:
        return self._sftp.read(path, deadline, limit)


def _await(transport: paramiko.Transport, done: threading.Event, deadline: Deadline) -> None:
    """Wait until paramiko's thread has done a step; raises what it ran into."""
    while not done.wait(max(0.01, deadline.tick)) and transport.is_active():
        deadline.check()
    if (error := transport.get_exception()) is not None:
        raise error
    if not transport.is_active():
        raise SSHException("the host hung up")
