"""The process behind `tests.support.forks`: ``python -m tests.support.forking FD``.

A request on its socket is the URL of a database, with two descriptors: a socket that listens, and a log. It
forks, and the child does what ``manage.py web_server`` does. Without descriptors it is ``signal PID NUMBER``:
as only this process waits for the server, only here is it sure that the number is still the server's. Its
answers are ``started PID 0`` and, later, ``ended PID STATUS``. When nobody holds the other end any more, it
ends, with all its children.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 64 * 1024
"""Bytes of a request and an answer."""


def import_everything() -> None:
    """Import what a server would with its first requests, and read the templates."""
    import uvicorn.lifespan.on
    import uvicorn.loops.auto
    import uvicorn.protocols.http.auto
    import uvicorn.protocols.websockets.websockets_sansio_impl  # noqa: F401
    from django.template.loader import get_template
    from django.urls import get_resolver

    import lab.asgi  # noqa: F401

    assert get_resolver().url_patterns
    for path in ROOT.glob("templates/**/*.html"):
        get_template(str(path.relative_to(ROOT / "templates")))


def serve(url: str, listening: int) -> None:
    from django.core.management import call_command

    from tests.support.databases import default_database

    with default_database(url, durable=True):
        call_command("web_server", fd=listening)


def child(url: str, listening: int, log: int) -> NoReturn:
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(log, 1)
        os.dup2(log, 2)
        serve(url, listening)
        status = 0
    except BaseException:
        logging.exception("the web server failed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def run(control: socket.socket) -> None:
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    sources: list[socket.socket | int] = [control, woken]
    children: set[int] = set()
    try:
        while True:
            ready, _, _ = select.select(sources, [], [])
            if woken in ready:
                os.read(woken, LONGEST)
                reap(control, children)
            if control in ready:
                request, descriptors, _, _ = socket.recv_fds(control, LONGEST, 2)
                if not request:
                    return
                if not descriptors:
                    _, wanted, number = request.decode().split()
                    if int(wanted) in children:
                        os.kill(int(wanted), int(number))
                    continue
                if (pid := os.fork()) == 0:
                    control.close()
                    child(request.decode(), *descriptors)
                children.add(pid)
                for one in descriptors:
                    os.close(one)
                control.send(f"started {pid} 0".encode())
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)


def reap(control: socket.socket, children: set[int]) -> None:
    for pid in list(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            children.remove(pid)
            control.send(f"ended {pid} {os.waitstatus_to_exitcode(status)}".encode())


if __name__ == "__main__":
    import_everything()
    gc.freeze()  # what is shared with the children stays shared
    with socket.socket(fileno=int(sys.argv[1])) as control, contextlib.suppress(BrokenPipeError):
        run(control)
