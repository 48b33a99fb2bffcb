"""``labbook webhooks``: what the lab posts to servers of one's own."""

from __future__ import annotations

import argparse
import json
import sys
from argparse import Namespace
from collections.abc import Callable
from itertools import islice
from typing import Any
from urllib.parse import quote

from devices.management.cli import as_json, table
from jobs.terminal import JsonObject, plain_text
from lab.cli.api import Api
from lab.cli.failing import FAILED

Command = Callable[[Api, Namespace], int]
TEXTS = ("job_name", "board", "host_type")


def list_hooks(api: Api, options: Namespace) -> int:
    found = api.get("webhooks/")["webhooks"]
    if options.json:
        _say(as_json(found))
    elif not found:
        _say("You have no webhooks.")
    else:
        heads = ("ID", "NAME", "STATE", "WAIT", "URL")
        _say(table(heads, [_cells(one, "id", "name", "state", "waiting", "url") for one in found]))
    return 0


def show(api: Api, options: Namespace) -> int:
    one = api.get(f"webhooks/{options.webhook}/")
    if options.json:
        _say(as_json(one))
        return 0
    facts = {
        "url": one["url"],
        "state": " ".join(filter(None, (one["state"], one["reason"]))),
        "types": ", ".join(one["types"]),
        "whose": "my jobs" if one["mine"] else "all I may see",
        "job": one["job"] or "",
        "only": ", ".join(f"{name} {one[name]}" for name in TEXTS if one[name]),
        "waiting": str(one["waiting"]),
        "last ok": one["last_ok"] or "never",
    }
    lines = [f"  {key:8} {plain_text(str(value))}" for key, value in facts.items() if value]
    _say("\n".join([plain_text(f"webhook {one['id']}: {one['name']}"), "", *lines]))
    return 0


def make(api: Api, options: Namespace) -> int:
    wanted: JsonObject = {"name": options.name, "url": options.address}
    wanted |= {name: value for name in TEXTS if (value := getattr(options, name))}
    if options.type:
        wanted["types"] = options.type
    if options.job is not None:
        wanted["job"] = options.job
    if options.all:
        wanted["mine"] = False
    made = api.post("webhooks/", json.dumps(wanted))
    if options.json:
        _say(as_json(made))
    else:
        _say(f"webhook {made['id']} made. Its secret, shown this once:")
        _say(made["secret"])
    return 0


def switch_on(api: Api, options: Namespace) -> int:
    told = api.post(f"webhooks/{options.webhook}/on/", json.dumps({"skip": options.skip}))
    return _done(options, told, f"webhook {options.webhook} is on; {told['waiting']} messages wait")


def switch_off(api: Api, options: Namespace) -> int:
    return _done(options, api.post(f"webhooks/{options.webhook}/off/"), f"webhook {options.webhook} is off")


def secret(api: Api, options: Namespace) -> int:
    told = api.post(f"webhooks/{options.webhook}/secret/")
    return _done(options, told, told["secret"])


def test(api: Api, options: Namespace) -> int:
    told = api.post(f"webhooks/{options.webhook}/test/")
    return _done(options, told, f"{told['id']} is on its way: labbook webhooks messages {options.webhook}")


def again(api: Api, options: Namespace) -> int:
    told = api.post(f"webhooks/{options.webhook}/messages/{quote(options.message, safe='')}/again/")
    return _done(options, told, f"{told['id']} is on its way")


def remove(api: Api, options: Namespace) -> int:
    api.ask("DELETE", f"webhooks/{options.webhook}/")
    return _done(options, {}, f"webhook {options.webhook} is gone")


def messages(api: Api, options: Namespace) -> int:
    """List what was sent; ends with 1 if the newest of them has failed."""
    pages = api.pages(
        f"webhooks/{options.webhook}/messages/",
        "messages",
        state=options.state,
        limit=min(options.limit, 500),
    )
    found = list(islice(pages, options.limit))
    if options.json:
        _say(as_json(found))
    elif not found:
        _say("There are no such messages.")
    else:
        heads = ("ID", "TYPE", "JOB", "STATE", "TRIES", "LAST ANSWER")
        _say(table(heads, [_message(one) for one in found]))
    return FAILED if found and found[0]["state"] == "failed" else 0


def add_to(one: argparse.ArgumentParser, number: Callable[[str], int]) -> None:
    """Add the words of ``labbook webhooks`` to its parser; alone it lists them."""
    one.set_defaults(do=list_hooks)
    does = one.add_subparsers(metavar="WHAT", parser_class=type(one))

    def command(name: str, do: Command, words: str, *, hook: bool = True) -> argparse.ArgumentParser:
        added = does.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        added.set_defaults(do=do)
        added.add_argument("--json", action="store_true", help="print JSON, for programs")
        if hook:
            added.add_argument("webhook", type=number, help="number of the webhook")
        return added

    command("show", show, "show a webhook")
    made = command("make", make, "make a webhook and print its secret, this once", hook=False)
    made.add_argument("name", help="what it is for")
    made.add_argument("address", metavar="url", help="the http:// or https:// URL of your server")
    made.add_argument("--type", action="append", help="type of events, such as job.finished or job.*; repeat")
    made.add_argument("--all", action="store_true", help="everything you may see, not only your own jobs")
    made.add_argument("--job", type=number, help="only this job, also what has happened to it already")
    made.add_argument("--job-name", default="", help="only jobs so named; * and ? match")
    made.add_argument("--board", default="", help="only this board and the jobs on it")
    made.add_argument("--host-type", default="", help="only jobs on boards of this type")
    on = command("on", switch_on, "switch a webhook on: it goes on where it stopped")
    on.add_argument("--skip", action="store_true", help="do not send what it has missed")
    command("off", switch_off, "switch a webhook off")
    command("secret", secret, "make a new secret and print it, this once")
    command("test", test, "send a test")
    listed = command("messages", messages, "list what was sent; exit status 1 if the newest has failed")
    listed.add_argument("--state", default="", help="such as failed or waiting")
    listed.add_argument("--limit", type=lambda text: max(1, number(text)), default=20)
    command("again", again, "send a message again").add_argument("message", help="its id")
    command("remove", remove, "remove a webhook")


def _done(options: Namespace, told: JsonObject, words: str) -> int:
    _say(as_json(told) if options.json else plain_text(words))
    return 0


def _message(one: JsonObject) -> tuple[str, ...]:
    last = one["tries"][-1]["words"] if one["tries"] else ""
    job = f"#{one['job']}" if one["job"] else ""
    cells = (one["id"], one["type"], job, one["state"], one["attempts"], last)
    return tuple(plain_text(str(cell)) for cell in cells)


def _cells(one: dict[str, Any], *names: str) -> tuple[str, ...]:
    return tuple(plain_text(str(one[name])) for name in names)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
