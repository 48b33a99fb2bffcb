"""Jobs from a terminal: the management commands, and a job followed while it runs."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from jobs import commands, console_log, follow, queries
from jobs.domain.events import (
    AttachmentKept,
    Check,
    CleanedUp,
    Failure,
    GateOpened,
    NodeClosed,
    NoteTaken,
    TransferProgressed,
    WaitEnded,
    WaitStarted,
)
from jobs.harmless import LONGEST_SEQUENCE, Harmless
from jobs.management import cli
from jobs.management.commands import console
from jobs.recorder import Recorder
from lab.kernel.errors import NotFound
from tests.support.jobs import (
    definition,
    make_inventory,
    make_user,
    phase,
    result,
    started,
    submit,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def inventory() -> None:
    make_inventory()


@pytest.fixture
def erika() -> User:
    return make_user()


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "job.json"
    path.write_text(definition("from a file"))
    return str(path)


def run(*arguments: Any, **options: Any) -> str:
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out, **options)
    return out.getvalue()


def refused(*arguments: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return caught.value


def status(*arguments: Any) -> int:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    code = caught.value.code
    assert isinstance(code, int)
    return code


def ended(user: User, outcome: Any = "complete", *facts: Any, failure: Failure | None = None) -> int:
    number, recorder = started(user)
    recorder.record([result("first", measurement="12.5", units="MB/s"), *facts])
    recorder.finish(outcome=outcome, failure=failure)
    return number


# -- submit, validate, resubmit ------------------------------------------------------------------


def test_submit_prints_the_jobs_number(file: str, erika: User) -> None:
    assert run("submit", file, "--user", "erika") == "job 1 submitted\n"
    assert json.loads(run("submit", file, "--user=erika", "--json")) == {"id": 2}
    assert queries.definition_text(2) == definition("from a file")
    assert run("job", 2, "--definition") == definition("from a file")


def test_submit_reads_standard_input(erika: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(definition("piped").encode())))
    run("submit", "-", "--user=erika")
    assert queries.job_snapshot(erika, 1)["name"] == "piped"


def test_the_job_is_for_who_is_named_or_named_like_you_or_the_first_admin(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There is no account that the job could belong to" in str(refused("submit", file))
    assert "There is no account 'max'" in str(refused("submit", file, "--user", "max"))
    make_user("boss", is_superuser=True)
    run("submit", file)
    monkeypatch.setattr(cli, "operator", lambda: "cli:me")
    make_user("me")
    run("submit", file)
    assert [queries.job_snapshot(cli.everything(), n)["submitter"] for n in (1, 2)] == ["boss", "me"]


def test_problems_are_printed_as_compilers_do(tmp_path: Path, erika: User) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("timeout: 0\nvisibility: secret\n")
    for command in (("submit", path, "--user=erika"), ("validate", path)):
        error = refused(*command)
        assert error.returncode == 2
        lines = str(error).splitlines()
        assert f"{path}:1:10: timeout: must be 1 … 86400 seconds, not 0" in lines
        assert any(line.startswith(f'{path}:2:13: visibility: "secret" is not public') for line in lines)


def test_a_file_that_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    assert "No such file" in str(refused("validate", tmp_path / "none"))
    assert "Is a directory" in str(refused("validate", tmp_path))
    path = tmp_path / "latin"
    path.write_bytes(b"a: \xe4")
    error = refused("validate", path)
    assert (error.returncode, "is not UTF-8: byte 3" in str(error)) == (2, True)


def test_validate_says_who_would_be_in_the_group(file: str, tmp_path: Path) -> None:
    assert run("validate", file) == "valid: host (bench), guest (kvm)\n"
    assert json.loads(run("validate", file, "--json"))["nodes"][1]["name"] == "guest"
    odd = json.loads(definition())
    odd["actions"][1]["parameters"]["timeout"] = 1000
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(odd))
    err = io.StringIO()
    run("validate", path, stderr=err)
    assert "longer than the whole job may take" in err.getvalue()
    path.write_text("{}")
    out = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("validate", str(path), "--json", stdout=out)
    assert caught.value.code == 2
    assert not json.loads(out.getvalue())["valid"]


def test_resubmit_runs_a_job_again_as_it_was_or_changed(file: str, erika: User) -> None:
    number = submit(erika)
    assert run("resubmit", number, "--user=erika") == "job 2 submitted\n"
    run("resubmit", number, "--user=erika", "--file", file)
    assert queries.definition_text(2) == queries.definition_text(1)
    assert queries.definition_text(3) == definition("from a file")
    assert "There is no job 99" in str(refused("resubmit", 99, "--user=erika"))


# -- looking -------------------------------------------------------------------------------------


def test_jobs_are_listed_newest_first(erika: User) -> None:
    assert run("jobs") == "There are no jobs yet.\n"
    ended(erika)
    submit(
        erika, definition("second \x1b]0;x\x07one", visibility="private").replace("\\u001b]0;x\\u0007", "")
    )
    table = run("jobs").splitlines()
    assert re.match(r"JOB +STATE +PASS +FAIL +BOARD +SUBMITTER +SUBMITTED \(UTC\) +NAME", table[0])
    assert re.match(r"2 +queued +0 +0 +\(bench\) +erika +\d{4}-\d\d-\d\d \d\d:\d\d +second one", table[1])
    assert re.match(r"1 +complete +1 +0 +alpha +erika", table[2])
    assert [job["id"] for job in json.loads(run("jobs", "--json", "--state", "open"))] == [2]
    assert run("jobs", "--text", "nothing") == "There are no such jobs.\n"


def test_one_job_is_shown_with_nodes_and_results(erika: User) -> None:
    closed = NodeClosed(node=1, reason="its actions are done", ok=True, at=time.time())
    number = ended(erika, "complete", closed, result("second", "fail", set="s"))
    page = run("job", number)
    assert f"job {number}: a job" in page
    assert re.search(r"1\.1 +guest +kvm +closed +its actions are done", page)
    assert "guest  pass     smoke/first  12.5 MB/s" in page
    assert "guest  fail     smoke/s/second" in page
    assert page.rstrip().splitlines()[-1].startswith(f"job {number} complete: 1 passed, 1 failed in ")
    assert json.loads(run("job", number, "--json"))["id"] == number
    events = run("job", number, "--events")
    assert "erika submitted “a job”  [erika]" in events
    assert json.loads(run("job", number, "--events", "--json"))[0]["type"] == "job.submitted"
    assert "There is no job 99" in str(refused("job", 99))
    assert "There is no job 99" in str(refused("job", 99, "--events"))


def test_a_queued_job_is_shown_with_what_it_waits_for(erika: User) -> None:
    started(erika)
    number = submit(erika)
    assert re.search(r"waits +alpha is reserved for job 1", run("job", number))
    again = commands.resubmit_job(number, user=erika, cause="test")
    assert f"job {number} once more" in run("job", again)


def test_cancel_ends_a_job_that_has_not_begun(erika: User) -> None:
    number = submit(erika)
    assert run("cancel", number, "--reason", "wrong image") == f"job {number} is canceled\n"
    assert queries.job_snapshot(erika, number)["cancel"]["reason"] == "wrong image"
    assert run("cancel", number) == f"job {number} had ended already\n"
    running, _ = started(erika)
    assert run("cancel", running) == f"job {running} is being canceled\n"
    assert "There is no job 99" in str(refused("cancel", 99))


# -- following -----------------------------------------------------------------------------------


class Steps:
    """Takes the place of sleeping: each time a follower has seen all, the next thing happens."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = list(steps)

    def __call__(self, seconds: float) -> None:
        assert self._steps, "the follower waits, but nothing more will happen"
        self._steps.pop(0)()


def followed(number: int, user: User, *steps: Callable[[], object], colour: bool = False) -> list[str]:
    out = io.StringIO()
    last = follow.follow(number, user, out, colour=colour, sleep=Steps(*steps))
    assert last["state"] == "finished"
    return out.getvalue().splitlines()


def test_a_job_is_told_as_it_happens(erika: User) -> None:
    busy, other = started(erika)
    number = submit(erika)
    recorder: list[Recorder] = []

    def begin() -> None:
        other.finish(outcome="complete")
        commands.schedule()
        recorder.append(Recorder(number, commands.start_job(number, "worker-1")))

    def moved(done: int, at: float, ended: bool = False) -> TransferProgressed:
        return TransferProgressed(
            node=1, what="copy guest.img", done=done, total=14, rate=1.0, ended=ended, at=at
        )

    def go_on() -> None:
        now = time.time()
        recorder[0].record(
            [
                phase(1, "deploy", "copy guest.img", now),
                *(moved(done, now + done) for done in (0, 3, 11)),
                moved(14, now + 14, ended=True),
                phase(1, "boot", "login", now),
                NoteTaken(node=1, level="warning", text="no KVM: \x1b[2Jemulated", at=now),
                NoteTaken(node=1, level="debug", text="chatter", at=now),
                NoteTaken(node=None, level="info", text="a remark", at=now),
                WaitStarted(node=1, kind="sync", id="up", role="", needs=["host"], at=now),
                WaitEnded(node=1, kind="sync", id="up", ok=False, reason="host is closed", at=now),
            ]
        )

    def end() -> None:
        now = time.time()
        recorder[0].record(
            [
                result("rate", measurement="3", units="MB/s", at=now),
                result("bad", "fail", message="no route", at=now),
                AttachmentKept(
                    node=1, suite="s", case="", name="log", mime="", sha256="0" * 64, size=5, at=now
                ),
                NodeClosed(node=1, reason="done", ok=True, at=now),
                GateOpened(at=now),
                CleanedUp(checks=[Check(what="processes", found="none", ok=True)], clean=True, at=now),
            ]
        )
        recorder[0].finish(outcome="complete")

    lines = followed(number, erika, begin, go_on, end)
    told = [re.sub(r"^ +[0-9.]+ s  ", "", line) for line in lines]
    assert told == [
        "job    queued    erika submitted “a job”",
        f"job    waits     alpha is reserved for job {busy}",
        "job    board     board alpha is reserved",
        "job    runs      worker-1 began to run it",
        "guest  deploy    copy guest.img",
        "guest  moves     copy guest.img, 11 bytes of 14 bytes, 1 bytes/s, 3 s left",
        "guest  moves     copy guest.img, 14 bytes, 1 bytes/s",
        "guest  boot      login",
        "guest  warning   no KVM: \ufffd[2Jemulated",
        "job    note      a remark",
        "guest  wait      sync up ended: host is closed",
        "guest  pass      smoke/rate  3 MB/s",
        "guest  fail      smoke/bad  no route",
        "guest  file      log (5 bytes)",
        "guest  closed    done",
        "job    gate      all VMs are closed: the host goes on",
        "job    clean-up  1 checks, nothing is left",
        "",
        "NODE   RESULT   TEST",
        "guest  pass     smoke/rate  3 MB/s",
        "guest  fail     smoke/bad  no route",
        "",
        told[-1],
    ]
    assert re.fullmatch(rf"job {number} complete: 1 passed, 1 failed in \d+\.\d s", told[-1])


def test_colours_are_for_terminals_only(erika: User, monkeypatch: pytest.MonkeyPatch) -> None:
    number = ended(erika)
    assert any("\x1b[32mpass" in line for line in followed(number, erika, colour=True))
    assert not any("\x1b" in line for line in followed(number, erika))

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert follow.Screen(Terminal()).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not follow.Screen(Terminal()).colour


def test_following_ends_when_nobody_is_there_to_run_jobs(erika: User) -> None:
    number = submit(erika)
    out = io.StringIO()
    last = follow.follow(number, erika, out, alive=lambda: False)
    assert last["state"] == "queued"
    assert out.getvalue().splitlines()[-1] == f"job {number} has not ended: queued"


def test_only_who_may_see_a_job_can_follow_it(erika: User) -> None:
    number = submit(erika, definition(visibility="private"))
    with pytest.raises(NotFound):
        follow.follow(number, make_user("max"), io.StringIO())


FAILURE = Failure(kind="job", message="no shell prompt came", node=1, action="boot")


@pytest.mark.parametrize(
    ("outcome", "facts", "failure", "code", "words"),
    [
        ("complete", [], None, 0, "complete: 1 passed, 0 failed in "),
        ("complete", [result("x", "skip")], None, 0, "complete: 1 passed, 0 failed in "),
        ("complete", [result("x", "fail")], None, 3, "complete: 1 passed, 1 failed in "),
        ("complete", [result("x", "unknown")], None, 3, "complete: 1 passed, 0 failed in "),
        (
            "incomplete",
            [],
            FAILURE,
            4,
            "incomplete: no shell prompt came (node guest, action boot, job error)",
        ),
        ("incomplete", [], Failure(kind="bug", message="x\x1by"), 4, "incomplete: x\ufffdy (bug error)"),
    ],
)
def test_the_last_line_and_the_exit_status_say_how_a_job_ended(
    erika: User, outcome: Any, facts: list[Any], failure: Failure | None, code: int, words: str
) -> None:
    number = ended(erika, outcome, *facts, failure=failure)
    last = queries.job_snapshot(erika, number)
    assert follow.exit_status(last) == code
    assert follow.ending(last).startswith(f"job {number} {words}")


def test_a_canceled_job_says_by_whom_and_why(erika: User) -> None:
    number = submit(erika)
    commands.request_cancel(number, "wrong image", user=erika, cause="test")
    last = queries.job_snapshot(erika, number)
    assert follow.ending(last) == f"job {number} canceled: by erika, wrong image"
    assert follow.exit_status(last) == 5
    silent = submit(erika)
    commands.request_cancel(silent, user=erika, cause="test")
    assert follow.ending(queries.job_snapshot(erika, silent)) == f"job {silent} canceled: by erika"
    assert follow.results(last, follow.Screen(io.StringIO())) == []


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch, erika: User) -> None:
    """Every job has ended with a failed test by the time its number is known."""
    submit_job = commands.submit_job

    def run_at_once(text: str, **options: Any) -> int:
        number = submit_job(text, **options)
        commands.schedule()
        recorder = Recorder(number, commands.start_job(number, "w"))
        recorder.record([result("first", "fail")])
        recorder.finish(outcome="complete")
        return number

    monkeypatch.setattr(commands, "submit_job", run_at_once)


@pytest.mark.usefixtures("at_once")
def test_submit_waits_and_follows_and_exits_with_the_jobs_status(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("submit", file, "--user=erika", "--wait") == 3
    with pytest.raises(SystemExit):
        call_command("submit", file, "--user=erika", "--follow")
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"job 2 complete: 0 passed, 1 failed in \d+\.\d s", lines[-1])
    assert any(line.endswith("guest  fail      smoke/first") for line in lines)
    with pytest.raises(SystemExit):
        call_command("submit", file, "--user=erika", "--follow", "--json")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["type"] == "job.submitted"
    assert rows[-1]["outcome"] == "complete"
    with pytest.raises(SystemExit):
        call_command("resubmit", "1", "--user=erika", "--wait", "--json")
    assert json.loads(capsys.readouterr().out)["counts"]["fail"] == 1


def test_waiting_for_a_job_that_passes_exits_with_0(erika: User) -> None:
    number = ended(erika)
    out = io.StringIO()
    cli.number_and_wait(number, out, {"follow": False, "wait": True, "json": False})
    assert out.getvalue().startswith(f"job {number} complete: 1 passed")


def test_an_interrupted_follower_leaves_the_job_alone(
    erika: User, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = submit(erika)

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(follow, "follow", interrupted)
    with pytest.raises(SystemExit) as caught:
        cli.number_and_wait(number, io.StringIO(), {"follow": True, "wait": False, "json": False})
    assert caught.value.code == 130
    assert f"job {number} goes on" in capsys.readouterr().err
    assert queries.job_snapshot(erika, number)["state"] == "queued"


# -- consoles ------------------------------------------------------------------------------------


def test_a_console_is_printed_to_the_byte(erika: User, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    number, _ = started(erika)
    content = bytes(range(256))
    console_log.append(number, [(1, content, 1.0)])
    for name in ("guest", "1", f"{number}.1"):
        run("console", number, name)
        assert capfdbinary.readouterr().out == content
    run("console", number, "guest", "--offset=-3")
    assert capfdbinary.readouterr().out == content[-3:]
    error = refused("console", number, "gast")
    assert str(error) == f"Job {number} has no node 'gast'. It has host, guest."


def test_a_console_is_followed_to_the_end_of_the_job(erika: User) -> None:
    number, recorder = started(erika)
    console_log.append(number, [(1, b"one ", 1.0)])

    def more() -> None:
        console_log.append(number, [(1, b"two", 2.0)])

    def end() -> None:
        console_log.append(number, [(1, b" three", 2.0)])
        recorder.finish(outcome="complete")

    out = io.BytesIO()
    console.copy_console(number, 1, 0, out, follow=True, clean=False, sleep=Steps(more, end))
    assert out.getvalue() == b"one two three"


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"a\tb\r\nc\x08d", b"a\tb\r\nc\x08d"),
        (b"\x1b[1;31mred\x1b[0m \x1b[m", b"\x1b[1;31mred\x1b[0m \x1b[m"),
        (b"\x1b[2J\x1b[6n\x1b[?25lx\x1b[5;5H", b"x"),
        (b"\x1b]0;title\x07a\x1b]52;c;eA==\x1b\\b\x1bPq\x1b\\c", b"abc"),
        (b"\x1bc\x1b(B\xc2\x9b5nx\x00\x07\x7f", b"5nx"),
        ("grün 😀".encode(), "grün 😀".encode()),
        (b"\xff", "\ufffd".encode()),
    ],
)
def test_on_a_terminal_a_console_is_text_and_colours(printed: bytes, shown: bytes) -> None:
    assert Harmless().feed(printed + b".") == shown + b"."
    torn = Harmless()
    pieces = [torn.feed(bytes([byte])) for byte in printed + b"."]
    assert b"".join(pieces) == shown + b"."


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"\x1b[2J\x1b[3;4Hx\x1b[K\x08\x07", b"\x1b[2J\x1b[3;4Hx\x1b[K\x08\x07"),
        (b"\x1b[?25l\x1b[?1h\x1b=\x1b[1;24r", b"\x1b[?25l\x1b[?1h\x1b=\x1b[1;24r"),
        (b"\x1b[6n\x1b[c\x1b[>0c\x1b[18t\x1b[?6n\x05\x1b[0x\x1bZ", b""),  # questions
        (b"\x1b[?1000h\x1b[?1049h\x1b]52;c;aGk=\x07\x1bP$qm\x1b\\\x1bc", b""),
    ],
)
def test_who_types_sees_the_cursor_move_but_the_terminal_is_asked_nothing(
    printed: bytes, shown: bytes
) -> None:
    assert Harmless(screen=True).feed(printed + b".") == shown + b"."


def test_a_sequence_without_an_end_does_not_hold_the_console_back() -> None:
    clean = Harmless()
    assert clean.feed(b"\x1b]0;" + b"x" * 10) == b""
    assert b"x" in clean.feed(b"x" * LONGEST_SEQUENCE)
