"""What the commands do. Each takes the lab and its options, prints, and returns the exit status."""

from __future__ import annotations

import json
import sys
import time
import uuid
from argparse import Namespace
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from devices.management.cli import as_json, table
from jobs.harmless import Harmless
from jobs.terminal import (
    JsonObject,
    Screen,
    ending,
    exit_status,
    holding_words,
    plain_text,
    problem_lines,
)
from jobs.terminal_pages import event_line, job_page, job_table
from lab.cli import account, following, keyboard
from lab.cli.api import Api
from lab.cli.failing import INTERRUPTED, INVALID, Failed

PIECE = 1024 * 1024
FILTERS = ("state", "outcome", "submitter", "board", "host_type", "text")


def submit(api: Api, options: Namespace) -> int:
    text = _read(options.file)
    made = api.post("jobs/", text, source=options.file, key=options.key or str(uuid.uuid4()))
    return _made(api, made, options)


def resubmit(api: Api, options: Namespace) -> int:
    text = _read(options.file) if options.file else ""
    made = api.post(
        f"jobs/{options.job}/resubmit/",
        text,
        source=options.file or "",
        key=options.key or str(uuid.uuid4()),
        board="same" if options.same_board else "",
    )
    return _made(api, made, options)


def follow(api: Api, options: Namespace) -> int:
    options.follow = True
    return _until_its_end(api, options.job, options)


def wait(api: Api, options: Namespace) -> int:
    options.follow = False
    return _until_its_end(api, options.job, options)


def validate(api: Api, options: Namespace) -> int:
    told = api.post("validate/", _read(options.file))
    if options.json:
        _say(as_json(told))
    else:
        if told["warnings"]:
            sys.stderr.write("warning: " + problem_lines(told["warnings"], options.file) + "\n")
        if told["valid"]:
            names = ", ".join(f"{node['name']} ({node['device_type']})" for node in told["nodes"])
            _say(plain_text(f"valid: {names}"))
        else:
            sys.stderr.write(problem_lines(told["problems"], options.file) + "\n")
    return 0 if told["valid"] else INVALID


def list_jobs(api: Api, options: Namespace) -> int:
    wanted = account.filters_of(api, options.view) if options.view else {}
    if options.state or options.outcome:
        wanted |= {"state": "", "outcome": ""}  # one of the view's would contradict
    wanted |= {name: value for name in FILTERS if (value := getattr(options, name))}
    if options.before:
        wanted.pop("order", None)  # older ones are told the newest first, whatever the view does
    size = min(options.limit, 500)
    found = list(
        islice(api.pages("jobs/", "jobs", **wanted, before=options.before, limit=size), options.limit)
    )
    if options.json:
        _say(as_json(found))
    elif found:
        _say(job_table(found))
    else:
        _say("There are no such jobs." if any(wanted.values()) else "There are no jobs yet.")
    return 0


def show(api: Api, options: Namespace) -> int:
    path = f"jobs/{options.job}/"
    if options.definition:
        sys.stdout.write(api.ask("GET", f"{path}definition/").text)
    elif options.events:
        events = _events(api, options.job)
        _say(as_json(events) if options.json else "\n".join(event_line(one) for one in events))
    else:
        job = api.get(path)
        _say(as_json(job) if options.json else job_page(job, Screen(sys.stdout)))
    return 0


def cancel(api: Api, options: Namespace) -> int:
    before = api.get(f"jobs/{options.job}/", after=following.ONLY_THE_JOB)
    job = api.post(f"jobs/{options.job}/cancel/", json.dumps({"reason": options.reason}))
    if options.json:
        _say(as_json(job))
    elif before["outcome"]:
        _say(f"job {options.job} had ended already")
    else:
        _say(f"job {options.job} is {'canceled' if job['outcome'] else 'being canceled'}")
    return 0


def hold(api: Api, options: Namespace) -> int:
    wish = {
        "seconds": round(options.minutes * 60),
        "reason": options.reason,
        "if_failed": options.if_failed,
    }
    job = api.post(f"jobs/{options.job}/hold/", json.dumps(wish))
    _say(as_json(job) if options.json else f"job {options.job} {holding_words(job['hold'])}")
    return 0


def release(api: Api, options: Namespace) -> int:
    job = api.delete(f"jobs/{options.job}/hold/")
    _say(as_json(job) if options.json else f"job {options.job} is not held (any more)")
    return 0


def console(api: Api, options: Namespace) -> int:
    """Copy the very bytes into a file or pipe; a terminal gets text and colours only."""
    path = f"jobs/{options.job}/nodes/{_node(api, options.job, options.node)}/console/"
    harmless = Harmless() if sys.stdout.isatty() else None
    offset = options.offset
    while True:
        answer = api.patiently("GET", path, {"offset": offset, "limit": PIECE})
        data = answer.content
        if data:
            sys.stdout.buffer.write(harmless.feed(data) if harmless else data)
            sys.stdout.buffer.flush()
        offset = int(answer.headers["X-Console-Offset"]) + len(data)
        if offset < int(answer.headers["X-Console-Size"]):
            continue
        if not options.follow or answer.headers["X-Console-Complete"] == "true":
            return 0
        time.sleep(following.POLL)


def sit(api: Api, options: Namespace) -> int:
    return keyboard.sit(api, options, _node(api, options.job, options.node))


def type_text(api: Api, options: Namespace) -> int:
    return keyboard.type_text(api, options, _node(api, options.job, options.node))


def boards(api: Api, options: Namespace) -> int:
    if options.name:
        return _board(api, options)
    wanted = {name: getattr(options, name) for name in ("state", "device_type", "site", "tag")}
    found = list(api.pages("boards/", "boards", **wanted))
    if options.json:
        _say(as_json(found))
    elif not found:
        _say("There are no such boards." if any(wanted.values()) else "There are no boards yet.")
    else:
        heads = ("BOARD", "TYPE", "SITE", "STATE", "HEALTH", "WHY NO JOB GETS IT")
        _say(table(heads, [_board_row(one) for one in found]))
    return 0


# -- inside --------------------------------------------------------------------------------------


def _made(api: Api, made: JsonObject, options: Namespace) -> int:
    if options.follow or options.wait:
        return _until_its_end(api, made["id"], options)
    _say(as_json(made) if options.json else f"job {made['id']} submitted: {api.url}/jobs/{made['id']}/")
    return 0


def _until_its_end(api: Api, number: int, options: Namespace) -> int:
    try:
        return exit_status(_watched(api, number, options))
    except KeyboardInterrupt as interrupt:
        words = f"\njob {number} goes on; labbook cancel {number} ends it"
        raise Failed(words, INTERRUPTED) from interrupt


def _watched(api: Api, number: int, options: Namespace) -> JsonObject:
    if options.follow and not options.json:
        return following.follow(api, number, sys.stdout)
    if options.follow:
        for events in following.changes(api, number):
            for event in events:
                _say(json.dumps(event))
    last = following.wait(api, number)
    if options.json:
        _say(json.dumps(last) if options.follow else as_json(last))
    else:
        screen = Screen(sys.stdout)
        screen.line(screen.paint(ending(last), str(last["outcome"])))
    return last


def _events(api: Api, number: int) -> list[JsonObject]:
    found, after, more = list[JsonObject](), 0, True
    while more:
        page = api.get(f"jobs/{number}/events/", after=after)
        found += page["events"]
        after, more = page["position"], page["more"]
    return found


def _node(api: Api, number: int, wanted: str) -> int:
    nodes = api.get(f"jobs/{number}/", after=following.ONLY_THE_JOB)["nodes"]
    for node in nodes:
        if wanted in (node["name"], str(node["index"]), f"{number}.{node['index']}"):
            return int(node["index"])
    names = ", ".join(node["name"] for node in nodes)
    raise Failed(plain_text(f"Job {number} has no node {wanted!r}. It has {names}."))


def _board(api: Api, options: Namespace) -> int:
    one = api.get(f"boards/{quote(options.name, safe='')}/")
    if options.json:
        _say(as_json(one))
        return 0
    facts = {
        "state": one["state"],
        "why": one["reason"],
        "type": one["device_type"],
        "site": one["site"],
        "tags": ", ".join(one["tags"]),
        "runs": ", ".join(one["runs"]),
        "health": " ".join(filter(None, (one["health"], one["health_reason"]))),
        "about": one["description"],
    }
    lines = [f"board {one['name']}", ""]
    _say("\n".join([*lines, *(f"  {key:8} {plain_text(value)}" for key, value in facts.items() if value)]))
    return 0


def _board_row(one: dict[str, Any]) -> tuple[str, ...]:
    cells = ("name", "device_type", "site", "state", "health", "reason")
    return tuple(plain_text(str(one[cell])) for cell in cells)


def _read(name: str) -> str:
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode()
    except OSError as error:
        raise Failed(f"{name} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise Failed(f"{name} is not UTF-8: byte {error.start} cannot be read.", INVALID) from error


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
