"""``manage.py board NAME show|offline|online|health|retire``: one board, seen and handled from a terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from devices import commands, queries
from devices.domain.config_text import write_config
from devices.domain.history import Entry
from devices.domain.parse_config import BadConfig
from devices.management.cli import as_json, operator
from lab.kernel.errors import Rejected

LATEST = 10
"""How many of the last events are shown."""


class Command(BaseCommand):
    help = "Show a board, take it offline, bring it online, note its health, or retire it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the board's name")
        does = parser.add_subparsers(dest="do", required=True, metavar="show|offline|online|health|retire")
        show = does.add_parser("show", help="all about it, with its last events")
        show.add_argument("--json", action="store_true", help="print JSON, for programs")
        for do, help_, required in (
            ("offline", "keep new jobs away; a job that has it goes on", True),
            ("online", "give it to jobs again", False),
            ("retire", "take it out of the inventory for good", True),
        ):
            does.add_parser(do, help=help_).add_argument("--reason", required=required, default="")
        health = does.add_parser("health", help="note whether it works")
        health.add_argument("health", choices=["unknown", "good", "bad"])
        health.add_argument("--reason", default="", help="needed for bad")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._do(options["name"], options["do"], options)
        except Rejected as exc:
            raise CommandError(str(exc)) from exc

    def _do(self, name: str, do: str, options: dict[str, Any]) -> None:
        if do == "show":
            self.stdout.write(_json(name) if options["json"] else _page(name))
            return
        reason, actor = options["reason"], operator()
        match do:
            case "offline":
                commands.take_board_offline(name, reason, actor=actor, cause="cli")
            case "online":
                commands.bring_board_online(name, reason, actor=actor, cause="cli")
            case "retire":
                commands.retire_board(name, reason, actor=actor, cause="cli")
            case "health":
                commands.set_board_health(name, options["health"], reason, actor=actor, cause="cli")
        self.stdout.write(_state(queries.board(name)))


def _state(board: queries.BoardView) -> str:
    health = f"health {board.health}" + (f": {board.health_reason}" if board.health_reason else "")
    why = f" ({board.reason})" if board.reason else ""
    return f"Board {board.name} is {board.state}{why}, {health}."


def _page(name: str) -> str:
    board = queries.board(name)
    lines = [_state(board), ""]
    facts = {
        "type": board.device_type,
        "site": board.site,
        "tags": ", ".join(board.tags),
        "runs": ", ".join(board.runs),
        "held by": f"job {board.held_by_job} since {board.held_since:%Y-%m-%d %H:%M:%S} UTC"
        if board.held_by_job
        else "",
        "about": board.description,
    }
    lines += [f"  {key:8} {value}" for key, value in facts.items() if value]
    lines += ["", "Configuration, its type's and its own:"]
    try:
        config = write_config(asdict(queries.effective_config(name)))
    except BadConfig as bad:
        config = "\n".join(f"cannot be used: {problem}" for problem in bad.problems)
    lines += [f"  {line}" for line in config.splitlines()]
    entries = queries.board_history(name)
    lines += ["", f"Last events, of {len(entries)}:"]
    return "\n".join([*lines, *(_event(entry) for entry in entries[:LATEST])])


def _event(entry: Entry) -> str:
    why = f": {entry.why}" if entry.why else ""
    told = f"  {entry.at:%Y-%m-%d %H:%M:%S}  #{entry.position}  {entry.text}{why}  [{entry.who}]"
    return "\n".join([told, *(f"      {change}" for change in entry.changes)])


def _json(name: str) -> str:
    row = asdict(queries.board(name))
    try:
        row["config"] = asdict(queries.effective_config(name))
    except BadConfig as bad:
        row["config"], row["problems"] = None, [str(problem) for problem in bad.problems]
    row["events"] = [asdict(entry) for entry in queries.board_history(name)[:LATEST]]
    return as_json(row)
