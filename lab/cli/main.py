"""The words of the command line, and what becomes of failures."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from lab.cli import account, commands, webhooks
from lab.cli.api import Api
from lab.cli.failing import FAILED, INTERRUPTED, Failed
from lab.cli.settings import access

ABOUT = (
    "A lab from the terminal. Which lab, and as whom, say LABBOOK_URL and LABBOOK_TOKEN, or else "
    'url = "…" and token = "…" in ~/.config/labbook.toml (LABBOOK_CONFIG names another file), which only you '
    "may read. Make a token on your profile page."
)
STATUSES = (
    "Exit status: 0 complete and all tests passed, 1 the command failed, 2 the definition is not valid, "
    "3 complete but tests failed, 4 incomplete, 5 canceled, 130 interrupted (the job goes on)."
)


class Parser(argparse.ArgumentParser):
    """Fails with 1: 2 says that a definition is not valid."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(FAILED, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status."""
    options = parser().parse_args(arguments)
    try:
        with Api(access(os.environ, options.url)) as api:
            status: int = options.do(api, options)
            return status
    except Failed as failure:
        sys.stderr.write(f"{failure}\n")
        return failure.status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has seen enough; nothing is left to flush into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="labbook", description=ABOUT)
    top.add_argument("--url", default="", help="the lab's address, instead of LABBOOK_URL")
    does = top.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    def command(name: str, do: object, words: str, more: str = "") -> argparse.ArgumentParser:
        one = does.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}. {more}".strip())
        one.set_defaults(do=do)
        one.add_argument("--json", action="store_true", help="print JSON, for programs")
        return one

    one = command("submit", commands.submit, "submit a job definition (JSON or YAML)", STATUSES)
    one.add_argument("file", help="the definition; - reads standard input")
    _making(one)
    one = command("resubmit", commands.resubmit, "run a job again, as it was or changed", STATUSES)
    _job(one)
    one.add_argument("--file", help="the changed definition; - reads standard input")
    one.add_argument("--same-board", action="store_true", help="on the board it had, and on no other")
    _making(one)
    _job(command("follow", commands.follow, "show how a job goes until it has ended", STATUSES))
    _job(command("wait", commands.wait, "say nothing until a job has ended", STATUSES))
    _listing(command("list", commands.list_jobs, "list jobs, the newest first"))
    one = command("show", commands.show, "show a job: what it does or how it ended, its nodes and results")
    _job(one)
    shown = one.add_mutually_exclusive_group()
    shown.add_argument("--definition", action="store_true", help="print its definition, to the letter")
    shown.add_argument("--events", action="store_true", help="print everything that happened to it")
    one = command("cancel", commands.cancel, "cancel a job: as soon as its host is clean")
    _job(one)
    one.add_argument("--reason", default="", help="shown on the job's page")
    one = command(
        "hold",
        commands.hold,
        "hold a job before its clean-up, to look at it",
        "Its VMs go on to run, its host is not cleaned. Held already, it is held until so long from now.",
    )
    _job(one)
    one.add_argument("--minutes", type=float, default=30.0, help="for how long (30)")
    one.add_argument("--reason", default="", help="shown on the job's page")
    one.add_argument("--if-failed", action="store_true", help="only if it fails, or a result of it does")
    one = command("release", commands.release, "hold a job no longer")
    _job(one)
    one = command("console", commands.console, "print what a node printed")
    _node_of(one)
    one.add_argument("--follow", action="store_true", help="go on until the job has ended")
    one.add_argument("--offset", type=int, default=0, help="first byte to print; negative: from the end")
    one = command(
        "keyboard",
        commands.sit,
        "take the keyboard of a node, at this terminal",
        "What you type reaches the console that the test reads, and is kept with the job. Ctrl-] gives the "
        "keyboard back. Exit status: 1 if nobody can type there, or it was taken away.",
    )
    _node_of(one)
    _typing(command("type", commands.type_text, "type a text on the console of a node"))
    _boards(command("boards", commands.boards, "list boards, or show one"))
    one = command(
        "validate", commands.validate, "check a definition against the lab", "Exit status: 0 valid, 2 not."
    )
    one.add_argument("file", help="the definition; - reads standard input")
    one = command("webhooks", webhooks.list_hooks, "list your webhooks, make them, see what they were sent")
    webhooks.add_to(one, _number)
    one = command("tokens", account.list_tokens, "list your tokens, make and revoke them")
    account.add_tokens_to(one, _number)
    account.add_views_to(command("views", account.list_views, "list your saved views, keep and forget them"))
    return top


def _job(one: argparse.ArgumentParser) -> None:
    one.add_argument("job", type=_number, help="number of the job")


def _node_of(one: argparse.ArgumentParser) -> None:
    _job(one)
    one.add_argument("node", help="name or number of the node; 0 is the host")


def _typing(one: argparse.ArgumentParser) -> None:
    _node_of(one)
    one.add_argument(
        "text",
        nargs="*",
        help="what to type; others on this machine can see it in the list of processes: use -, which reads"
        " standard input, for passwords. Whatever is typed is kept with the job",
    )
    one.add_argument("--no-enter", action="store_true", help="do not end it with the key Enter")
    one.add_argument("--ctrl", action="append", type=_letter, help="type Ctrl and this letter first, as c")
    one.add_argument(
        "--show", type=_seconds, default=0.0, metavar="SECONDS", help="print what the node says for so long"
    )


def _making(one: argparse.ArgumentParser) -> None:
    one.add_argument("--follow", action="store_true", help="show how it goes until it has ended")
    one.add_argument("--wait", action="store_true", help="say nothing until it has ended")
    one.add_argument("--key", default="", help="Idempotency-Key: the same one again makes no second job")


def _listing(one: argparse.ArgumentParser) -> None:
    states = ["open", "queued", "assigned", "running", "canceling", "finished"]
    one.add_argument("--state", choices=states, default="", help="open: all that have not ended")
    one.add_argument("--outcome", choices=["complete", "incomplete", "canceled"], default="")
    one.add_argument("--submitter", default="")
    one.add_argument("--board", default="")
    one.add_argument("--host-type", default="")
    one.add_argument("--text", default="", help="words in names, types, roles or the definition")
    one.add_argument("--view", default="", help="the filters of one of your saved views; others come on top")
    one.add_argument("--before", type=_number, help="only jobs with lower numbers")
    one.add_argument("--limit", type=_positive, default=20)


def _boards(one: argparse.ArgumentParser) -> None:
    one.add_argument("name", nargs="?", help="the board to show; without: all of them")
    for name in ("state", "device-type", "site", "tag"):
        one.add_argument(f"--{name}", default="")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return int(text)


def _letter(text: str) -> str:
    if len(text) != 1 or not ("a" <= text.lower() <= "z" or text in "[\\]^_@"):
        raise argparse.ArgumentTypeError(f"{text!r} is no key that goes with Ctrl: a letter")
    return text


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return found


def _positive(text: str) -> int:
    return max(1, _number(text))
