"""Whole runs on a real sshd, with shells in the place of VMs: order, gate, groups."""

from __future__ import annotations

import subprocess

import pytest

from jobs.domain.definition.model import (
    BootImage,
    CommandRun,
    SubmitResults,
    TestSource,
)
from jobs.domain.events import (
    AttachmentKept,
    CaseStarted,
    CleanedUp,
    GateOpened,
    NodeClosed,
    ResultReported,
    SuiteEnded,
    SuiteStarted,
    VmStarted,
    WaitStarted,
)
from tests.integration.execution.lab import Lab, shell_action, suite

pytestmark = pytest.mark.timeout(180)


def test_a_group_runs_from_end_to_end(lab: Lab) -> None:
    everywhere = suite(
        "both",
        "lava-test-case first --shell true",
        "lava-test-case second --result fail --measurement 1.50 --units MB/s",
        'lava-send "from-$(lava-self)" value="a b=c>d"',
        "lava-sync met",
    )
    ran = lab.run(
        shell_action("", everywhere, lava_test_dir=lab.roots()),
        shell_action("host", suite("after", "lava-test-case last --shell true")),
        SubmitResults(command="submit_results", index=0),
        vms=[lab.shell_vm("a"), lab.shell_vm("b", count=2)],
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert {node: ran.results("both", node)["first"] for node in range(4)} == dict.fromkeys(range(4), "pass")
    assert ran.results("after") == {"last": "pass", "lava-test-shell-run": "pass"}
    second = [one for one in ran.of(ResultReported) if one.case == "second"]
    assert {(one.result, one.measurement, one.units) for one in second} == {("fail", "1.50", "MB/s")}
    assert sorted(ran.closed()[:3]) == [1, 2, 3]
    assert ran.closed()[3] == 0, "the host is the last"
    order = [type(one) for one in ran.facts]
    last_vm = max(i for i, one in enumerate(ran.facts) if isinstance(one, NodeClosed) and one.node)
    gate = order.index(GateOpened)
    after = next(
        i for i, one in enumerate(ran.facts) if isinstance(one, SuiteStarted) and one.suite == "after"
    )
    assert last_vm < gate < after < order.index(CleanedUp)
    assert len(ran.of(VmStarted)) == 3
    assert {one.data["value"] for one in ran.facts if hasattr(one, "data")} == {"a b=c>d"}
    for node in range(4):
        assert f"from-{['host', 'a', 'b-1', 'b-2'][node]}" in ran.text(node)
    lab.assert_host_is_clean(ran)


def test_results_point_at_their_line_in_the_console(lab: Lab) -> None:
    ran = lab.run(
        shell_action(
            "a", suite("one", "echo noise", "lava-test-case here --result pass"), lava_test_dir=lab.roots()
        ),
        vms=[lab.shell_vm("a")],
    )

    (result,) = [one for one in ran.of(ResultReported) if one.case == "here"]
    assert result.offset is not None
    assert ran.consoles[1][result.offset :].startswith(b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=here")


def test_attachments_sets_cases_and_suites_are_reported(lab: Lab) -> None:
    ran = lab.run(
        shell_action(
            "a",
            suite(
                "files",
                "head -c 5000 /dev/urandom >/tmp/labbook-attachment-$$",
                "lava-test-set start big",
                "lava-test-case kept --shell true",
                "lava-test-set stop",
                "lava-test-case-attach kept /tmp/labbook-attachment-$$ application/octet-stream",
                "sha256sum </tmp/labbook-attachment-$$",
                "rm /tmp/labbook-attachment-$$",
            ),
            lava_test_dir=lab.roots(),
        ),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    (attachment,) = ran.of(AttachmentKept)
    assert (attachment.case, attachment.size) == ("kept", 5000)
    assert attachment.sha256 in ran.text(1)
    assert len(ran.attachments[attachment.sha256]) == 5000
    assert [one.set for one in ran.of(ResultReported) if one.case == "kept"] == ["big"]
    assert [one.case for one in ran.of(CaseStarted)] == ["kept"]
    assert len(ran.of(SuiteStarted)) == len(ran.of(SuiteEnded)) == 1


def test_parameters_patterns_and_command_runs(lab: Lab) -> None:
    text = """
metadata: {name: parsed, format: Lava-Test Test Definition 1.0}
params: {WORD: default, OTHER: kept}
run:
  steps:
    - 'echo "disk-$WORD-$OTHER: OK"'
parse:
  pattern: '^(?P<test_case_id>disk\\S*): (?P<result>\\w+)$'
  fixupdict: {OK: pass}
"""
    ran = lab.run(
        shell_action(
            "a", TestSource(inline=text, parameters={"WORD": "it's $HOME"}), lava_test_dir=lab.roots()
        ),
        CommandRun(
            command="lava_command_run",
            index=0,
            role="a",
            commands=("echo speed=3",),
            parser=r"(?P<test_case_id>\w+)=(?P<measurement>\d+)",
            iterations=2,
        ),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert "disk-it's $HOME-kept: OK" in ran.text(1)
    speeds = [one.measurement for one in ran.of(ResultReported) if one.case == "speed"]
    assert speeds == ["3", "3"]
    assert len(ran.of(VmStarted)) == 1, "a command run needs no fresh boot"


def test_a_definition_from_a_git_repository_brings_its_files(lab: Lab) -> None:
    repository = lab.folder / "repository"
    (repository / "tests").mkdir(parents=True)
    (repository / "lib.sh").write_text("word=from-the-library\n")
    (repository / "tests" / "one.yaml").write_text(
        "metadata: {name: cloned, format: Lava-Test Test Definition 1.0}\n"
        "run:\n  steps:\n  - . ./lib.sh\n  - lava-test-case $word --result pass\n"
    )
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()

    ran = lab.run(
        shell_action("host", TestSource(git_repo=repository.as_uri(), testdef="tests/one.yaml")),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert ran.results("cloned")["from-the-library"] == "pass"
    assert ran.of(SuiteStarted)[0].definition["revision"] == commit


def test_two_shells_mean_a_reboot_between_them(lab: Lab) -> None:
    root = lab.roots()
    ran = lab.run(
        shell_action("a", suite("one", "lava-test-case x --result pass"), lava_test_dir=root),
        shell_action("a", suite("one", "lava-test-case y --result pass"), lava_test_dir=root),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert len(ran.of(VmStarted)) == 2
    assert ran.results("one")["x"] == ran.results("one-2")["y"] == "pass"


def test_an_explicit_boot_is_not_repeated_by_the_test(lab: Lab) -> None:
    ran = lab.run(
        BootImage(command="boot_linaro_image", index=0, role="a"),
        shell_action("a", suite("one", "lava-test-case x --result pass"), lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert len(ran.of(VmStarted)) == 1


# -- the gate --------------------------------------------------------------------------------------


def test_vms_wait_for_lava_start_vms(lab: Lab) -> None:
    ran = lab.run(
        shell_action(
            "host",
            suite("starts", "lava-test-case before --result pass", "lava-start-vms", "lava-wait-for-vms"),
        ),
        shell_action("a", suite("vm", "lava-test-case inside --result pass"), lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a")],
        auto_start=False,
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    names = [one.case for one in ran.of(ResultReported) if one.suite in ("starts", "vm")]
    assert names.index("before") < names.index("inside")
    assert any(one.kind == "vms" for one in ran.of(WaitStarted))
    lab.assert_host_is_clean(ran)


def test_a_host_that_forgot_to_start_its_vms_is_told_so(lab: Lab) -> None:
    ran = lab.run(
        shell_action("host", suite("forgets", "lava-test-case x --result pass")),
        shell_action("a", suite("vm", "true")),
        vms=[lab.shell_vm("a")],
        auto_start=False,
    )

    assert ran.ending.outcome == "incomplete"
    assert ran.ending.failure is not None
    assert ran.ending.failure.kind == "test"
    assert "has to call lava-start-vms" in ran.ending.failure.message
    assert (ran.ending.failure.node, ran.ending.failure.action) == (0, "lava_test_shell")
    assert ran.of(VmStarted) == []
    assert sorted(ran.closed()) == [0, 1]
    lab.assert_host_is_clean(ran)


def test_a_host_without_a_test_shell_cannot_start_vms(lab: Lab) -> None:
    ran = lab.run(shell_action("a", suite("vm", "true")), vms=[lab.shell_vm("a")], auto_start=False)

    assert ran.ending.failure is not None
    assert "no test shell that could call lava-start-vms" in ran.ending.failure.message


def test_a_host_that_waits_for_vms_that_were_never_started(lab: Lab) -> None:
    ran = lab.run(
        shell_action("host", suite("waits", "lava-wait ready || lava-test-case refused --result pass")),
        shell_action("a", suite("vm", "lava-send ready")),
        vms=[lab.shell_vm("a")],
        auto_start=False,
    )

    assert ran.ending.failure is not None
    assert "lava-start-vms" in ran.ending.failure.message
    assert ran.results("waits")["refused"] == "pass"
    assert ran.seconds < 60
