"""One connection to a serial console, by any way: a device, a TCP port, RFC 2217, a program."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import getpass
import os
import pty
import queue
import select
import shutil
import signal
import socket
import subprocess
import termios
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import serial
import serial.rfc2217

from devices.domain.config import ConsoleConfig
from devices.drivers.worker_command import environment

PIECE = 256 * 1024
LOCK_FOLDERS = ("/run/lock", "/var/lock")
"""Where terminal programs that follow the old custom leave ``LCK..ttyUSB0`` with their process number."""


class LinkDown(Exception):
    """The connection is gone or cannot be made. `lasting`: trying again will not help."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class Link(Protocol):
    """An open connection. One thread reads, another may write, any may close."""

    def read(self, seconds: float) -> bytes | None:
        """Return what has arrived, waiting up to `seconds`: None if nothing did. Raises `LinkDown`."""

    def write(self, data: bytes, seconds: float) -> int:
        """Return how many bytes were taken, waiting up to `seconds` for room. Raises `LinkDown`."""

    def close(self) -> None:
        """Hang up. May be called more than once."""


class FileLike(Protocol):
    """What a descriptor belongs to."""

    def fileno(self) -> int: ...
    def close(self) -> None: ...


def open_link(config: ConsoleConfig) -> Link:
    """Connect. Takes up to some ten seconds; raises `LinkDown` with the reason."""
    if config.command:
        return _attach(config.command)
    parts = urlsplit(config.url)
    if parts.scheme == "socket":
        return _connect(parts.hostname or "", parts.port or 0, config.connect_timeout)
    if parts.scheme == "rfc2217":
        return Rfc2217Link(config)
    return _open_device(config)


class FdLink:
    """A connection that is one non-blocking descriptor."""

    def __init__(self, file: FileLike, ending: Callable[[], str]) -> None:
        self._file, self._ending = file, ending
        self._fd = file.fileno()
        self._lock = threading.Lock()
        os.set_blocking(self._fd, False)

    def read(self, seconds: float) -> bytes | None:
        ready = _wait(self._fd, select.POLLIN, seconds)
        with self._lock:
            self._check()
            if not ready:
                return None
            try:
                data = os.read(self._fd, PIECE)
            except BlockingIOError:
                return None
            except OSError as exc:  # EIO is how a terminal says that its other side is gone
                raise LinkDown(self._why(exc)) from exc
        if not data:
            raise LinkDown(self._ending())
        return data

    def write(self, data: bytes, seconds: float) -> int:
        _wait(self._fd, select.POLLOUT, seconds)
        with self._lock:
            self._check()
            try:
                return os.write(self._fd, data[:4096])
            except BlockingIOError:
                return 0
            except OSError as exc:
                raise LinkDown(self._why(exc)) from exc

    def _check(self) -> None:
        if self._fd < 0:
            raise LinkDown("it was closed")

    def _why(self, exc: OSError) -> str:
        return self._ending() if exc.errno == errno.EIO else (exc.strerror or str(exc)).lower()

    def close(self) -> None:
        with self._lock:
            if self._fd < 0:
                return
            self._fd = -1
            self._file.close()


def _wait(fd: int, event: int, seconds: float) -> bool:
    """Wait until `fd` can be read or written; a closed one is waited for in vain."""
    waiting = select.poll()
    waiting.register(max(fd, 0), event if fd >= 0 else 0)
    return bool(waiting.poll(max(0.0, seconds) * 1000))


# -- TCP -----------------------------------------------------------------------------------------------


def _connect(host: str, port: int, seconds: float) -> Link:
    """Connect to a TCP port behind which the console is.

    pyserial's own handler throws away what arrives in the first moment and reads one byte at a time.
    """
    try:
        line = socket.create_connection((host, port), timeout=seconds)
    except OSError as exc:
        raise LinkDown(f"{host}:{port}: {_reason(exc)}") from exc
    _keep_alive(line)
    return FdLink(line, lambda: "the other side closed the connection")


def _keep_alive(line: socket.socket) -> None:
    """Notice within some 25 s that the other machine is gone without a word."""
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def _reason(exc: OSError) -> str:
    return "no answer" if isinstance(exc, TimeoutError) else (exc.strerror or str(exc))


# -- RFC 2217 ------------------------------------------------------------------------------------------


class _Rfc2217(serial.rfc2217.Serial):
    """pyserial's client, with reading in pieces; nothing that has arrived is thrown away.

    It sets the modem lines, and does not insist on an answer: behind a pty there are none.
    """

    _ignore_set_control_answer: bool
    _read_buffer: queue.Queue[bytes | None]
    _socket: socket.socket | None
    _thread: threading.Thread | None
    _write_lock: threading.Lock

    def from_url(self, url: str) -> tuple[str, int]:
        place = super().from_url(url)
        self._ignore_set_control_answer = True
        return place

    def reset_input_buffer(self) -> None:
        """Do nothing: what came while the line was opened belongs to the record."""

    def reset_output_buffer(self) -> None:
        """Do nothing: there is nothing of ours in it."""

    def keep_alive(self) -> None:
        if self._socket is not None:
            _keep_alive(self._socket)

    def close(self) -> None:
        """Hang up. pyserial forgets to close a socket whose other side was first."""
        line = self._socket
        super().close()
        if line is not None:
            line.close()

    def take(self, seconds: float) -> bytes | None:
        """Return what has arrived; None: nothing within `seconds`, empty: it ended."""
        try:
            first = self._read_buffer.get(timeout=max(0.0, seconds))
        except queue.Empty:
            thread = self._thread
            return None if self.is_open and thread is not None and thread.is_alive() else b""
        data = bytearray()
        while first is not None:
            data += first
            try:
                first = self._read_buffer.get_nowait()
            except queue.Empty:
                return bytes(data)
        if data:
            self._read_buffer.put(None)  # the end comes after what was before it
        return bytes(data)

    def offer(self, data: bytes, seconds: float) -> int:
        """Send at most as much as a socket that can be written takes at once."""
        line = self._socket
        if line is None or not _wait(line.fileno(), select.POLLOUT, seconds):
            return 0
        return self.write(data[:256]) or 0


class Rfc2217Link:
    """See `Link`."""

    def __init__(self, config: ConsoleConfig) -> None:
        self._port = _Rfc2217(baudrate=config.baud)
        self._port.port = config.url
        try:
            self._port.open()
            self._port.keep_alive()
        except (serial.SerialException, OSError, ValueError) as exc:
            raise LinkDown(f"{urlsplit(config.url).netloc}: {_refusal(exc, config.url)}") from exc

    def read(self, seconds: float) -> bytes | None:
        if not self._port.is_open:
            raise LinkDown("it was closed")
        data = self._port.take(seconds)
        if data == b"":
            raise LinkDown("the other side closed the connection")
        return data

    def write(self, data: bytes, seconds: float) -> int:
        try:
            return self._port.offer(data, seconds)
        except (serial.SerialException, OSError) as exc:
            raise LinkDown(str(exc)) from exc

    def close(self) -> None:
        self._port.close()


def _refusal(exc: Exception, url: str) -> str:
    """Return why pyserial could not open a line, in fewer words than its own."""
    if isinstance(exc.__context__, OSError):
        return _reason(exc.__context__)
    said = str(exc).removeprefix(f"Could not open port {url}: ")
    if "support RFC2217" in said:
        return "what listens there does not speak RFC 2217 (for a plain TCP port write socket://)"
    return said


# -- devices -------------------------------------------------------------------------------------------


class _Device:
    """A serial device that nobody else may open."""

    def __init__(self, port: serial.Serial) -> None:
        self._port = port
        with contextlib.suppress(OSError):
            fcntl.ioctl(port.fileno(), termios.TIOCEXCL)

    def fileno(self) -> int:
        return int(self._port.fileno())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._port.fileno(), termios.TIOCNXCL)
        self._port.close()


def _open_device(config: ConsoleConfig) -> Link:
    path = config.url
    if others := users_of(path):
        raise LinkDown(f"{path} is in use by {others}: end that, or give the board another console")
    try:
        port = serial.Serial(path, config.baud, timeout=0, exclusive=True)
    except (serial.SerialException, OSError, ValueError) as exc:
        number = exc.errno if isinstance(exc, OSError) else None
        if number in (errno.EAGAIN, errno.EBUSY):
            others = users_of(path) or f"this process ({os.getpid()})"
            raise LinkDown(
                f"{path} is in use by {others}: end that, or give the board another console"
            ) from exc
        if number == errno.EACCES:
            me = f"add the worker's user ({_user()}) to the group of the device, mostly dialout"
            raise LinkDown(f"{path} may not be opened: {me}", lasting=True) from exc
        if number == errno.ENOENT:
            raise LinkDown(f"there is no {path}: is the adapter plugged in?") from exc
        raise LinkDown(f"{path} cannot be used as a serial line: {exc}", lasting=True) from exc
    return FdLink(_Device(port), lambda: f"{path} went away")


def _user() -> str:
    with contextlib.suppress(KeyError, OSError):
        return getpass.getuser()
    return str(os.geteuid())


def users_of(path: str) -> str:
    """Return which other processes have a device open, as far as we may know: ``minicom (process 17)``."""
    real, found = os.path.realpath(path), []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid() and _has_open(folder, real):
            found.append(int(folder.name))
    for locks in LOCK_FOLDERS:
        with contextlib.suppress(OSError, ValueError):
            number = int(Path(locks, f"LCK..{os.path.basename(real)}").read_text().split()[0])
            if Path(f"/proc/{number}").exists() and number != os.getpid():
                found.append(number)
    return ", ".join(f"{_name_of(number)} (process {number})" for number in sorted(set(found)))


def _has_open(process: Path, path: str) -> bool:
    with contextlib.suppress(OSError):
        return any(_target(one) == path for one in (process / "fd").iterdir())
    return False


def _target(link: Path) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(link)
    return ""


def _name_of(number: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{number}/comm").read_text().strip()
    return "a program"


# -- programs ------------------------------------------------------------------------------------------


class _Attached:
    """A program on a terminal of its own. The terminal is raw: what it prints and takes is the console."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self._master, slave = pty.openpty()
        try:
            tty.setraw(slave)
            self._process = subprocess.Popen(
                # The first terminal that the leader of a session opens becomes its own: it dies with it.
                ["sh", "-c", 'exec "$@" <>"$0" >&0 2>&1', os.ttyname(slave), *command],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
                env=environment(),
            )
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)
        self.name = os.path.basename(command[0])

    def fileno(self) -> int:
        return self._master

    def ending(self) -> str:
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return f"{self.name} closed its terminal"
        how = f"ended with exit status {status}" if status >= 0 else f"was killed by signal {-status}"
        return f"{self.name} {how}"

    def close(self) -> None:
        os.close(self._master)
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _attach(command: tuple[str, ...]) -> Link:
    """Start a program that connects its terminal with the console."""
    program = command[0]
    if shutil.which(program, path=environment()["PATH"]) is None:
        raise LinkDown(f"there is no program {program} on the worker", lasting=True)
    try:
        attached = _Attached(command)
    except OSError as exc:
        raise LinkDown(f"{program} could not be started: {_reason(exc)}") from exc
    return FdLink(attached, attached.ending)
