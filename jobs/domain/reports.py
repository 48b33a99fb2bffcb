"""A job's results in the forms that other programs read: JUnit XML, TAP 13, CSV.

Sources: https://github.com/testmoapp/junitxml (what readers of JUnit XML agree on),
https://testanything.org/tap-version-13-specification.html, RFC 4180.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

Row = Mapping[str, Any]
"""A result as `jobs.rows.result` has it, with `node` the node's name."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
COLUMNS = (
    "job",
    "node",
    "suite",
    "set",
    "case",
    "result",
    "measurement",
    "units",
    "seconds",
    "message",
    "at",
)


def junit(job: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Return JUnit XML: a test suite for each node and suite, in the order they were first heard of.

    What is unknown counts as an error: nobody may take it for passed.
    """
    root = ElementTree.Element("testsuites", {"name": _clean(job["name"])})
    suites: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        suites.setdefault((str(row["node"]), str(row["suite"])), []).append(row)
    for (node, suite), members in suites.items():
        _suite(root, node, suite, members)
    failure = job.get("failure")
    if failure:
        lost = ElementTree.SubElement(
            root, "testsuite", {"name": "job", "tests": "1", "failures": "0", "errors": "1", "skipped": "0"}
        )
        case = ElementTree.SubElement(lost, "testcase", {"classname": "job", "name": str(job["outcome"])})
        ElementTree.SubElement(
            case, "error", {"type": _clean(failure["kind"]), "message": _clean(failure["message"])}
        )
    all_of_them = [suite.attrib for suite in root]
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(one[name]) for one in all_of_them)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(root: ElementTree.Element, node: str, suite: str, rows: Sequence[Row]) -> None:
    count = {kind: sum(row["result"] == kind for row in rows) for kind in ("fail", "unknown", "skip")}
    attributes = {
        "name": _clean(f"{node}.{suite}"),
        "tests": str(len(rows)),
        "failures": str(count["fail"]),
        "errors": str(count["unknown"]),
        "skipped": str(count["skip"]),
        "time": _seconds(sum(row["seconds"] or 0 for row in rows)),
        "timestamp": datetime.fromtimestamp(rows[0]["at"], UTC).strftime("%Y-%m-%dT%H:%M:%S"),
    }
    element = ElementTree.SubElement(root, "testsuite", attributes)
    for row in rows:
        name = _clean(_name(row))
        case = ElementTree.SubElement(element, "testcase", {"classname": attributes["name"], "name": name})
        if row["seconds"] is not None:
            case.set("time", _seconds(row["seconds"]))
        if row["measurement"] is not None:
            properties = ElementTree.SubElement(case, "properties")
            for key in ("measurement", "units"):
                if row[key]:
                    ElementTree.SubElement(properties, "property", {"name": key, "value": _clean(row[key])})
        kind = {"fail": "failure", "unknown": "error", "skip": "skipped"}.get(row["result"])
        if kind:
            ElementTree.SubElement(case, kind, {"message": _clean(row["message"])} if row["message"] else {})


def tap(rows: Sequence[Row]) -> str:
    """Return TAP 13: one numbered line for each result, measurements as YAML blocks."""
    lines = ["TAP version 13", f"1..{len(rows)}"]
    for number, row in enumerate(rows, 1):
        word = "ok" if row["result"] in ("pass", "skip") else "not ok"
        name = _one_line(f"{row['node']}.{row['suite']}: {_name(row)}").replace("#", "\\#")
        directive = {"skip": " # SKIP", "unknown": " # unknown"}.get(row["result"], "")
        if directive and row["message"]:
            directive += f" {_one_line(row['message'])}"
        lines.append(f"{word} {number} - {name}{directive}")
        details = {
            key: row[key]
            for key in ("measurement", "units", "message", "seconds")
            if row[key] not in (None, "")
        }
        if details:
            lines += ["  ---", *(f"  {key}: {json.dumps(value)}" for key, value in details.items()), "  ..."]
    return "\n".join(lines) + "\n"


def as_csv(job: int, rows: Iterable[Row]) -> str:
    """Return CSV with a header. What a spreadsheet would take for a formula is marked as text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        at = datetime.fromtimestamp(row["at"], UTC).isoformat()
        values = {**row, "job": job, "at": at}
        writer.writerow([_cell(values[column]) for column in COLUMNS])
    return out.getvalue()


def _cell(value: object) -> object:
    # https://owasp.org/www-community/attacks/CSV_Injection: names come from machines nobody trusts.
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        try:
            float(value)
        except ValueError:
            return "'" + value
    return value


def _name(row: Row) -> str:
    return f"{row['set']}/{row['case']}" if row["set"] else str(row["case"])


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _clean(text: object) -> str:
    """Return text with what XML cannot hold replaced."""
    return _NOT_XML.sub("\ufffd", str(text))
