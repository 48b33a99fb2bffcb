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
import time
from collections.abc import Iterator
from typing import BinaryIO

import paramiko
from paramiko.ssh_exception import ChannelException, SSHException

from devices.domain.config import SshConfig
from devices.drivers.sftp import Sftp
from devices.drivers.shell import Completed, Progress, quote
from lab.kernel.deadline import Deadline
from lab.kernel.errors import DeadlineExceeded, InfrastructureError

PROBE_EVERY = 5.0
"""Seconds between two keepalive questions."""
PROBE_PATIENCE = 20.0
"""Seconds that a host may take to answer one before the connection counts as lost."""
OUTPUT_LIMIT = 16 * 1024 * 1024
"""Bytes of output that one command may produce."""
MAX_CONNECTIONS = 16
REFUSED_RETRIES = 3
PARAMIKO_LOG = "labbook.paramiko"


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


class SshTerminal:
    """A pty channel."""

    def __init__(self, channel: paramiko.Channel, name: str) -> None:
        self._channel, self._name = channel, name
        channel.settimeout(0.2)

    def read(self, seconds: float) -> bytes | None:
        limit = time.monotonic() + seconds
        while True:
            try:
                return self._channel.recv(256 * 1024)
            except TimeoutError:
                if time.monotonic() >= limit:
                    return None
            except (OSError, SSHException):
                return b""

    def write(self, data: bytes, deadline: Deadline) -> None:
        view = memoryview(data)
        while view:
            try:
                sent = self._channel.send(bytes(view[: 32 * 1024]))
            except TimeoutError:
                deadline.check()  # the other side does not read
                continue
            except (OSError, SSHException) as exc:
                raise InfrastructureError(f"a terminal on {self._name} is closed: {self.ending}") from exc
            if sent == 0:
                raise InfrastructureError(f"a terminal on {self._name} is closed: {self.ending}")
            view = view[sent:]

    def close(self) -> None:
        with contextlib.suppress(OSError, SSHException, EOFError):
            self._channel.close()

    @property
    def ending(self) -> str:
        self._channel.status_event.wait(1)
        if (status := self._channel.exit_status) >= 0:
            return f"exit status {status}"
        if not self._channel.get_transport().is_active():
            return f"the ssh connection to {self._name} was lost"
        return "killed by a signal"


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
            raise InfrastructureError(
                f"ssh to {self.name} refused: the board has no host key configured to check it against; the"
                f" host shows {found.get_name()} {found.get_base64()} ({fingerprint(found)})"
            )
        if (found.get_name(), found.get_base64()) != (words[0], words[1]):
            raise InfrastructureError(
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
            raise InfrastructureError(
                f"ssh to {self.name} failed: user {self.config.user} may not log in with the key"
                f" {fingerprint(self._key)}; is it in the host's authorized_keys?"
            ) from exc
        except (SSHException, EOFError, OSError) as exc:
            if deadline.expired:
                raise DeadlineExceeded(f"ssh to {self.name} failed: no ssh answer in time ({exc})") from exc
            raise InfrastructureError(f"ssh to {self.name} failed: {str(exc) or type(exc).__name__}") from exc

    def _probe(self, transport: paramiko.Transport) -> None:
        """Ask now and then whether the host still answers, and close the connection when it does not."""
        while not self._closed.wait(PROBE_EVERY) and transport.is_active():
            answered = threading.Event()

            def ask(answered: threading.Event = answered) -> None:
                with contextlib.suppress(SSHException, EOFError, OSError):
                    transport.global_request("keepalive@openssh.com", wait=True)
                answered.set()

            threading.Thread(target=ask, daemon=True, name=f"ask {self.name}").start()
            if not answered.wait(PROBE_PATIENCE) and not self._closed.is_set():
                self._why_lost = f"it has not answered for {PROBE_PATIENCE:.0f} s"
                transport.close()
                return

    def lost(self) -> InfrastructureError:
        """Return the error that says that the connection is gone."""
        why = f": {self._why_lost}" if self._why_lost else ""
        return InfrastructureError(f"the ssh connection to {self.name} was lost{why}")

    def close(self) -> None:
        self._closed.set()
        self._sftp.close()
        for transport in self._transports:
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
                    return transport.open_session(timeout=max(0.1, deadline.remaining))
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
                return transport.open_session(timeout=max(0.1, deadline.remaining))
            except (SSHException, EOFError, OSError) as exc:
                deadline.check()
                raise InfrastructureError(f"{self.name} grants no session: {exc}") from exc

    def run(self, script: str, deadline: Deadline, *, stdin: bytes = b"") -> Completed:
        channel = self.session(deadline)
        try:
            channel.settimeout(0.2)
            self._exec(channel, script)
            return self._collect(channel, stdin, deadline)
        finally:
            with contextlib.suppress(OSError, SSHException, EOFError):
                channel.close()

    def _exec(self, channel: paramiko.Channel, script: str) -> None:
        try:
            # `exec sh`: the user's login shell may be anything
            channel.exec_command("exec sh -c " + quote(script))
        except (SSHException, EOFError, OSError) as exc:
            raise self.lost() from exc

    def _collect(self, channel: paramiko.Channel, stdin: bytes, deadline: Deadline) -> Completed:
        errors = bytearray()
        drain = threading.Thread(target=_drain, args=(channel, errors), daemon=True, name="stderr")
        drain.start()
        feed: threading.Thread | None = None
        if stdin:
            feed = threading.Thread(target=_feed, args=(channel, stdin), daemon=True, name="stdin")
            feed.start()
        else:
            with contextlib.suppress(OSError, SSHException, EOFError):
                channel.shutdown_write()
        try:
            output = bytearray()
            while True:
                try:
                    data = channel.recv(256 * 1024)
                except TimeoutError:
                    deadline.check()
                    continue
                if not data:
                    break
                output += data
                if len(output) > OUTPUT_LIMIT:
                    raise InfrastructureError(
                        f"a command on {self.name} printed more than {OUTPUT_LIMIT} bytes"
                    )
            while not channel.status_event.wait(max(0.01, deadline.tick)):
                deadline.check()
        finally:
            if not channel.status_event.is_set():
                channel.close()
            drain.join(2)
            if feed is not None:
                feed.join(2)
        if channel.exit_status < 0 and not channel.get_transport().is_active():
            raise self.lost()
        status = channel.exit_status if channel.exit_status >= 0 else None
        return Completed(status=status, stdout=bytes(output), stderr=bytes(errors))

    def terminal(self, script: str, deadline: Deadline) -> SshTerminal:
        channel = self.session(deadline)
        try:
            channel.get_pty("vt100", 200, 50)
            self._exec(channel, script)
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


def _drain(channel: paramiko.Channel, into: bytearray) -> None:
    """Read the error stream to its end, keeping its last part: a full window would stop the command."""
    while True:
        try:
            data = channel.recv_stderr(256 * 1024)
        except TimeoutError:
            if channel.closed:
                return
            continue
        except (OSError, SSHException):
            return
        if not data:
            return
        into += data
        if len(into) > OUTPUT_LIMIT:
            del into[: len(into) - OUTPUT_LIMIT // 2]


def _feed(channel: paramiko.Channel, data: bytes) -> None:
    view = memoryview(data)
    while view and not channel.closed:
        try:
            sent = channel.send(bytes(view[: 32 * 1024]))
        except TimeoutError:
            continue
        except (OSError, SSHException):
            return
        if sent == 0:
            return
        view = view[sent:]
    with contextlib.suppress(OSError, SSHException, EOFError):
        channel.shutdown_write()
