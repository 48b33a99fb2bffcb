"""Health checks: a definition made to fit a board, and what the end of its job says."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from devices.domain.checks import Verdict
from jobs.domain.events import Failure
from jobs.domain.health import for_board, judge

BLOCK = """\
# how we check
job_name: health  # of a board
vm_group:
  host:
    role: host
  vms: []
"""


def test_type_and_board_are_filled_in_and_the_rest_stays_to_the_letter() -> None:
    filled = for_board(BLOCK, "bench", "b1")
    assert filled.text == BLOCK.replace(
        "    role: host", '    "device_type": "bench"\n    "board": "b1"\n    role: host'
    )
    assert [filled.line(line) for line in (4, 5, 6, 7, 8)] == [4, 5, 5, 5, 6]


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("vm_group: {host: {role: a}}", 'vm_group: {host: {"device_type": "t", "board": "b", role: a}}'),
        ("vm_group: {host: {}}", 'vm_group: {host: {"device_type": "t", "board": "b"}}'),
        (
            "vm_group: {host: {board: x, role: a}}",
            'vm_group: {host: {"device_type": "t", board: "b", role: a}}',
        ),
        (
            "vm_group:\n host: {device_type: 'x', board: y}",
            'vm_group:\n host: {device_type: "t", board: "b"}',
        ),
        (
            '{\n\t"vm_group": {"host": {\n}}}',
            '{\n\t"vm_group": {"host": {"device_type": "t", "board": "b"\n}}}',
        ),
    ],
)
def test_it_works_for_every_way_to_write_it(text: str, filled: str) -> None:
    assert for_board(text, "t", "b").text == filled


@pytest.mark.parametrize("text", ["", "[]", "a: [", "vm_group: 3", "vm_group: {host: 3}", "vm_group: {}"])
def test_what_has_no_host_stays_as_it_is(text: str) -> None:
    assert for_board(text, "t", "b").text == text


HOSTS = st.dictionaries(st.sampled_from(["role", "board", "device_type"]), st.text("ab: #'\"", max_size=6))


@given(HOSTS, st.booleans(), st.sampled_from([None, 2]))
def test_whatever_it_says_the_host_is_the_board(
    host: dict[str, str], as_json: bool, indent: int | None
) -> None:
    value = {"job_name": "x", "vm_group": {"host": host, "vms": [1]}, "actions": []}
    text = json.dumps(value, indent=indent) if as_json else yaml.safe_dump(value, sort_keys=False)
    filled = yaml.safe_load(for_board(text, "bench", "b1").text)
    expected = {**host, "device_type": "bench", "board": "b1"}
    assert filled == {**value, "vm_group": {"host": expected, "vms": [1]}}


def test_the_end_of_a_check_says_what_of_the_board() -> None:
    broken = Failure(kind="infrastructure", message="no prompt")
    assert judge("complete", None, [], interrupted=False) == Verdict(result="passed")
    assert judge("complete", None, ["a", "b"], interrupted=False) == Verdict(
        result="failed", reason="2 tests failed (a, b)"
    )
    many = judge("complete", None, list("abcdefg"), interrupted=False)
    assert many.reason == "7 tests failed (a, b, c, d, e …)"
    assert judge("incomplete", broken, [], interrupted=False) == Verdict(result="failed", reason="no prompt")
    assert judge("incomplete", None, [], interrupted=False).reason == "it did not complete"
    assert judge("incomplete", broken, [], interrupted=True) == Verdict(
        result="interrupted", reason="no prompt"
    )
    assert judge("canceled", None, [], interrupted=True, reason="enough") == Verdict(
        result="canceled", reason="enough"
    )
