"""The whole demo: a lab from nothing, its example job, and everything stopped again at the end."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management import call_command

from jobs.commands import submit_job
from jobs.follow import PASSED, exit_status, follow
from lab.demo import lab, metal
from lab.demo.board.image import build as build_board
from lab.demo.board.machine import Machine
from lab.demo.images import GuestImages, ImageError, build_all
from lab.demo.sshd import Sshd, SshServer
from lab.kernel.deadline import Deadline
from lab.kernel.errors import InfrastructureError, LabError
from lab.supervise import PARENT

ADMIN = "admin"
PORT = 8000
EXAMPLE = "vm-groups.json"
BOARDS = {"arm64": "vm-groups-arm64.json"}
"""Emulated board that may be asked for → example for it."""
START_TIMEOUT = 60.0
"""Seconds until the web server must answer."""
STOP_TIMEOUT = 90.0
"""Seconds that the lab gets to end: a running job cleans up its host first."""


class DemoError(Exception):
    """The demo cannot go on; says why and what to do."""


class Demo:
    """One run of the demo, told on `out`."""

    def __init__(
        self, out: TextIO, *, once: bool = False, port: int = PORT, board: str = "", example: str = ""
    ) -> None:
        self._out, self._once, self._port, self._board = out, once, port, board
        self._example = example or BOARDS.get(board, EXAMPLE)
        self.folder = Path(settings.VAR_DIR) / "demo"
        self.images = Path(settings.VAR_DIR) / "images"
        self.url = ""

    def run(self) -> bool:
        """All of it, in order; returns whether the example is complete and all its tests passed.

        Raises `DemoError`, and KeyboardInterrupt when somebody asks for the end, after stopping everything.
        """
        with interruptible():
            images = self.build_images()
            user = self.prepare_database()
            with self.host() as server, self.metal() as machine:
                self.seed(server, images, machine)
                with self.serving() as lab_process:
                    well = self.example(user, lab_process)
                    if not self._once:
                        self.keep_serving(lab_process)
        return well

    def example(self, user: User, process: subprocess.Popen[bytes]) -> bool:
        """Submit the example and follow it to its end."""
        number = submit_job(lab.example(self._example, self.images), user=user, cause="demo")
        self._say(f"\nJob {number} ({self._example}): {self.url}jobs/{number}/\n")
        job = follow(number, user, self._out, alive=lambda: process.poll() is None)
        return exit_status(job) == PASSED

    def keep_serving(self, process: subprocess.Popen[bytes]) -> None:
        self._say(f"\nLabbook goes on serving at {self.url} — log in as {ADMIN}. Ctrl-C stops everything.")
        with suppress(KeyboardInterrupt):
            process.wait()
            raise DemoError(f"Labbook ended by itself; what it said last is in {self.folder / 'serve.log'}.")
        self._say("\nStopping …")

    def build_images(self) -> dict[str, GuestImages]:
        self._say("Guest images: kernel and busybox from Debian packages, for amd64, arm64 and armhf …")
        began = time.monotonic()
        try:
            images = build_all(self.images)
        except ImageError as exc:
            raise DemoError(f"The guest images cannot be built: {exc}") from exc
        self._say(f"Guest images are in {self.images} ({time.monotonic() - began:.1f} s).")
        return images

    def prepare_database(self) -> User:
        """Bring the database up to date; returns the account that the demo acts for."""
        call_command("migrate", verbosity=0, interactive=False)
        user, password = admin_account()
        if password:
            self._say(
                f"Account made: {ADMIN}, password {password}   (printed this once, stored only as a hash)"
            )
        else:
            self._say(
                f"The account {ADMIN} is there already; forgotten its password? manage.py changepassword"
            )
        return user

    @contextmanager
    def host(self) -> Iterator[SshServer]:
        """The ssh host, on the port it had before where that is free."""
        remembered = self.folder / "port"
        sshd = Sshd(self.folder / "sshd")
        try:
            server = sshd.start(int(remembered.read_text()) if remembered.exists() else 0)
        except InfrastructureError as exc:
            raise DemoError(str(exc)) from exc
        remembered.write_text(str(server.port))
        try:
            yield server
        finally:
            sshd.stop()

    @contextmanager
    def metal(self) -> Iterator[Machine | None]:
        """The emulated board, plugged in; None where it was not asked for."""
        if not self._board:
            yield None
            return
        self._say(
            "The board's image: Debian for arm64, which configures itself once in an emulated machine …"
        )
        began = time.monotonic()
        try:
            image = build_board(self.images)
            self._say(f"The board's image is {image.disk} ({time.monotonic() - began:.1f} s).")
            machine = Machine(image, self.folder / "board")
            machine.start()
        except ImageError as exc:
            raise DemoError(f"The board's image cannot be built: {exc}") from exc
        except InfrastructureError as exc:
            raise DemoError(str(exc)) from exc
        try:
            yield machine
        finally:
            machine.stop()

    def seed(self, server: SshServer, images: dict[str, GuestImages], machine: Machine | None) -> None:
        try:
            own = metal.OF_VM_TYPES if machine is not None else {}
            lab.seed(server, images, self.folder / "host", own)
            if machine is not None:
                metal.seed(machine)
        except LabError as exc:
            raise DemoError(f"The demo lab's inventory cannot be brought up to date: {exc}") from exc
        self._say(f"The demo lab: board {lab.BOARD} (ssh {server.user}@127.0.0.1, port {server.port}).")
        if machine is not None:
            self._say(
                f"And board {metal.BOARD} (serial line {machine.serial_url}, power by {machine.monitor})."
            )

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """Web and worker, until the end of the block."""
        chosen = free_port(self._port)
        if chosen != self._port:
            self._say(f"Port {self._port} is in use; taking {chosen}.")
        self.url = f"http://127.0.0.1:{chosen}/"
        log = self.folder / "serve.log"
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "serve", "--port", str(chosen)]
        environment = {**os.environ, PARENT: str(os.getpid())}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )  # its own session: we stop it in order, a Ctrl-C does not do so behind our back
        try:
            _wait_until_it_answers(process, chosen, log)
            yield process
        finally:
            _stop(process)

    def _say(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


def admin_account() -> tuple[User, str]:
    """Return the administrator, and the password if the account was made just now."""
    users = get_user_model().objects
    if (known := users.filter(username=ADMIN).first()) is not None:
        return known, ""
    password = secrets.token_urlsafe(12)
    return users.create_superuser(ADMIN, password=password), password


def free_port(wanted: int) -> int:
    """Return `wanted` if nobody listens there, else a free port."""
    for port in (wanted, 0):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)) as probe:
            return int(probe.getsockname()[1])
    raise DemoError("There is no free port on 127.0.0.1.")


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, and SIGINT even where a shell had it ignored (``demo &``)."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = Deadline.after(START_TIMEOUT, "the start of Labbook")
    while process.poll() is None and not deadline.expired:
        with suppress(OSError, http.client.HTTPException):
            if _status(port) == 200:
                return
        time.sleep(0.05)
    said = log.read_text(errors="replace").strip().splitlines()[-5:]
    raise DemoError("\n".join(["Labbook did not start. It said:", *said, f"(all of it: {log})"]))


def _status(port: int) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", "/login/")
        return connection.getresponse().status


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the lab in order; a second Ctrl-C ends it at once."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.terminate()  # the second request: it no longer waits for its jobs
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
