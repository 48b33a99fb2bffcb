"""A job's results as one document: for servers that results are sent to, and in the API.

Readers may rely on every key here (docs/api.md). Keys are added, never taken away or given another meaning;
`VERSION` rises when that cannot be helped.
"""

from __future__ import annotations

from typing import Any

import msgspec

from jobs import mail, queries, rows
from jobs.domain import job as life
from jobs.domain.events import SuiteStarted
from jobs.models import Attachment, Check, Job, Node, Result
from lab.eventstore.models import EventRow
from lab.kernel.events import codec

FORMAT = "labbook-results"
VERSION = 1

JsonObject = dict[str, Any]


def result_document(number: int, *, stream: str = "") -> JsonObject:
    """Return everything that came of a job: all nodes, suites, cases, measurements and metadata."""
    row = Job.objects.get(pk=number)
    results: dict[int, list[JsonObject]] = {}
    for one in Result.objects.filter(job=number).order_by("version"):
        results.setdefault(one.node, []).append(rows.result(one))
    files: dict[int, list[JsonObject]] = {}
    for kept in Attachment.objects.filter(job=number).order_by("version"):
        files.setdefault(kept.node, []).append(rows.attachment(kept))
    begun = _begun(number)
    page = mail.url(number)
    return {
        "format": FORMAT,
        "version": VERSION,
        "stream": stream,
        "job": {**rows.summary(row), "url": page, "worker": row.worker},
        "definition": queries.definition_text(number),
        "nodes": [
            {
                "index": node.index,
                "name": node.name,
                "role": node.role,
                "device_type": node.device_type,
                "metadata": node.metadata,
                "closed": node.closed,
                "suites": _suites(
                    number,
                    results.get(node.index, []),
                    files.get(node.index, []),
                    begun.get(node.index, {}),
                ),
            }
            for node in Node.objects.filter(job=number).order_by("index")
        ],
        "checks": [
            {"what": one.what, "found": one.found, "ok": one.ok}
            for one in Check.objects.filter(job=number).order_by("version", "number")
        ],
    }


def _begun(number: int) -> dict[int, dict[str, SuiteStarted]]:
    """Return what is known of the test definitions that began, by node and suite."""
    found: dict[int, dict[str, SuiteStarted]] = {}
    stored = EventRow.objects.filter(stream=life.stream(number), type=SuiteStarted.type).order_by("version")
    for event in (codec.decode(row.type, row.schema, _json(row.data)) for row in stored):
        assert isinstance(event, SuiteStarted)
        found.setdefault(event.node, {})[event.suite] = event
    return found


def _suites(
    number: int, results: list[JsonObject], files: list[JsonObject], begun: dict[str, SuiteStarted]
) -> list[JsonObject]:
    names = dict.fromkeys([*(one["suite"] for one in results), *begun, *(one["suite"] for one in files)])
    suites = []
    for name in names:
        start = begun.get(name)
        suites.append(
            {
                "name": name,
                "uuid": start.uuid if start else None,
                "definition": dict(start.definition) if start else {},
                "started_at": start.at if start else None,
                "results": [_result(one) for one in results if one["suite"] == name],
                "attachments": [_attachment(number, one) for one in files if one["suite"] == name],
            }
        )
    return suites


def _result(row: JsonObject) -> JsonObject:
    return {key: value for key, value in row.items() if key not in ("key", "node", "suite")}


def _attachment(number: int, row: JsonObject) -> JsonObject:
    own = {key: row[key] for key in ("case", "name", "mime", "sha256", "size", "at")}
    base = mail.url(number).removesuffix(f"/jobs/{number}/")
    return {**own, "url": f"{base}/api/v1/jobs/{number}/attachments/{row['sha256']}/"}


def _json(data: Any) -> Any:
    return msgspec.json.decode(data)
