from __future__ import annotations

import socket
from typing import Any

import uvicorn
from django.core.management.base import BaseCommand, CommandParser

from lab.supervise import die_with_supervisor


class Command(BaseCommand):
    help = "Serve pages, API and live streams on a socket that is open already. Started by “serve”."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fd", type=int, required=True)

    def handle(self, *args: Any, fd: int, **options: Any) -> None:
        die_with_supervisor()
        config = uvicorn.Config(
            "lab.asgi:application",
            lifespan="on",
            ws="websockets-sansio",
            ws_max_size=64 * 1024,  # of what browsers send; live streams expect nothing
            ws_per_message_deflate=False,  # costs more than it saves at the frame rates of live consoles
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=3,
        )
        uvicorn.Server(config).run(sockets=[socket.socket(fileno=fd)])
