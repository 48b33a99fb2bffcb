"""lava-test-runner and the helpers that report, attach, raise and install, run for real."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from jobs.domain import overlay, testdef
from jobs.domain.patterns import ResultFinder
from jobs.domain.signals import (
    Attached,
    EndRun,
    Output,
    Raised,
    RunnerExited,
    RunnerStarted,
    StartRun,
    TestCase,
    TestSet,
)
from tests.integration.target.lab_side import Lab, Node, definition, shells

NOBODY = 65534


def run(lab: Lab, *steps: str, **options: object) -> Node:
    node = lab.start("server", definition(*steps), **options)  # type: ignore[arg-type]
    lab.run()
    return node


# -- results ---------------------------------------------------------------------------------------


def test_results_in_all_forms(lab: Lab) -> None:
    node = run(
        lab,
        "lava-test-case plain --result PASS",
        "lava-test-case measured --result fail --measurement 12.50 --units 'MB/s >'",
        "lava-test-case order --units s --measurement 3 --result skip",
        "lava-test-case line --shell 'test 1 = 1 | cat; false || true'",
        "lava-test-case words --shell sh -c 'exit 3'",
        "lava-test-case bracket --shell [ -d / ]",
        "lava-test-case exits --shell 'exit 4'",
        "lava-test-case 'a name > with blanks' --result unknown",
        "lava-test-case status --shell false && echo 'still zero'",
    )
    results = node.results("t")
    assert {case: one.result for case, one in results.items()} == {
        "plain": "pass",
        "measured": "fail",
        "order": "skip",
        "line": "pass",
        "words": "fail",
        "bracket": "pass",
        "exits": "fail",
        "a name > with blanks": "unknown",
        "status": "fail",
        "lava-test-shell-run": "pass",
    }
    assert (results["measured"].measurement, results["measured"].units) == ("12.50", "MB/s >")
    assert results["order"].measurement == "3"
    assert results["words"].message == "exit status 3"
    assert "still zero" in node.text


def test_misuse_of_lava_test_case_exits_with_one_and_words(lab: Lab) -> None:
    node = run(
        lab,
        "for words in '' 'only' 'a --shell' 'a --result' 'a --colour red' '--result pass' 'a --units s'",
        "do lava-test-case $words || echo status=$?; done",
        "lava-test-set begin x || echo status=$?",
        "lava-test-raise || echo status=$?",
        "lava-test-case-attach x || echo status=$?",
    )
    assert node.text.count("status=1\n") == 10
    assert "lava-test-case: --result must be specified" in node.text
    assert set(node.results()) == {"lava-test-shell-run"}


def test_sets_hold_the_results_between_start_and_stop(lab: Lab) -> None:
    node = run(
        lab,
        "lava-test-set start 'first set'",
        "lava-test-case a --result pass",
        "lava-test-set stop first",
        "lava-test-case b --result pass",
    )
    assert [one.name for one in node.said(TestSet)] == ["first set", ""]
    assert {case: one.set for case, one in node.results().items()} == {
        "a": "first set",
        "b": "",
        "lava-test-shell-run": "",
    }


def test_a_helper_outside_of_a_test_shell_prints_plain_signals(lab: Lab) -> None:
    node = run(lab, "unset LAVA_STATE; lava-test-case by-hand --result pass; ! lava-sync x")
    assert "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=by-hand RESULT=pass>\n" in node.text
    assert "lava-sync: works only inside a test shell" in node.text
    assert node.results()["by-hand"].result == "pass"


# -- the runner ------------------------------------------------------------------------------------


def test_definitions_run_one_after_the_other_each_in_its_own_folder(lab: Lab) -> None:
    node = lab.start(
        "server",
        definition("cat data.txt", "echo mine >left", "pwd", name="one"),
        definition("cat sub/data.txt; [ ! -e left ]", "echo $TESTRUN_ID $UUID", name="two"),
        files=[
            overlay.OverlayFile(path="data.txt", content=b"the data\n"),
            overlay.OverlayFile(path="sub/data.txt", content=b"more data\n", mode=0o600),
        ],
    )
    lab.run()
    assert [(one.name, one.uuid) for one in node.said(StartRun)] == [("one", "uuid-0"), ("two", "uuid-1")]
    assert [one.name for one in node.said(EndRun)] == ["one", "two"]
    assert len(node.said(RunnerStarted)) == len(node.said(RunnerExited)) == 1
    assert "the data\n" in node.text
    assert "more data\n" in node.text
    assert "two uuid-1\n" in node.text
    assert node.text.rstrip().endswith("<LAVA_TEST_RUNNER>: exiting")
    assert all(one.result == "pass" for one in node.said(TestCase))


def test_two_definitions_of_one_name_have_suites_of_their_own(lab: Lab) -> None:
    node = lab.start("server", definition("true", name="same"), definition("true", name="same"))
    lab.run()
    assert [one.name for one in node.said(StartRun)] == ["same", "same-2"]


def test_a_failing_step_ends_its_definition_and_is_a_result(lab: Lab) -> None:
    node = run(
        lab, "lava-test-case before --result pass", "sh -c 'exit 7'", "lava-test-case after --result pass"
    )
    results = node.results()
    assert set(results) == {"before", "lava-test-shell-run"}
    assert (results["lava-test-shell-run"].result, results["lava-test-shell-run"].message) == (
        "fail",
        "exit status 7",
    )


def test_a_failing_installation_skips_that_definition_only(lab: Lab) -> None:
    node = lab.start(
        "server",
        definition("lava-test-case never --result pass", name="bad", install=["echo installing", "exit 5"]),
        definition("lava-test-case fine --result pass", name="good", install=["true"]),
    )
    lab.run()
    bad, good = node.results("bad"), node.results("good")
    assert {case: one.result for case, one in bad.items()} == {"lava-test-shell-install": "fail"}
    assert bad["lava-test-shell-install"].message == "exit status 5"
    assert {case: one.result for case, one in good.items()} == {
        "lava-test-shell-install": "pass",
        "fine": "pass",
        "lava-test-shell-run": "pass",
    }


def test_parameters_reach_the_steps_as_they_are(lab: Lab) -> None:
    nasty = 'it\'s "$(id)" `id` $HOME \\ * ü'
    text = definition(
        'printf "[%s][%s][%s]\\n" "$NASTY" "$FLAG" "$NUMBER"',
        "sh -c 'echo exported $ADDED'",
        extra="params:\n  NASTY: default\n  FLAG: false\n  NUMBER: 1.10\n",
    )
    node = lab.start("server", text, parameters={"NASTY": nasty, "ADDED": "one\ntwo"})
    lab.run()
    assert f"[{nasty}][false][1.10]\n" in node.text
    assert "exported one two\n" in node.text


def test_the_locale_of_the_system_is_that_of_the_test(lab: Lab) -> None:
    node = run(
        lab,
        'echo "steps=$LC_ALL."',
        "lava-test-case locale --shell '[ \"$LC_ALL\" = C.UTF-8 ]'",
        env={"LC_ALL": "C.UTF-8"},
    )
    assert "steps=C.UTF-8." in node.text
    assert node.results()["locale"].result == "pass"


def test_nothing_echoes_while_tests_run_and_the_terminal_is_put_back(lab: Lab) -> None:
    node = lab.start("server", definition("lava-wait x; stty -a <$LAVA_TTY"), then="stty -a")
    lab.run_until(lambda: "LAVA_WAIT x" in node.text)
    node.to_type += b"typed by somebody\n"
    lab.run_until(lambda: not node.to_type)
    lab.start("client", definition("lava-send x"))
    lab.run()
    during, after = node.text.split("exiting")
    assert "typed by somebody" not in node.text
    assert "LAVA_ANSWER" not in node.text
    assert "-echo" in during.split()
    assert "echo" in after.split()


def test_a_test_that_reads_its_input_finds_none_and_does_not_hang(lab: Lab) -> None:
    node = run(lab, "if read -r line; then echo got; else echo nothing; fi", "cat")
    assert "nothing\n" in node.text


def test_ctrl_c_ends_a_hanging_test_and_the_runner_with_it(lab: Lab) -> None:
    node = lab.start("server", definition("echo hanging", "sleep 1000"))
    lab.run_until(lambda: "hanging" in node.text)
    # A shell that is just about to start a command may swallow the first one.
    pressed = 0.0

    def press_until_it_ends() -> bool:
        nonlocal pressed
        if time.monotonic() > pressed + 0.5 and not node.exited:
            node.to_type += b"\x03"
            pressed = time.monotonic()
        return node.exited

    lab.run_until(press_until_it_ends, 20)
    assert len(node.said(RunnerExited)) == 1
    assert node.process.returncode != 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_killing_the_shell_ends_the_runner_with_its_last_words(lab: Lab, number: signal.Signals) -> None:
    node = lab.start("server", definition("echo hanging", "sleep 1000"))
    lab.run_until(lambda: "hanging" in node.text)
    os.killpg(node.process.pid, number)
    lab.run(20)
    assert len(node.said(RunnerExited)) == 1


def test_a_runner_that_is_killed_hard_takes_its_helpers_along(lab: Lab) -> None:
    node = lab.start("server", definition("echo hanging", "lava-wait never"))
    lab.run_until(lambda: "LAVA_WAIT never" in node.text)
    children = subprocess.run(
        ["pgrep", "-g", str(node.process.pid), "-f", "run.sh"], capture_output=True, text=True, check=True
    ).stdout.split()
    os.kill(node.process.pid, signal.SIGKILL)
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    # The pty hangs up with its session leader: the helpers left over must end by themselves.
    lab.run(20)
    assert node.process.returncode == -signal.SIGKILL


def test_a_turn_that_was_lost_with_a_killed_helper_comes_round_again(lab: Lab) -> None:
    node = run(
        lab,
        "lava-test-case before --result pass",
        "sh -c 'read -r turn <>\"$LAVA_STATE/turn\"; kill -KILL $$' || true",
        "lava-test-case after --result pass",
    )
    assert set(node.results()) == {"before", "after", "lava-test-shell-run"}


def test_files_of_requests_that_are_done_are_removed_while_the_test_runs(lab: Lab) -> None:
    node = run(
        lab,
        "for number in 1 2 3 4 5 6 7 8 9 10 11 12; do lava-send m$number a=b; done",
        "tries=0",
        "while ls $LAVA_STATE/pending.* >/dev/null 2>&1 && [ $tries -lt 200 ]; do",
        "  tries=$((tries + 1)); sleep 0.1 2>/dev/null || sleep 1; done",
        'echo "left: $(cd $LAVA_STATE && echo pending.* text.*)."',
    )
    assert "left: pending.* text.*." in node.text
    assert set(node.results()) == {"lava-test-shell-run"}


def test_raising_ends_the_shell_with_the_reason(lab: Lab) -> None:
    node = lab.start(
        "server",
        definition("lava-test-raise 'no network > at all' || true", "exit 1", name="one"),
        definition("lava-test-case never --result pass", name="two"),
    )
    lab.run()
    assert [one.message for one in node.said(Raised)] == ["no network > at all"]
    assert [one.name for one in node.said(StartRun)] == ["one"]
    assert len(node.said(RunnerExited)) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("name", ["dash", "busybox", "bash"])
def test_an_ordinary_user_with_an_overlay_that_cannot_be_written(name: str) -> None:
    def lock(top: Path) -> None:
        for path in [top, *top.rglob("*")]:
            path.chmod(path.stat().st_mode & 0o555)

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        lab = Lab(folder / "lab", shells(folder)[name])
        steps = ["lava-test-case fine --result pass", "lava-send x a=1", "lava-wait x", "id -u"]
        try:
            node = lab.start("server", definition(*steps), user=NOBODY, prepare=lock)
            lab.run()
        finally:
            lab.stop()
        assert "65534\n" in node.text
        results = {case: one.result for case, one in node.results().items()}
        assert results == {"fine": "pass", "lava-test-shell-run": "pass"}
        for other in ("/run", "/dev/shm", "/tmp", "/var/tmp"):
            assert not list(Path(other).glob(f"lava-state.{node.process.pid}"))


def test_patterns_find_results_in_what_a_test_prints(lab: Lab) -> None:
    text = definition(
        "echo 'disk: OK 12.5 MB/s'",
        "echo 'net: BROKEN'",
        extra="parse:\n  pattern: '(?P<test_case_id>\\w+): (?P<result>[A-Z]+)"
        "( (?P<measurement>\\S+) (?P<units>\\S+))?'\n"
        "  fixupdict: {OK: pass, BROKEN: fail}\n",
    )
    node = lab.start("server", text)
    lab.run()
    finder = ResultFinder(testdef.parse(text).pattern)
    found = [result for one in node.said(Output) if (result := finder.search(one.text))]
    assert [(one.case, one.result, one.measurement, one.units) for one in found] == [
        ("disk", "pass", "12.5", "MB/s"),
        ("net", "fail", None, ""),
    ]


# -- files -----------------------------------------------------------------------------------------


def test_files_are_attached_to_cases_and_runs_byte_for_byte(lab: Lab) -> None:
    content = os.urandom(40_000) + b"\0\n<LAVA_SIGNAL_STARTTC x>\n"
    node = lab.start(
        "server",
        definition(
            "lava-test-case-attach 'a case' data.bin application/x-thing",
            "lava-test-run-attach empty",
            "lava-test-run-attach 'a name.log' text/plain",
            "! lava-test-run-attach missing",
            "! lava-test-case-attach case /",
        ),
        files=[
            overlay.OverlayFile(path="data.bin", content=content),
            overlay.OverlayFile(path="empty", content=b""),
            overlay.OverlayFile(path="a name.log", content=b"text\n"),
        ],
    )
    lab.run()
    found = [(one.suite, one.case, one.name, one.mime, one.content) for one in node.said(Attached)]
    assert found == [
        ("t", "a case", "data.bin", "application/x-thing", content),
        ("t", "", "empty", "application/octet-stream", b""),
        ("t", "", "a name.log", "text/plain", b"text\n"),
    ]
    assert "lava-test-run-attach: there is no file missing" in node.text
    assert node.results()["lava-test-shell-run"].result == "pass"


def test_a_file_survives_a_console_that_loses_characters(lab: Lab) -> None:
    content = os.urandom(30_000)
    count = 0

    def lossy(data: bytes) -> bytes:
        nonlocal count
        out = bytearray()
        for byte in data:
            count += 1
            if count % 5003:
                out.append(byte)
        return bytes(out)

    lab.noise["server"] = lossy
    node = lab.start(
        "server",
        definition("lava-test-run-attach data.bin"),
        files=[overlay.OverlayFile(path="data.bin", content=content)],
    )
    lab.run()
    assert [hashlib.sha256(one.content).hexdigest() for one in node.said(Attached)] == [
        hashlib.sha256(content).hexdigest()
    ]


def test_a_file_beyond_the_limit_is_left_out_with_a_word(lab: Lab) -> None:
    node = run(lab, "truncate -s 26214401 big", "lava-test-run-attach big && echo 'exit zero'", "rm big")
    assert "big has 26214401 bytes, more than the 25 MiB an attachment may have: it is not sent" in node.text
    assert "exit zero" in node.text
    assert not node.said(Attached)


# -- background processes --------------------------------------------------------------------------


def test_a_background_process_is_stopped_with_all_its_children_and_its_files_kept(lab: Lab) -> None:
    node = run(
        lab,
        "lava-background-process-start log --cmd 'echo begun >out.log; while :; do sleep 1; done | cat'",
        "until [ -s out.log ]; do sleep 1; done",
        "lava-background-process-start log --cmd true || echo refused",
        "lava-background-process-stop log --attach out.log text/plain --attach out.log",
        "lava-background-process-stop log || echo gone",
        "lava-background-process-start '../x' --cmd true || echo bad name",
    )
    assert "refused\n" in node.text
    assert "gone\n" in node.text
    assert "bad name\n" in node.text
    assert [(one.mime, one.content) for one in node.said(Attached)] == [
        ("text/plain", b"begun\n"),
        ("application/octet-stream", b"begun\n"),
    ]


# -- packages --------------------------------------------------------------------------------------


def fake(folder: Path, name: str, body: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / name
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)


def test_packages_are_installed_with_what_the_system_has_and_failures_are_retried(lab: Lab) -> None:
    tools, log = lab.folder / "tools", lab.folder / "log"
    fake(tools, "apt-get", f'echo "$@" >>{log}; [ "$1" = update ] || [ "$(wc -l <{log})" -gt 3 ]')
    fake(tools, "id", "echo 0")
    text = definition("true", extra="install:\n  deps: [net-tools, 'a b']\n")
    node = lab.start("server", text, env={"PATH": f"{tools}:{lab.shell.path}", "LAVA_RETRY": "0.1"})
    lab.run()
    assert node.results()["lava-test-shell-install"].result == "pass"
    assert log.read_text().splitlines() == ["update -q", "install -q -y net-tools a b"] * 2
    assert "could not install net-tools a b; trying again" in node.text


def test_packages_that_are_installed_need_no_network(lab: Lab) -> None:
    tools, log = lab.folder / "tools", lab.folder / "log"
    fake(tools, "apt-get", f'echo "$@" >>{log}')
    fake(tools, "dpkg-query", 'for last; do :; done; [ "$last" = absent ] || printf "installed "')
    fake(tools, "id", "echo 0")
    env = {"PATH": f"{tools}:{lab.shell.path}"}
    node = lab.start("server", definition("true", extra="install: {deps: [one, -y, two]}\n"), env=env)
    lab.run()
    assert node.results()["lava-test-shell-install"].result == "pass"
    assert not log.exists()
    lab.nodes.clear()
    lab.start("server", definition("true", extra="install: {deps: [one, absent]}\n"), env=env)
    lab.run()
    assert log.read_text().splitlines()[-1] == "install -q -y one absent"


def test_a_reference_is_a_result_with_the_place_of_its_evidence(lab: Lab) -> None:
    url = "https://archive.example/log file.txt?a=b"
    node = run(
        lab,
        "lava-test-set start logs",
        f"lava-test-reference upload --result pass --reference '{url}'",
        "lava-test-set stop",
        "lava-test-reference upload --result pass || echo refused",
    )
    found = node.results()["upload"]
    assert (found.result, found.set, found.message) == ("pass", "logs", url)
    assert "usage: lava-test-reference" in node.text
    assert "refused\n" in node.text


def test_a_node_knows_the_address_that_others_reach_it_at(lab: Lab) -> None:
    node = run(lab, 'echo "at=$(lava-target-ip)."')
    assert re.search(r"at=(\d+\.\d+\.\d+\.\d+)?\.\n", node.text)


def test_a_system_without_a_package_manager_fails_that_installation_with_words(lab: Lab) -> None:
    tools = lab.folder / "tools"
    fake(tools, "id", "echo 0")
    kept = ["sh", "ash", "rm", "sed", "sleep", "mkfifo", "mkdir", "stty", "tty", "cat", "kill", "fold", "od"]
    for name in kept:
        found = shutil.which(name, path=lab.shell.path)
        if found:
            (tools / name).symlink_to(found)
    text = definition("true", extra="install:\n  deps: [sed, no-such-thing]\n")
    node = lab.start("server", text, env={"PATH": str(tools), "LAVA_RETRY": "0.1"})
    lab.run()
    assert node.results()["lava-test-shell-install"].result == "fail"
    assert "cannot install no-such-thing: this system has none of apt-get, dnf" in node.text


def test_skip_install_and_distributions(lab: Lab) -> None:
    tools, log = lab.folder / "tools", lab.folder / "log"
    for name in ("apt-get", "apt-key", "add-apt-repository"):
        fake(tools, name, f'echo {name} "$@" >>{log}')
    fake(tools, "id", "echo 0")
    text = definition(
        "true",
        extra="install:\n  keys: [ABCD]\n  sources: ['ppa:x/y']\n  deps: [one]\n"
        "  deps-debian: [two]\n  deps-other: [three]\n"
        "  steps: ['echo steps']\n",
    )
    env = {"PATH": f"{tools}:{lab.shell.path}"}
    node = lab.start("server", text, env=env)
    lab.run()
    said = log.read_text()
    assert "--recv-keys ABCD" in said
    assert "add-apt-repository -y ppa:x/y" in said
    assert "install -q -y one" in said
    assert ("install -q -y two" in said) == ("debian" in Path("/etc/os-release").read_text())
    assert "three" not in said
    assert "steps\n" in node.text
    log.unlink()
    lab.nodes.clear()
    node = lab.start("server", text, env=env, skip_install="keys, sources,deps")
    lab.run()
    assert not log.exists()
    assert "steps\n" in node.text
    lab.nodes.clear()
    node = lab.start("server", text, env=env, skip_install="all")
    lab.run()
    assert "lava-test-shell-install" not in node.results()


def test_what_the_system_is_and_has_can_be_asked(lab: Lab) -> None:
    node = run(lab, 'echo "os=$(lava-os-build)."', "lava-installed-packages | head -n 1", "lava-add-keys")
    assert "os=." not in node.text
    assert node.results()["lava-test-shell-run"].result == "pass"
