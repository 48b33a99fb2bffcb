"""Results as JUnit XML, TAP and CSV."""

from __future__ import annotations

import csv
import io
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.reports import as_csv, junit, tap

JOB = {"id": 7, "name": "a job", "outcome": "complete", "failure": None}


def row(case: str, result: str = "pass", **fields: Any) -> dict[str, Any]:
    known = {"node": "host", "suite": "smoke", "set": "", "units": "", "message": "", "seconds": None}
    return {**known, "case": case, "result": result, "measurement": None, "at": 1000.0, **fields}


ROWS = [
    row("boots", seconds=1.5),
    row("fast", "fail", measurement="3.2", units="MB/s", message="too <slow> & more"),
    row("later", "skip", message="no disk"),
    row("odd", "unknown", set="group"),
    row("boots", node="guest"),
]


def test_junit_has_a_suite_for_each_node_and_suite() -> None:
    root = ElementTree.fromstring(junit(JOB, ROWS))
    assert root.attrib == {"name": "a job", "tests": "5", "failures": "1", "errors": "1"}
    host, guest = root
    assert host.attrib == {
        "name": "host.smoke",
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
        "time": "1.500",
        "timestamp": "1970-01-01T00:16:40",
    }
    assert [(case.get("name"), [child.tag for child in case]) for case in host] == [
        ("boots", []),
        ("fast", ["properties", "failure"]),
        ("later", ["skipped"]),
        ("group/odd", ["error"]),
    ]
    assert host[1][1].get("message") == "too <slow> & more"
    assert guest.get("name") == "guest.smoke"


def test_a_job_that_did_not_come_to_its_end_is_an_error_of_its_own() -> None:
    lost = {
        **JOB,
        "outcome": "incomplete",
        "failure": {"kind": "infrastructure", "message": "ssh\x00 refused"},
    }
    error = ElementTree.fromstring(junit(lost, [])).find("testsuite/testcase/error")
    assert error is not None
    assert error.attrib == {"type": "infrastructure", "message": "ssh\ufffd refused"}


def test_tap_numbers_its_lines_and_holds_yaml() -> None:
    text = tap(ROWS)
    lines = text.splitlines()
    assert lines[:3] == ["TAP version 13", "1..5", "ok 1 - host.smoke: boots"]
    assert "not ok 2 - host.smoke: fast" in lines
    assert "ok 3 - host.smoke: later # SKIP no disk" in lines
    assert "not ok 4 - host.smoke: group/odd # unknown" in lines
    block = text.split("not ok 2 - host.smoke: fast\n")[1].split("  ...")[0]
    assert yaml.safe_load(block.replace("  ---\n", "")) == {
        "measurement": "3.2",
        "units": "MB/s",
        "message": "too <slow> & more",
    }


def test_csv_can_be_read_back() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(7, ROWS))))
    assert rows[1]["job"] == "7"
    assert rows[1]["measurement"] == "3.2"
    assert rows[1]["message"] == "too <slow> & more"
    assert rows[0]["at"] == "1970-01-01T00:16:40+00:00"


@pytest.mark.parametrize(
    ("case", "cell"), [("=1+1", "'=1+1"), ("@x", "'@x"), ("-x", "'-x"), ("-1.5", "-1.5")]
)
def test_a_case_is_no_formula(case: str, cell: str) -> None:
    (only,) = csv.DictReader(io.StringIO(as_csv(7, [row(case)])))
    assert only["case"] == cell


@given(case=st.text(max_size=40), message=st.text(max_size=40), name=st.text(max_size=40))
def test_whatever_targets_say_the_forms_stay_whole(case: str, message: str, name: str) -> None:
    rows = [row(case, "fail", message=message), row("x", "skip", message=message)]
    root = ElementTree.fromstring(junit({**JOB, "name": name}, rows))
    assert len(root.findall(".//testcase")) == 2
    assert sum(line.startswith(("ok ", "not ok ")) for line in tap(rows).split("\n")) == 2
    assert len(list(csv.DictReader(io.StringIO(as_csv(7, rows), newline="")))) == 2
