"""``manage.py job N``: all about one job."""

from __future__ import annotations

from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandParser

from devices.management.cli import as_json, table
from jobs import follow, queries
from jobs.follow import plain_text
from jobs.management.cli import everything, refusals
from jobs.queries import JsonObject


class Command(BaseCommand):
    help = "Show a job: what it is doing or how it ended, its nodes and its results."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int, help="number of the job")
        shown = parser.add_mutually_exclusive_group()
        shown.add_argument("--definition", action="store_true", help="print its definition, to the letter")
        shown.add_argument("--events", action="store_true", help="print everything that happened to it")
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        number, json = options["job"], options["json"]
        with refusals():
            if options["definition"]:
                self.stdout.write(queries.definition_text(number), ending="")
            elif options["events"]:
                queries.seen_job(everything(), number)
                events = queries.job_events(number)
                self.stdout.write(as_json(events) if json else "\n".join(_event(event) for event in events))
            else:
                snapshot = queries.job_snapshot(everything(), number)
                screen = follow.Screen(cast(TextIO, self.stdout))
                self.stdout.write(as_json(snapshot) if json else _page(snapshot, screen))


def _event(event: JsonObject) -> str:
    return plain_text(f"{event['at'][:19].replace('T', ' ')}  {event['text']}  [{event['actor']}]")


def _page(job: JsonObject, screen: follow.Screen) -> str:
    lines = [plain_text(f"job {job['id']}: {job['name']}"), ""]
    facts = {
        "state": job["outcome"] or job["state"],
        "board": job["board"],
        "type": job["host_type"],
        "by": job["submitter"],
        "again": f"job {job['resubmitted_from']} once more" if job["resubmitted_from"] else "",
        "visible": job["visibility"],
        "priority": str(job["priority"]),
        "timeout": f"{job['timeout']} s",
    }
    facts |= {key: job[f"{key}_at"] for key in ("submitted", "started", "finished")}
    lines += [f"  {key:10} {plain_text(value)}" for key, value in facts.items() if value]
    lines += [plain_text(f"  {'waits':10} {follow.waiting_words(one)}") for one in job["waiting"]]
    nodes = [
        (f"{job['id']}.{node['index']}", node["name"], node["device_type"], node["state"], _doing(node))
        for node in job["nodes"]
    ]
    lines += ["", table(("NODE", "NAME", "TYPE", "STATE", "WHAT"), nodes), "", *follow.results(job, screen)]
    return "\n".join([*lines, *([follow.ending(job)] if job["outcome"] else [])])


def _doing(node: JsonObject) -> str:
    return plain_text(node["closed"]["reason"] if node["closed"] else node["doing"])
