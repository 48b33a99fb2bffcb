"""Whole runs on a real sshd, with shells in the place of VMs: order, gate, groups, failures, cancellation."""

from __future__ import annotations

import hashlib
import io
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from devices.drivers import ssh
from jobs.domain.definition.model import (
    BootImage,
    CommandRun,
    DeployImage,
    SubmitResults,
    TestSource,
)
from jobs.domain.events import (
    AttachmentKept,
    CaseStarted,
    CleanedUp,
    Fact,
    GateOpened,
    ImageUsed,
    NodeClosed,
    PhaseStarted,
    ResultReported,
    SuiteEnded,
    SuiteStarted,
    TransferProgressed,
    VmStarted,
    WaitEnded,
    WaitStarted,
)
from jobs.execution.arrival import Arrival
from jobs.execution.cleanup import clean_host
from jobs.execution.ports import Cancellation, ConsoleFull, Superseded
from lab.kernel.deadline import Deadline
from tests.integration.execution.lab import Lab, Watching, shell_action, suite

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


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("missing.img", "does not exist on the worker"),
        ("../outside.img", "may not be used: file:// URLs must lie below"),
        ("empty.img", "is not a disk image: it is empty"),
    ],
)
def test_an_image_that_is_no_good(lab: Lab, image: str, words: str) -> None:
    (lab.folder.parent / "outside.img").write_bytes(b"x" * 1024)
    (lab.folder / "empty.img").touch()
    ran = lab.run(
        DeployImage(command="deploy_linaro_image", index=0, role="a", image=f"file://{lab.folder}/{image}"),
        shell_action("a", suite("vm", "true")),
        vms=[lab.shell_vm("a", image=""), lab.shell_vm("b")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node, failure.action) == ("job", 1, "deploy_linaro_image")
    assert words in failure.message
    assert ran.of(VmStarted) == []
    assert ran.closed()[-1] == 0
    assert len(ran.closed()) == 3
    lab.assert_host_is_clean(ran)


def test_a_wrong_digest(lab: Lab) -> None:
    ran = lab.run(
        DeployImage(command="deploy_linaro_image", index=0, role="a", image=lab.an_image(), sha256="0" * 64),
        shell_action("a", suite("vm", "true")),
        vms=[lab.shell_vm("a", image="")],
    )

    assert ran.ending.failure is not None
    assert "is not the expected content" in ran.ending.failure.message


def test_a_test_definition_that_is_no_good(lab: Lab) -> None:
    ran = lab.run(
        shell_action("a", TestSource(inline="metadata: [\n")),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.failure is not None
    assert (ran.ending.failure.kind, ran.ending.failure.action) == ("job", "lava_test_shell")
    assert "inline" in ran.ending.failure.message


def test_a_deploy_that_an_always_on_host_cannot_do(lab: Lab) -> None:
    ran = lab.run(
        DeployImage(command="deploy_linaro_image", index=0, role="host", image=lab.an_image()),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.failure is not None
    assert "is an always-on host: deploy_linaro_image cannot change what it boots; use dummy_deploy" in (
        ran.ending.failure.message
    )
    assert ran.ending.failure.node == 0


def test_a_wrong_prompt(lab: Lab) -> None:
    lab.vm_types["shell"] = replace(lab.vm_types["shell"], boot_timeout=3)
    ran = lab.run(
        shell_action("a", suite("vm", "true")),
        vms=[
            lab.shell_vm(
                "a", shell_prompt="never-this> $", launch_with=("stty sane -echo", "PS1='other> ' exec sh -i")
            )
        ],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node, failure.action) == ("job", 1, "lava_test_shell")
    assert "a did not come to a shell prompt ('never-this> $') within" in failure.message
    assert "other>" in failure.message, "what it printed instead is shown"


def test_a_vm_that_never_boots(lab: Lab) -> None:
    lab.vm_types["shell"] = replace(lab.vm_types["shell"], boot_timeout=2)
    ran = lab.run(
        shell_action(
            "", suite("vm", "lava-sync all || lava-test-case told --result pass"), lava_test_dir=lab.roots()
        ),
        vms=[lab.shell_vm("a", launch_with=("exec sleep 1000",)), lab.shell_vm("b")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("job", 1)
    assert "within 2 s; it printed nothing" in failure.message
    assert ran.results("vm", 2)["told"] == ran.results("vm", 0)["told"] == "pass", (
        "the others are told at once"
    )
    waits = [one for one in ran.of(WaitEnded) if one.kind == "sync"]
    assert waits
    assert all("a is closed" in one.reason for one in waits)
    lab.assert_host_is_clean(ran)


def test_a_vm_whose_command_fails(lab: Lab) -> None:
    ran = lab.run(
        shell_action("a", suite("vm", "true")),
        vms=[lab.shell_vm("a", launch_with=("echo preparing", "no-such-hypervisor --run"))],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("job", 1)
    assert "a ended while it booted" in failure.message
    assert "no-such-hypervisor" in failure.message


def test_a_vm_that_panics(lab: Lab) -> None:
    panics = "echo Booting; echo 'Kernel panic - not syncing: no luck'; sleep 1000"
    ran = lab.run(shell_action("a", suite("vm", "true")), vms=[lab.shell_vm("a", launch_with=(panics,))])

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("job", 1)
    assert failure.message == (
        "the kernel of a panicked: Kernel panic - not syncing: no luck; the lines around it:\n"
        "Booting\nKernel panic - not syncing: no luck"
    )
    assert [one.reason for one in ran.of(NodeClosed) if one.node == 1] == [
        "the kernel of a panicked: Kernel panic - not syncing: no luck"
    ]
    assert ran.seconds < 30
    lab.assert_host_is_clean(ran)


def test_a_test_that_hangs_on_a_vm(lab: Lab) -> None:
    ran = lab.run(
        shell_action(
            "a",
            suite("hangs", "lava-test-case before --result pass", "lava-test-case long --shell sleep 1000"),
            timeout=8,
            lava_test_dir=lab.roots(),
        ),
        shell_action("host", suite("waits", "lava-wait never || lava-test-case told --result pass")),
        shell_action("host", suite("after", "lava-test-case ran --result pass")),
        vms=[lab.shell_vm("a")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node, failure.action) == ("test", 1, "lava_test_shell")
    assert (
        "the test shell of a did not end within 8 s, in hangs, case long; 1 result until then"
        in failure.message
    )
    assert ran.results("hangs") == {"before": "pass"}
    assert ran.results("waits")["told"] == "pass"
    assert ran.results("after")["ran"] == "pass", "the gate opens when a VM is closed, for whatever reason"
    lab.assert_host_is_clean(ran)


def test_a_test_that_hangs_on_the_host(lab: Lab) -> None:
    ran = lab.run(
        shell_action("host", suite("hangs", "sleep 1000"), timeout=3),
        shell_action("host", suite("after", "lava-test-case ran --result pass")),
        shell_action("a", suite("vm", "lava-test-case x --result pass"), lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("test", 0)
    assert ran.results("after") == {}
    assert ran.results("vm")["x"] == "pass"
    lab.assert_host_is_clean(ran)


def test_a_shell_that_is_killed_by_its_test(lab: Lab) -> None:
    ran = lab.run(
        shell_action(
            "a", suite("kills", "lava-test-case x --result pass", "kill -9 $PPID"), lava_test_dir=lab.roots()
        ),
        vms=[lab.shell_vm("a")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert failure.kind == "test"
    assert "ended early" in failure.message
    assert (
        "1 result until then are kept" in failure.message or "1 result until then is kept" in failure.message
    )


def test_a_vm_that_is_gone_in_mid_test(lab: Lab) -> None:
    ran = lab.run(
        shell_action(
            "a",
            suite(
                "dies",
                "lava-test-case x --result pass",
                "kill -9 $(cut -d' ' -f6 /proc/$$/stat)",
            ),
            lava_test_dir=lab.roots(),
        ),
        vms=[lab.shell_vm("a")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert failure.kind == "test"
    assert failure.node == 1


def test_a_test_that_gives_up(lab: Lab) -> None:
    ran = lab.run(
        shell_action("a", suite("raises", "lava-test-raise no hope left"), lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.failure is not None
    assert ran.ending.failure.kind == "test"
    assert "gave up: no hope left" in ran.ending.failure.message


def test_a_deadlock_is_named_and_ended(lab: Lab) -> None:
    ran = lab.run(
        shell_action(
            "a", suite("one", "lava-wait x || lava-test-case told --result pass"), lava_test_dir=lab.roots()
        ),
        shell_action(
            "b",
            suite("two", "lava-wait-all y a || lava-test-case told --result pass"),
            lava_test_dir=lab.roots(),
        ),
        vms=[lab.shell_vm("a"), lab.shell_vm("b")],
    )

    failure = ran.ending.failure
    assert failure is not None
    assert failure.kind == "test"
    assert "deadlock" in failure.message
    assert "a waits for message 'x'" in failure.message
    assert "b waits for all messages 'y' from a" in failure.message
    assert "host waits for the VMs to end" in failure.message
    assert ran.results("one")["told"] == ran.results("two")["told"] == "pass"
    assert ran.seconds < 60
    lab.assert_host_is_clean(ran)


def test_the_jobs_time_runs_out(lab: Lab) -> None:
    late = 0.0

    def react(fact: Fact) -> None:
        nonlocal late
        if isinstance(fact, SuiteStarted):
            late = 1000.0

    ran = lab.run(
        shell_action("a", suite("long", "sleep 1000"), timeout=None, lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a")],
        deadline=Deadline.after(600, clock=lambda: time.monotonic() + late),
        react=react,
    )

    assert ran.ending.outcome == "incomplete"
    assert ran.ending.failure is not None
    assert "the job's time ran out in the test shell of a, in long" in ran.ending.failure.message
    assert ran.closed() == [1, 0]
    lab.assert_host_is_clean(ran)


# -- the host --------------------------------------------------------------------------------------


def test_a_host_that_refuses_ssh(lab: Lab) -> None:
    lab.board = replace(lab.board, ssh=replace(lab.board.ssh, port=1))
    ran = lab.run(shell_action("a", suite("vm", "true")), vms=[lab.shell_vm("a")])

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("infrastructure", 0)
    assert "the connection was refused" in failure.message
    assert ran.results("lava")["ssh"] == "fail"
    assert ran.ending.clean
    assert ran.closed() == [1, 0]


def test_a_host_with_another_key(lab: Lab) -> None:
    kind, key = lab.board.ssh.host_key.split()
    other = key[:-6] + ("AAAAAA" if key[-6:] != "AAAAAA" else "BBBBBB")
    lab.board = replace(lab.board, ssh=replace(lab.board.ssh, host_key=f"{kind} {other}"))
    ran = lab.run(shell_action("a", suite("vm", "true")), vms=[lab.shell_vm("a")])

    assert ran.ending.failure is not None
    assert "the host key is not the configured one" in ran.ending.failure.message


def test_a_host_that_does_not_take_the_jobs_key(lab: Lab) -> None:
    elsewhere = str(lab.folder / "elsewhere" / "keys")
    lab.board = replace(lab.board, ssh=replace(lab.board.ssh, authorized_keys=elsewhere))
    ran = lab.run(shell_action("a", suite("vm", "true")), vms=[lab.shell_vm("a")])

    assert ran.ending.failure is not None
    assert f"written to {elsewhere} on the host: is that the file that its sshd reads?" in (
        ran.ending.failure.message
    )
    lab.assert_host_is_clean(ran)


def test_a_host_without_the_hypervisor(lab: Lab) -> None:
    lab.vm_types["shell"] = replace(lab.vm_types["shell"], qemu="qemu-system-none")
    ran = lab.run(shell_action("a", suite("vm", "true")), vms=[lab.shell_vm("a", launch_with=())])

    assert ran.ending.failure is not None
    assert ran.ending.failure.kind == "infrastructure"
    assert "qemu-system-none is not installed on board-1" in ran.ending.failure.message
    assert ran.results("lava")["qemu-system-none"] == "fail"


def test_a_host_that_is_lost_in_mid_test_is_not_called_clean_without_proof(lab: Lab) -> None:
    def cut(fact: Fact) -> None:
        if isinstance(fact, SuiteStarted):
            pid = int((Path(lab.server.key_file).parent / "pid").read_text())
            children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
            subprocess.run(["kill", "-9", str(pid), *children.stdout.split()], check=False)

    lab.board = replace(lab.board, cleanup_timeout=3)
    ran = lab.run(shell_action("host", suite("long", "sleep 1000")), vms=[lab.shell_vm("a")], react=cut)

    assert ran.ending.outcome == "incomplete"
    assert ran.ending.failure is not None
    assert ran.ending.failure.kind == "infrastructure"
    assert not ran.ending.clean
    assert "ssh to" in ran.ending.dirt
    assert ran.ending.failure.node == 0


def test_a_host_that_booted_anew_in_mid_test_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Arrival, "boot_id", "of-the-boot-before")

    def cut(fact: Fact) -> None:
        if isinstance(fact, SuiteStarted):
            pid = (Path(lab.server.key_file).parent / "pid").read_text().strip()
            children = subprocess.run(["pgrep", "-P", pid], capture_output=True, text=True, check=False)
            subprocess.run(["kill", "-9", *children.stdout.split()], check=False)

    ran = lab.run(shell_action("host", suite("long", "sleep 1000")), vms=[lab.shell_vm("a")], react=cut)

    failure = ran.ending.failure
    assert failure is not None
    assert (failure.kind, failure.node) == ("infrastructure", 0)
    assert "was lost; board-1 has booted anew in mid-test: it crashed, or was rebooted" in failure.message
    lab.assert_host_is_clean(ran)


def test_what_an_earlier_run_left_is_cleaned_first(lab: Lab) -> None:
    left = lab.folder / "work" / "jobs" / "1"
    left.mkdir(parents=True)
    (left / "handle").write_text("abc\n")
    ran = lab.run(shell_action("host", suite("x", "true")), vms=[lab.shell_vm("a")])

    assert ran.ending.outcome == "complete", ran.ending.failure
    assert "was not cleaned up" in ran.notes()
    lab.assert_host_is_clean(ran)


def test_what_a_test_leaves_in_the_background_is_found_and_ended(lab: Lab) -> None:
    mark = f"labbook-test-{lab.folder.name}"
    ran = lab.run(
        shell_action(
            "host",
            suite(
                "leaves",
                f"setsid env NAME={mark} sleep 1001 >/dev/null 2>&1 </dev/null &",
            ),
        ),
        vms=[lab.shell_vm("a")],
    )

    assert ran.ending.outcome == "complete", ran.ending.failure
    (evidence,) = ran.of(CleanedUp)
    assert any("had to be killed" in check.found for check in evidence.checks)
    lab.assert_host_is_clean(ran)
    assert subprocess.run(["pgrep", "-f", "sleep 1001"], check=False).returncode == 1


def test_a_lost_run_is_cleaned_up_by_its_number_alone(lab: Lab) -> None:
    watching = Watching(supersede_after=20)
    with pytest.raises(Superseded):
        lab.run(
            shell_action("", suite("long", "sleep 1000"), lava_test_dir=lab.roots()),
            vms=[lab.shell_vm("a")],
            watching=watching,
        )
    assert list((lab.folder / "work" / "jobs").iterdir()), "a run that is not ours any more touches nothing"

    evidence = clean_host(lab.board, lab.jobs, Deadline.after(30, "the clean-up"))

    assert evidence.clean, evidence.dirt
    lab.assert_host_is_clean()


def test_two_jobs_share_a_host(lab: Lab, tmp_path: Path) -> None:
    second = Lab(lab.server, lab.folder, ())
    second.jobs = 100
    results = {}

    def go(one: Lab, name: str) -> None:
        results[name] = one.run(
            shell_action("", suite("x", "lava-sync here"), lava_test_dir=lab.roots()), vms=[one.shell_vm("a")]
        )

    threads = [threading.Thread(target=go, args=pair) for pair in ((lab, "one"), (second, "two"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {name: ran.ending.outcome for name, ran in results.items()} == {
        "one": "complete",
        "two": "complete",
    }
    lab.assert_host_is_clean()


def test_a_console_that_prints_too_much_ends_its_node(lab: Lab) -> None:
    class Small(Watching):
        def write(self, node: int, data: bytes) -> int:
            offset = super().write(node, data)
            if offset > 300_000:
                raise ConsoleFull("a has printed more than 300000 bytes, which is all that this lab keeps")
            return offset

    ran = lab.run(
        shell_action("a", suite("prints", "yes | head -c 3000000"), lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a")],
        watching=Small(),
    )

    assert ran.ending.failure is not None
    assert (ran.ending.failure.kind, ran.ending.failure.node) == ("test", 1)
    assert "has printed more than 300000 bytes" in ran.ending.failure.message
    lab.assert_host_is_clean(ran)


# -- cancelling ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moment",
    [
        "connect to board-1",
        "look at the host",
        "the host's test environment",
        "start",
        "bring the tests",
        "long",
    ],
)
def test_a_cancellation_ends_the_run_at_once_whatever_it_does(lab: Lab, moment: str) -> None:
    cancel = Cancellation()
    at: list[float] = []

    def react(fact: Fact) -> None:
        if isinstance(fact, PhaseStarted) and fact.what == moment and not at:
            at.append(time.monotonic())
            cancel.cancel("by bob")

    started = time.monotonic()
    ran = lab.run(
        shell_action("", suite("long", "sleep 1000"), lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a"), lab.shell_vm("b")],
        cancel=cancel,
        react=react,
    )

    assert at, f"it never came to {moment!r}"
    assert ran.ending.outcome == "canceled"
    assert started + ran.seconds - at[0] < 15
    assert ran.closed()[-1] == 0
    assert sorted(ran.closed()) == [0, 1, 2]
    assert all("by bob" in one.reason for one in ran.of(NodeClosed))
    lab.assert_host_is_clean(ran)


def test_a_cancellation_at_the_gate(lab: Lab) -> None:
    cancel = Cancellation()

    def react(fact: Fact) -> None:
        if isinstance(fact, WaitStarted) and fact.kind == "vms":
            cancel.cancel("by bob")

    ran = lab.run(
        shell_action("host", suite("short", "true")),
        shell_action("a", suite("long", "sleep 1000"), lava_test_dir=lab.roots()),
        vms=[lab.shell_vm("a")],
        cancel=cancel,
        react=react,
    )

    assert ran.ending.outcome == "canceled"
    assert ran.closed() == [1, 0]
    lab.assert_host_is_clean(ran)


def test_a_second_deploy_of_an_image_copies_nothing(lab: Lab) -> None:
    big = lab.folder / "big.img"
    big.write_bytes(bytes(510) + b"\x55\xaa" + bytes(200_000))
    deploy = DeployImage(command="deploy_linaro_image", index=0, image=big.as_uri(), role="a")
    first = lab.run(deploy, vms=[lab.shell_vm("a", image="", count=2)])
    second = lab.run(deploy, vms=[lab.shell_vm("a", image="", count=2)])

    def copies(phases: list[str]) -> int:
        return sum("copy big.img" in one for one in phases)

    assert first.ending.outcome == second.ending.outcome == "complete", (first.ending, second.ending)
    assert copies(first.phases(1) + first.phases(2)) == 1
    assert copies(second.phases(1) + second.phases(2)) == 0
    size = big.stat().st_size
    moved = [(one.what, one.done, one.total) for one in first.of(TransferProgressed) if one.ended]
    assert ("fetch big.img", size, size) in moved
    assert ("copy big.img", size, size) in moved
    assert second.of(TransferProgressed) == []
    digest = hashlib.sha256(big.read_bytes()).hexdigest()
    used = [(one.node, one.key, one.url, one.sha256, one.size) for one in second.of(ImageUsed)]
    assert sorted(used) == [(node, "image", big.as_uri(), digest, size) for node in (1, 2)]


def test_the_cache_on_the_host_keeps_its_limit(lab: Lab) -> None:
    lab.board = replace(lab.board, cache_limit=1)
    names = []
    for number in range(3):
        path = lab.folder / f"{number}.img"
        path.write_bytes(bytes(510) + b"\x55\xaa" + bytes([number]) * 600_000)
        ran = lab.run(vms=[lab.shell_vm("a", image=path.as_uri())])
        assert ran.ending.outcome == "complete", ran.ending.failure
        names.append({one.name for one in (lab.folder / "work" / "cache").iterdir()})

    assert [len(one) for one in names] == [1, 1, 1]
    assert names[0] != names[2]


def test_the_worker_leaves_no_connection_behind(lab: Lab) -> None:
    host = ssh.connect(lab.board.ssh, Deadline.after(20))
    host.put(io.BytesIO(b"x"), str(lab.folder / "x"), Deadline.after(20))
    host.close()

    assert [t.name for t in threading.enumerate() if "probe" in t.name or "ask" in t.name] == []
