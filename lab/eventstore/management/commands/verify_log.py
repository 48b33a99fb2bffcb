"""Look whether the log is what was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from lab.eventstore import append_only
from lab.eventstore.verify import Checkpoint, Verdict, verify


class Command(BaseCommand):
    help = (
        "Checks the digest chain of every stream, the order of positions, that every event can be read, and "
        "that the append-only triggers are in place. Prints a checkpoint: keep it where the database's "
        "administrator cannot write, and compare with --checkpoint. Exit status 0 only if all is sound."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--checkpoint", type=Path, metavar="FILE", help="compare with a checkpoint saved earlier"
        )
        parser.add_argument("--save", type=Path, metavar="FILE", help="save the checkpoint, if all is sound")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        known = _load(options["checkpoint"]) if options["checkpoint"] else None
        verdict = verify(known)
        triggers = append_only.missing(connection)
        sound = verdict.sound and not triggers
        if sound and options["save"]:
            options["save"].write_bytes(msgspec.json.encode(verdict.checkpoint) + b"\n")
        if options["json"]:
            found = msgspec.to_builtins(verdict) | {"missing_triggers": triggers, "sound": sound}
            self.stdout.write(json.dumps(found))
        else:
            self._say(verdict, triggers, known)
        if not sound:
            raise CommandError("The log is not sound.")

    def _say(self, verdict: Verdict, triggers: dict[str, list[str]], known: Checkpoint | None) -> None:
        self.stdout.write(f"{verdict.events:,} events in {verdict.streams:,} streams")
        for problem in verdict.problems:
            self.stdout.write(self.style.ERROR(f"position {problem.position}: {problem.text}"))
        for table, names in triggers.items():
            self.stdout.write(self.style.ERROR(f"table {table} lacks the triggers {', '.join(names)}"))
        if verdict.sound and known:
            self.stdout.write(f"agrees with the checkpoint at position {known.position}")
        checkpoint = verdict.checkpoint
        self.stdout.write(f"checkpoint: position {checkpoint.position} digest {checkpoint.digest or '-'}")
        if verdict.sound and not triggers:
            self.stdout.write(self.style.SUCCESS("The log is sound."))


def _load(path: Path) -> Checkpoint:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except (OSError, msgspec.DecodeError) as exc:
        raise CommandError(f"{path} is not a saved checkpoint: {exc}") from exc
