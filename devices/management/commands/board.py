"""``manage.py board NAME show|check|offline|online|…``: one board, seen and handled from a terminal."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from devices import (
    board_commands,
    by_hand,
    checking,
    errand_records,
    errands,
    queries,
    seen,
    sitting,
    sitting_record,
)
from devices.domain.access import RIGHTS, WORDS
from devices.domain.config_text import read_config
from devices.domain.errand import CONSOLE
from devices.domain.history import Entry
from devices.management.cli import as_json, operator, settings_table
from devices.management.tty import Tty
from lab.actors import LAB
from lab.kernel.errors import Rejected

POLL = 0.3
"""Seconds between looks at an errand."""
ENDED = {"pass": "passed", "fail": "failed", "lost": "was lost"}
LATEST = 10
"""How many of the last events are shown."""


class Command(BaseCommand):
    help = (
        "Show a board, have it checked or its connections tested, sit at its console, take it offline, bring "
        "it online, release it, note its health, clone or retire it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the board's name")
        does = parser.add_subparsers(
            dest="do",
            required=True,
            metavar="show|check|test|console|record|offline|online|release|health|power|access|clone|retire",
        )
        show = does.add_parser("show", help="all about it, with its last events")
        show.add_argument("--json", action="store_true", help="print JSON, for programs")
        show.add_argument("--effective", action="store_true", help="every setting, and where it comes from")
        for do, help_, required in (
            ("check", "have its health checked by a job", False),
            ("offline", "keep new jobs away; a job that has it goes on", True),
            ("online", "give it to jobs again", False),
            ("release", "take it from a job that got stuck, which ends by it", True),
            ("retire", "take it out of the inventory for good", True),
        ):
            does.add_parser(do, help=help_).add_argument("--reason", required=required, default="")
        does.add_parser(
            "test",
            help="try its power, console and ssh now, by a worker of its site, and print what was said",
        )
        console = does.add_parser(
            "console",
            help="sit at its console, on a machine that reaches it; no job gets it meanwhile. Ctrl-] leaves",
        )
        console.add_argument(
            "--power",
            choices=["on", "cycle"],
            default="",
            help="switch it once the console is open; off afterwards unless it was on",
        )
        console.add_argument(
            "--minutes", type=float, default=60, help="for how long at most (default: %(default)s)"
        )
        record = does.add_parser("record", help="print the record of a sitting at its console, an asciicast")
        record.add_argument("errand", type=int, help="its number, as the board's page says it")
        clone = does.add_parser("clone", help="register a board like it")
        clone.add_argument("new", metavar="NAME", help="the name of the new board")
        clone.add_argument(
            "--config", default="", metavar="YAML", help="what is different, such as '{ssh: {host: b2}}'"
        )
        power = does.add_parser(
            "power", help="switch the power of a board that is offline, or ask for its state"
        )
        power.add_argument("action", choices=[*by_hand.ACTIONS, "status"])
        lists = does.add_parser("access", help="show who may do what with it, or change lists of it")
        for right, words in WORDS.items():
            lists.add_argument(
                f"--{right}",
                metavar="ENTRIES",
                help=f"who may {words}: user:NAME, group:NAME, everybody or nobody, between commas; "
                "empty: as its type says",
            )
        lists.add_argument("--reason", default="")
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
            self.stdout.write(_json(name) if options["json"] else _page(name, options["effective"]))
            return
        if do == "power":
            self.stdout.write(_power(name, options["action"]))
            return
        if do == "test":
            self._test(name)
            return
        if do == "console":
            self._console(name, options["power"], options["minutes"])
            return
        if do == "record":
            self._record(name, options["errand"])
            return
        if do == "clone":
            config = read_config(options["config"]).config
            board_commands.clone_board(name, options["new"], config, actor=operator(), cause="cli")
            self.stdout.write(_state(queries.board(options["new"])))
            return
        if do == "access":
            self.stdout.write(_access(name, options))
            return
        reason, actor = options["reason"], operator()
        match do:
            case "offline":
                board_commands.take_board_offline(name, reason, actor=actor, cause="cli")
            case "online":
                board_commands.bring_board_online(name, reason, actor=actor, cause="cli")
            case "check":
                board_commands.request_board_check(name, reason, actor=actor, cause="cli")
                if (job := checking.queue(name)) is not None:
                    self.stdout.write(f"Job {job} checks the health of board {name}.")
            case "release":
                board_commands.release_board(name, reason, actor=actor, cause="cli")
            case "retire":
                board_commands.retire_board(name, reason, actor=actor, cause="cli")
            case "health":
                board_commands.set_board_health(name, options["health"], reason, actor=actor, cause="cli")
        self.stdout.write(_state(queries.board(name)))

    def _console(self, name: str, power: str, minutes: float) -> None:
        """Sit at its console; what is said beside it goes to the error stream."""
        with Tty() as person:
            errand = sitting.sit(
                name,
                person,
                seconds=minutes * 60,
                power=power,
                say=person.say,
                actor=operator(),
                cause="cli",
            )
        self.stderr.write(
            f"Left. “manage.py board {name} record {errand} > FILE.cast” gives the record, "
            "which asciinema plays."
        )

    def _record(self, name: str, errand: int) -> None:
        one = errand_records.errand(name, errand) if errand > 0 else None
        if one is None or one.what != CONSOLE:
            raise CommandError(f"Errand {errand} of board {name} is no sitting at its console.")
        for piece in sitting_record.asciicast(name, errand, f"{name}, {one.by}"):
            self.stdout.write(piece, ending="")

    def _test(self, name: str) -> None:
        """Have it tested, and print each step as it comes; Ctrl-C leaves the worker to it."""
        number = errands.request(name, "test", actor=operator(), cause="cli")
        self.stdout.write(f"Waiting for a worker of the site {queries.board(name).site} …")
        told = 0
        while True:
            one = next(one for one in errand_records.errands(name) if one.number == number)
            for step in one.steps[told:]:
                self.stdout.write(f"{step.step}: {step.result}. {step.said}")
                for line in step.transcript.splitlines():
                    self.stdout.write(f"    {line}")
            told = len(one.steps)
            if one.outcome:
                break
            time.sleep(POLL)
        if one.outcome != "pass":
            raise CommandError(f"The test {ENDED[one.outcome]}: {one.reason}")
        self.stdout.write(f"The test {ENDED[one.outcome]}.")


def _access(name: str, options: dict[str, Any]) -> str:
    """Change the lists that are given, then tell all."""
    given = {right: options[right] for right in RIGHTS if options[right] is not None}
    found = seen.board_access(LAB, name)
    if given:
        lists: dict[str, list[str]] = dict(found.own or {})
        for right, text in given.items():
            lists[right] = [entry.strip() for entry in text.split(",") if entry.strip()]
        board_commands.change_board_access(name, lists, options["reason"], actor=operator(), cause="cli")
        found = seen.board_access(LAB, name)
    own, effective = found.own or {}, found.effective or {}
    rows = []
    for right in RIGHTS:
        told = ", ".join(effective.get(right, ())) or "(the default)"
        source = "" if right in own or right not in effective else "  (says its type, or the lab)"
        rows.append(f"  {right:11} {told}{source}")
    return "\n".join([f"board {name}", *rows])


def _power(name: str, action: str) -> str:
    if action == "status":
        return f"Board {name}: power is {by_hand.power_state(name)}."
    state = by_hand.switch_power(name, action, actor=operator(), cause="cli")
    return f"Board {name}: done; power is {state}."


def _state(board: queries.BoardView) -> str:
    health = f"health {board.health}" + (f": {board.health_reason}" if board.health_reason else "")
    why = f" ({board.reason})" if board.reason else ""
    return f"Board {board.name} is {board.state}{why}, {health}."


def _page(name: str, effective: bool) -> str:
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
        "checks": _checks(board),
        "about": board.description,
    }
    lines += [f"  {key:8} {value}" for key, value in facts.items() if value]
    lines += [
        "",
        "Configuration, and where it comes from:" if effective else "Configuration (--effective: all):",
    ]
    lines += [f"  {line}" for line in settings_table(queries.board_settings(name), defaults=effective)]
    lines += [f"  cannot be used: {problem}" for problem in queries.board_problems(name)]
    entries = queries.board_history(name)
    lines += ["", f"Last events, of {len(entries)}:"]
    return "\n".join([*lines, *(_event(entry) for entry in entries[:LATEST])])


def _checks(board: queries.BoardView) -> str:
    if board.check_every is None:
        return ""
    told = [f"every {board.check_every:g} hours" if board.check_every else "on demand and after repair"]
    if board.checked_at:
        told.append(f"last {board.checked_at:%Y-%m-%d %H:%M:%S} UTC")
    if board.health_job is not None:
        told.append(f"job {board.health_job} found it {board.health}")
    if board.check:
        told.append(f"job {board.check_job} does one" if board.check_job else f"one is due: {board.check}")
    return ", ".join(told)


def _event(entry: Entry) -> str:
    why = f": {entry.why}" if entry.why else ""
    told = f"  {entry.at:%Y-%m-%d %H:%M:%S}  #{entry.position}  {entry.text}{why}  [{entry.who}]"
    return "\n".join([told, *(f"      {change}" for change in entry.changes)])


def _json(name: str) -> str:
    row = asdict(queries.board(name))
    problems = queries.board_problems(name)
    row["config"] = None if problems else asdict(queries.effective_config(name))
    row["settings"] = [asdict(setting) for setting in queries.board_settings(name)]
    if problems:
        row["problems"] = problems
    row["events"] = [asdict(entry) for entry in queries.board_history(name)[:LATEST]]
    return as_json(row)
