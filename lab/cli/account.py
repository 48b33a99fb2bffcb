"""``labbook tokens`` and ``labbook views``: what is one's own besides webhooks."""

from __future__ import annotations

import argparse
import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from devices.management.cli import as_json, table
from jobs.terminal import JsonObject, plain_text
from lab.cli.api import Api
from lab.cli.failing import Failed

Command = Callable[[Api, Namespace], int]
SCOPES = ("read", "submit", "admin", "account")
OUTCOMES = ("complete", "incomplete", "canceled")
"""What the page's state filter says of how a job ended; the API has a filter of its own for that."""
KEPT = ("state", "submitter", "board", "type", "q", "sort")
"""The filters of a view, as the list's page names them."""


def list_tokens(api: Api, options: Namespace) -> int:
    found = api.get("tokens/")["tokens"]
    if options.json:
        _say(as_json(found))
    elif not found:
        _say("You have no tokens.")
    else:
        heads = ("ID", "NAME", "MAY", "MADE", "GOOD UNTIL", "USED LAST")
        _say(table(heads, [_token(one) for one in found]))
    return 0


def make_token(api: Api, options: Namespace) -> int:
    wanted: JsonObject = {"name": options.name, "scopes": options.scope or ["read"]}
    if options.days is not None:
        wanted["days"] = options.days
    made = api.post("tokens/", json.dumps(wanted))
    if options.json:
        _say(as_json(made))
        return 0
    until = f", good until {_day(made['expires_at'])}" if made["expires_at"] else ""
    may = ", ".join(made["scopes"])
    _say(plain_text(f"token {made['id']} made, for {may}{until}. This once it is shown:"))
    _say(plain_text(made["token"]))
    return 0


def revoke_token(api: Api, options: Namespace) -> int:
    api.ask("DELETE", f"tokens/{options.token}/")
    return _done(options, f"token {options.token} opens nothing any more")


def list_views(api: Api, options: Namespace) -> int:
    found = api.get("views/")["views"]
    if options.json:
        _say(as_json(found))
    elif not found:
        _say("You have no saved views.")
    else:
        rows = [(plain_text(one["name"]), plain_text(_filters(one["filters"]))) for one in found]
        _say(table(("VIEW", "SHOWS"), rows))
    return 0


def keep_view(api: Api, options: Namespace) -> int:
    filters = {name: value for name in KEPT if (value := getattr(options, name))}
    if not filters:
        raise Failed(f"A view needs at least one filter: --{', --'.join(KEPT)}.")
    kept = api.put(f"views/{_quoted(options.name)}/", json.dumps({"filters": filters}))
    return _done(options, f"view {options.name!r} shows {_filters(kept['filters'])}", kept)


def forget_view(api: Api, options: Namespace) -> int:
    path = f"views/{_quoted(options.name)}/"
    api.get(path)  # says so when it is not there: to forget twice is no error for a program
    api.ask("DELETE", path)
    return _done(options, f"view {options.name!r} is forgotten")


def filters_of(api: Api, name: str) -> dict[str, str]:
    """Return what a saved view filters by, as the list of the API has it."""
    kept: Mapping[str, str] = api.get(f"views/{_quoted(name)}/")["filters"]
    state = kept.get("state", "")
    return {
        "state": "" if state in OUTCOMES else state,
        "outcome": state if state in OUTCOMES else "",
        "submitter": kept.get("submitter", ""),
        "board": kept.get("board", ""),
        "host_type": kept.get("type", ""),
        "text": kept.get("q", ""),
        "order": "oldest" if kept.get("sort") == "oldest" else "",
    }


def add_tokens_to(one: argparse.ArgumentParser, number: Callable[[str], int]) -> None:
    """Add the words of ``labbook tokens`` to its parser; alone it lists them."""
    one.set_defaults(do=list_tokens)
    command = _words(one)
    made = command("make", make_token, "make a token and print it, this once")
    made.add_argument("name", help="what it is for")
    made.add_argument("--scope", action="append", choices=SCOPES, help="what it may (read); repeat for more")
    made.add_argument("--days", type=number, help="for how long it is good; without: until it is revoked")
    command("revoke", revoke_token, "take a token back: it opens nothing any more").add_argument(
        "token", type=number, help="number of the token"
    )


def add_views_to(one: argparse.ArgumentParser) -> None:
    """Add the words of ``labbook views`` to its parser; alone it lists them."""
    one.set_defaults(do=list_views)
    command = _words(one)
    kept = command("keep", keep_view, "keep filters under a name; what had the name before is replaced")
    kept.add_argument("name")
    states = ("open", "running", "queued", *OUTCOMES)
    kept.add_argument("--state", choices=states, default="")
    for name in ("submitter", "board", "type"):
        kept.add_argument(f"--{name}", default="")
    kept.add_argument(
        "--q", metavar="TEXT", default="", help="words in names, types, roles or the definition"
    )
    kept.add_argument("--sort", choices=["oldest"], default="")
    command("forget", forget_view, "forget a view").add_argument("name")


def _words(one: argparse.ArgumentParser) -> Callable[[str, Command, str], argparse.ArgumentParser]:
    does = one.add_subparsers(metavar="WHAT", parser_class=type(one))

    def command(name: str, do: Command, words: str) -> argparse.ArgumentParser:
        added = does.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        added.set_defaults(do=do)
        added.add_argument("--json", action="store_true", help="print JSON, for programs")
        return added

    return command


def _token(one: JsonObject) -> tuple[str, ...]:
    days = [
        _day(one[name]) or never for name, never in (("expires_at", "revoked"), ("last_used_at", "never"))
    ]
    cells = (one["id"], one["name"], ", ".join(one["scopes"]), _day(one["created_at"]), *days)
    return tuple(plain_text(str(cell)) for cell in cells)


def _day(moment: str | None) -> str:
    return moment[:10] if moment else ""


def _filters(filters: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in filters.items())


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _done(options: Namespace, words: str, told: Any = None) -> int:
    _say(as_json(told or {}) if options.json else plain_text(words))
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
