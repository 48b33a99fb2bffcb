"""A job's page and the list of jobs, at a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from devices.management.cli import table
from jobs.terminal import JsonObject, Screen, ending, holding_words, plain_text, results, waiting_words


def job_table(found: Iterable[JsonObject]) -> str:
    heads = ("JOB", "STATE", "PASS", "FAIL", "BOARD", "SUBMITTER", "SUBMITTED (UTC)", "NAME")
    return table(heads, [_row(job) for job in found])


def _row(job: JsonObject) -> tuple[str, ...]:
    return (
        str(job["id"]),
        job["outcome"] or job["state"],
        str(job["counts"]["pass"]),
        str(job["counts"]["fail"]),
        job["board"] or f"({job['host_type']})",
        job["submitter"],
        job["submitted_at"][:16].replace("T", " "),
        plain_text(job["name"]) + ("  [health check]" if job["health_check"] else ""),
    )


def event_line(event: JsonObject) -> str:
    return plain_text(f"{event['at'][:19].replace('T', ' ')}  {event['text']}  [{event['actor']}]")


def job_page(job: JsonObject, screen: Screen) -> str:
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
        "starts": f"about {job['expected_start'][:16].replace('T', ' ')} UTC"
        if job["expected_start"]
        else "",
        "hold": holding_words(job["hold"]) if job["hold"] else "",
    }
    facts |= {key: job[f"{key}_at"] for key in ("submitted", "started", "finished")}
    lines += [f"  {key:10} {plain_text(value)}" for key, value in facts.items() if value]
    lines += [plain_text(f"  {'waits':10} {waiting_words(one)}") for one in job["waiting"]]
    nodes = [
        (f"{job['id']}.{node['index']}", node["name"], node["device_type"], node["state"], _doing(node))
        for node in job["nodes"]
    ]
    lines += ["", table(("NODE", "NAME", "TYPE", "STATE", "WHAT"), nodes), "", *results(job, screen)]
    return "\n".join([*lines, *([ending(job)] if job["outcome"] else [])])


def _doing(node: JsonObject) -> str:
    return plain_text(node["closed"]["reason"] if node["closed"] else node["doing"])
