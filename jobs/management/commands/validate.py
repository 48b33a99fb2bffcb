"""``manage.py validate FILE``: what is wrong with a definition, without submitting it."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from devices.management.cli import as_json
from jobs.domain.definition.model import Definition, Invalid
from jobs.domain.definition.nodes import plan_nodes
from jobs.domain.definition.validate import validate
from jobs.lab_view import lab_view
from jobs.management.cli import INVALID, everything, problems, read_definition, refusals


class Command(BaseCommand):
    help = (
        "Check a job definition against this lab and list all problems at their lines. "
        "Exit status: 0 valid, 1 the command failed, 2 not valid."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the definition; - reads standard input")
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        text = read_definition(options["file"])
        if options["json"]:
            self._for_programs(text)
            return
        with refusals(options["file"]):
            definition = validate(text, lab_view(everything()))
        if definition.warnings:
            self.stderr.write("warning: " + problems(definition.warnings, options["file"]))
        names = ", ".join(f"{node.name} ({node.device_type})" for node in plan_nodes(definition))
        self.stdout.write(f"valid: {names}")

    def _for_programs(self, text: str) -> None:
        found: Definition | Invalid
        try:
            found = validate(text, lab_view(everything()))
        except Invalid as invalid:
            found = invalid
        if isinstance(found, Invalid):
            self.stdout.write(
                as_json({"valid": False, "problems": found.problems, "warnings": [], "nodes": []})
            )
            sys.exit(INVALID)
        nodes = plan_nodes(found)
        self.stdout.write(
            as_json({"valid": True, "problems": [], "warnings": found.warnings, "nodes": nodes})
        )
