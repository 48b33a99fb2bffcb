"""The comparison of definitions by hand and by Labbook: it must be able to find that they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compatibility import by_hand, by_labbook
from tests.compatibility.collection import Definition, read_table
from tests.compatibility.outcome import Comparison, Outcome, Verdict
from tests.compatibility.report import markdown

CONSOLE = """\
<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=boot RESULT=pass>\r
<LAVA_SIGNAL_TESTSET START disk>\r
half a line<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=speed RESULT=PASS MEASUREMENT=1.5 UNITS=MB/s>\r
<LAVA_SIGNAL_TESTSET STOP>\r
+ hint='<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=quoted RESULT=pass>'\r
==== hand-end 0 0\r
<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=late RESULT=fail>\r
==== hand-end 1 3\r
<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=last RESULT=skip>\r
"""
BOOT = Verdict(set="", case="boot", result="pass")
SPEED = Verdict(set="disk", case="speed", result="pass", measured=True, units="MB/s")


def test_what_a_console_says_is_told_apart_by_definition() -> None:
    first, second, third = by_hand.read(CONSOLE, 3)
    assert first == Outcome(verdicts=(BOOT, SPEED), status=0)
    assert (second.summary, second.status) == ("0/1/0/0, exit 3", 3)
    assert (third.ended, third.summary) == (False, "0/0/1/0, cut off")


def outcome(*verdicts: Verdict, status: int = 0, ended: bool = True) -> Outcome:
    return Outcome(verdicts=verdicts, status=status, ended=ended)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (outcome(BOOT), ["only by hand: disk/speed pass (measured, MB/s)"]),
        (outcome(BOOT, SPEED, BOOT), ["only by Labbook: boot pass"]),
        (outcome(SPEED, BOOT), []),
        (outcome(BOOT, SPEED, status=2), ["ended with status 0 by hand, with status 2 by Labbook"]),
        (outcome(BOOT, SPEED, status=-1, ended=False), ["ended with status 0 by hand, too early by Labbook"]),
    ],
)
def test_every_difference_is_said(other: Outcome, words: list[str]) -> None:
    found = Comparison(path="a.yaml", guest="busybox", hand=outcome(BOOT, SPEED), labbook=other)
    assert found.differences == words


def result(suite: str, case: str, said: str = "pass", **more: Any) -> dict[str, Any]:
    plain = {"node": 1, "set": "", "measurement": None, "units": "", "message": ""}
    return {**plain, "suite": suite, "case": case, "result": said, **more}


def definition(name: str) -> Definition:
    return Definition(path=f"{name}.yaml", name=name, params={}, ours={}, steps=[])


def test_a_job_is_read_suite_by_suite() -> None:
    done = {
        "id": 1,
        "outcome": "complete",
        "failure": None,
        "results": [
            result("lava", "kernel-started"),
            result("net", "boot"),
            result("net", "lava-test-shell-run"),
            result("net-2", "speed", set="disk", measurement="1.5", units="MB/s"),
            result("net-2", "lava-test-shell-run", "fail", message="exit status 3"),
        ],
    }
    first, second = by_labbook.read(done, [definition("net"), definition("net")])
    assert first == outcome(BOOT)
    assert second.verdicts == (SPEED,)
    assert second.status == 3


def test_a_definition_that_raises_ends_its_job_and_the_others_are_left_for_another() -> None:
    failure = {"message": "the test on guest gave up: no disk"}
    results = [result("one", "lava-test-shell-run"), result("two", "boot")]
    done = {"id": 1, "outcome": "incomplete", "failure": failure, "results": results}
    one, two = by_labbook.read(done, [definition(name) for name in ("one", "two", "three")])
    assert one.status == 0
    assert (two.status, two.ended, two.verdicts) == (1, True, (BOOT,))


def test_a_table_names_only_what_is_there_and_says_what_it_does_not_mention(tmp_path: Path) -> None:
    text = "metadata: {name: net}\nparams: {A: 1.10, B: False}\nrun: {steps: [echo $A]}\n"
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "data.yaml").write_text("- no definition\n")
    table_file = tmp_path / "table"
    table_file.write_text("busybox:\n  one.yaml: {B: x, C: y}\nleft out:\n  no network: [two.yaml]\n")
    table = read_table(table_file, tmp_path)
    (one,) = table.runs["busybox"]
    assert (one.params, one.ours) == ({"A": "1.10", "B": "x"}, {"B": "x"})
    assert one.script == "set -e\nexport A=1.10\nexport B=x\necho $A\n"
    assert table.unknown == ["three.yaml"]
    comparison = Comparison(path="one.yaml", guest="busybox", hand=outcome(BOOT), labbook=outcome())
    said = markdown([comparison], table)
    assert "1 definitions, 0 with the same outcome" in said
    assert "* `one`: only by hand: boot pass" in said
    assert "* 1: no network: `two`" in said
    table_file.write_text("busybox:\n  four.yaml:\n")
    with pytest.raises(ValueError, match=r"four\.yaml"):
        read_table(table_file, tmp_path)
