from __future__ import annotations

from typing import Any

from django.core.management.commands.flush import Command as Flush
from django.db import connections

from lab.eventstore import append_only


class Command(Flush):
    """`flush`, which empties the database after every TransactionTestCase, past the append-only triggers."""

    def handle(self, **options: Any) -> None:
        connection = connections[options["database"]]
        for one in append_only.protected():
            append_only.remove(connection, one)
        try:
            super().handle(**options)
        finally:
            for one in append_only.protected():
                append_only.install(connection, one)
