"""Power switches for tests: real ones of each method, whose outlet is a file or an emulated machine."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from devices.domain.config import BoardConfig, PowerConfig, SshConfig
from lab.kernel.deadline import Deadline
from tests.support.ser2net import free_port

RELAY = """#!/bin/sh
cd "${0%/*}" || exit
[ "$1" = status ] || echo "$1" >>asked
while [ "$(cat mode)" = hang ]; do sleep 0.02; done
case $(cat mode)-$1 in
    refuse-*) echo "the relay is stuck" >&2; exit 4 ;;
    once-*) echo obey >mode; echo "busy, try later"; exit 1 ;;
    ignore-on | ignore-off) exit 0 ;;
    late-on | late-off) echo "$1" >next; exit 0 ;;
    late-status) cat state; cp next state; exit 0 ;;
esac
case $1 in
    on | off) echo "$1" >state ;;
    cycle) echo off >state; echo on >state ;;
    status) echo "outlet 3 is $(cat state)" ;;
esac
"""
"""A relay: ``state`` is its contact, ``mode`` what is the matter with it, ``asked`` what it was told."""


class Rig(Protocol):
    """A switch of one kind, with a look at what hangs on it."""

    board: BoardConfig
    tells: bool
    """Whether it knows its state."""

    def powered(self) -> bool: ...

    def be(self, mode: str) -> None:
        """Behave otherwise from now on: ``obey``, ``refuse``, ``hang``."""

    def close(self) -> None: ...


def board(**power: Any) -> BoardConfig:
    config = PowerConfig(**{"attempts": 2, "retry_delay": 0.02, "off_seconds": 0.1, "timeout": 10} | power)
    return BoardConfig(ssh=SshConfig(host="board"), power=config)


def changed(rig: Rig, **power: Any) -> BoardConfig:
    return replace(rig.board, power=replace(rig.board.power, **power))


class Relay:
    """The relay as a program, and the command method."""

    tells = True

    def __init__(self, folder: Path) -> None:
        self.folder, self.program = folder, folder / "relay"
        self.program.write_text(RELAY)
        self.program.chmod(0o700)
        (folder / "state").write_text("off\n")
        self.be("obey")
        self.board = board(
            method="command", **{key: f"{self.program} {key}" for key in ("on", "off", "status")}
        )

    def powered(self) -> bool:
        return (self.folder / "state").read_text() == "on\n"

    def be(self, mode: str) -> None:
        (self.folder / "mode.new").write_text(mode)
        (self.folder / "mode.new").rename(self.folder / "mode")

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().split()

    def close(self) -> None:
        self.be("obey")


class WebRelay(Relay):
    """The relay on the web."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                done = subprocess.run([relay.program, self.path[1:]], capture_output=True)
                self.send_response(500 if done.returncode else 200)
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(done.stdout + done.stderr)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.board = board(method="http", **{key: f"{base}/{key}" for key in ("on", "off", "status")})

    def close(self) -> None:
        super().close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def pdudaemon(folder: Path) -> Iterator[str]:
    """Run Debian's pdudaemon, whose PDU ``rack`` drives a relay in `folder`; gives its URL."""
    relay = folder / "relay"
    for _ in range(3):  # somebody else may take the port first
        port = free_port()
        config = {
            "daemon": {"hostname": "127.0.0.1", "port": port, "logging_level": "INFO", "listener": "http"},
            "pdus": {
                "rack": {
                    "driver": "localcmdline",
                    "cmd_on": f"{relay} on %s",
                    "cmd_off": f"{relay} off %s",
                }
            },
        }
        (folder / "pdudaemon.conf").write_text(json.dumps(config))
        process = subprocess.Popen(
            ["/usr/sbin/pdudaemon", "--conf", str(folder / "pdudaemon.conf"), "--listener", "http"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if _answers(process, port):
                yield f"http://127.0.0.1:{port}"
                return
        finally:
            process.terminate()
            process.wait(20)
    raise RuntimeError("pdudaemon does not start")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    limit = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < limit:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.05)
    return False


class PduRelay(Relay):
    """The relay behind a pdudaemon that runs already."""

    tells = False

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder)
        (folder / "asked").unlink(missing_ok=True)
        self.board = board(method="pdudaemon", url=url, pdu="rack", port="3")

    def be(self, mode: str) -> None:
        if mode == "refuse":  # what its relay says does not reach us
            self.board = changed(self, pdu="no-such-rack")
        else:
            super().be(mode)


class Emulated:
    """An emulated board, switched by QEMU's monitor; the test looks at it through another one."""

    tells = True

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [
                *("qemu-system-x86_64", "-S", "-no-shutdown", "-display", "none", "-nodefaults", "-m", "16"),
                *("-accel", "tcg", "-serial", "none", *arguments),
                *(
                    "-qmp",
                    f"unix:{folder}/q,server=on,wait=off",
                    "-qmp",
                    f"unix:{folder}/t,server=on,wait=off",
                ),
            ]
        )
        limit = Deadline.after(60, "QEMU's start")
        while not (folder / "t").exists():
            limit.check()
            assert self._process.poll() is None, "QEMU ended"
            time.sleep(0.02)
        self.board = board(method="qmp", socket=f"unix:{folder}/q")

    def status(self) -> str:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(30)
            line.connect(f"{self._folder}/t")
            with line.makefile("rw") as talk:
                talk.readline()
                for command in ("qmp_capabilities", "query-status"):
                    talk.write(json.dumps({"execute": command}) + "\n")
                    talk.flush()
                    while "return" not in (answer := json.loads(talk.readline())):
                        pass
        return str(answer["return"]["status"])

    def powered(self) -> bool:
        return self.status() == "running"

    def be(self, mode: str) -> None:
        if mode == "refuse":
            self._process.kill()
            self._process.wait(10)
        elif self._process.poll() is None:
            self._process.send_signal(signal.SIGSTOP if mode == "hang" else signal.SIGCONT)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        for name in "qt":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._folder / name)
