from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from jobs import reconciler
from jobs.hooks import courier
from jobs.management import supervision
from lab.supervise import Child, Supervisor, die_with_supervisor


class Command(BaseCommand):
    help = (
        "Run a whole lab on this machine: pages and API, the workers that run jobs, and the watch over them. "
        "Ctrl-C or SIGTERM stops all of it. Jobs that run then clean up their host and end as incomplete, "
        "because the worker was shut down; jobs that wait are run when Labbook is started again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="0: any free one (default: %(default)s)")
        parser.add_argument(
            "--workers",
            type=int,
            default=settings.WORKERS,
            help="jobs at the same time (default: %(default)s)",
        )

    def handle(self, *args: Any, host: str, port: int, workers: int, **options: Any) -> None:
        if workers < 1:
            raise CommandError("--workers must be at least 1")
        die_with_supervisor()  # where somebody supervises even this, as the demo does
        supervision.check_migrations()
        with supervision.alone("serve"), _listening(host, port) as sock:
            reconciler.release_claims(settings.SITE_NAME)
            connections.close_all()
            web = Child(
                "web server",
                [*supervision.MANAGE, "web_server", "--fd", str(sock.fileno())],
                fds=[sock.fileno()],
            )
            cluster = supervision.task_cluster(workers)
            ends: list[Callable[[], None]] = []

            def started() -> None:
                ends.extend([reconciler.start_looking(), courier.start()])
                self._say(f"Labbook is at {_url(sock)}")
                if host not in settings.ALLOWED_HOSTS and not _is_loopback(host):
                    self._say(
                        "It answers only to the names in LABBOOK_HOSTS: " + ", ".join(settings.ALLOWED_HOSTS)
                    )
                self._say(
                    f"{workers} workers of site {settings.SITE_NAME} run jobs. "
                    f"Data is in {settings.VAR_DIR}. Ctrl-C stops everything."
                )

            try:
                Supervisor([web, cluster], say=self._say).run(started)
            finally:
                for end in ends:
                    end()
        self._say("Stopped.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _listening(host: str, port: int) -> socket.socket:
    """Return a listening socket: it outlives web servers that are replaced, and nobody is turned away."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as exc:
        raise CommandError(
            f"Cannot listen at {host} port {port}: {os.strerror(exc.errno or 0)}. "
            "Is it in use? Choose another by --port."
        ) from exc
    sock.set_inheritable(True)
    return sock


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    host = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
