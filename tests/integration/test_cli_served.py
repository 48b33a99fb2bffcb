"""The ``labbook`` command against a lab that is served, as from another machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobs import commands, console_log, hand_commands, queries
from jobs.hooks.models import HookMessage
from jobs.recorder import Recorder
from lab.tokens.models import make_token
from tests.support.databases import Database
from tests.support.forking import ROOT
from tests.support.hands import running, until
from tests.support.jobs import definition, make_inventory, make_user, phase, result, submit
from tests.support.web import WebServer
from tests.support.windows import Window


class Terminal:
    """Runs the command as a user, with no Django in its environment."""

    def __init__(self, server: WebServer, user: User, folder: Path) -> None:
        kept = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")
        self.environment = {name: os.environ[name] for name in kept if name in os.environ} | {
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "LABBOOK_URL": f"http://127.0.0.1:{server.port}",
            "LABBOOK_TOKEN": make_token(user, "terminal"),
        }
        self.folder = folder

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "lab.cli", *words],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, stdin: str = "", **environment: str) -> tuple[int, str, str]:
        """Return the exit status, what it printed, and what it complained of."""
        with self.start(*words, **environment) as process:
            out, err = process.communicate(stdin, timeout=90)
        return process.returncode, out, err

    def window(self, *words: str) -> Window:
        """Start it at a terminal at which somebody types."""
        return Window([sys.executable, "-m", "lab.cli", *words], self.folder, self.environment)

    def told(self, *words: str) -> Any:
        status, out, err = self.run(*words, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)


@pytest.fixture
def terminal(sqlite_database: Database, tmp_path: Path) -> Iterator[Terminal]:
    make_inventory("alpha")
    with WebServer(sqlite_database.url, tmp_path / "web.log") as server:
        yield Terminal(server, make_user(), tmp_path)


def begin(number: int) -> Recorder:
    assert [one.job for one in commands.schedule()] == [number]
    recorder = Recorder(number, commands.start_job(number, "worker-1"))
    recorder.record([phase(1, "test", "smoke")])
    return recorder


def test_a_job_from_its_definition_to_its_end(terminal: Terminal) -> None:
    job = terminal.folder / "job.json"
    job.write_text(definition("from afar"))
    assert terminal.run("validate", "job.json")[:2] == (0, "valid: host (bench), guest (kvm)\n")
    status, out, err = terminal.run("submit", "job.json", "--key", "nightly-7")
    assert (status, err) == (0, "")
    assert out.startswith("job 1 submitted: http://127.0.0.1:")
    assert terminal.told("submit", "job.json", "--key", "nightly-7")["id"] == 1
    recorder = begin(1)
    console_log.append(1, [(1, b"login:\n", 100.0)])
    with terminal.start("follow", "1") as following, terminal.start("wait", "1") as waiting:
        recorder.record([result("boots"), result("breaks", "fail")])
        recorder.finish(outcome="complete")
        shown, _ = following.communicate(timeout=90)
        quiet, _ = waiting.communicate(timeout=90)
    assert (following.returncode, waiting.returncode) == (3, 3)
    *_, ending = shown.splitlines()
    assert ending.startswith("job 1 complete: 1 passed, 1 failed in ")
    assert "smoke/breaks" in shown
    assert "\x1b" not in shown
    assert quiet.strip() == ending
    assert terminal.run("console", "1", "guest")[:2] == (0, "login:\n")
    assert terminal.run("console", "1", "1", "--offset", "-3", "--follow")[:2] == (0, "n:\n")
    nobody = terminal.run("console", "1", "none")
    assert (nobody[0], nobody[2]) == (1, "Job 1 has no node 'none'. It has host, guest.\n")
    assert terminal.run("show", "1", "--definition")[1] == job.read_text()
    assert "job 1: from afar" in terminal.run("show", "1")[1]
    assert terminal.told("show", "1", "--events")[0]["type"] == "job.submitted"
    assert [one["id"] for one in terminal.told("list", "--state", "finished")] == [1]
    assert terminal.run("cancel", "1")[1] == "job 1 had ended already\n"
    assert terminal.told("resubmit", "1", "--same-board")["id"] == 2
    with terminal.start("submit", "-", "--wait") as submitting:
        assert submitting.stdin is not None
        submitting.stdin.write(definition("short"))
        submitting.stdin.close()
        submitting.stdin = None
        canceled = terminal.run("cancel", "2", "--reason", "a mistake")
        assert canceled[:2] == (0, "job 2 is canceled\n")
        with terminal.start("wait", "2") as second:
            assert second.communicate(timeout=90)[0] == "job 2 canceled: by erika, a mistake\n"
        assert second.returncode == 5
        while not queries.job_list(User.objects.get(), {"text": "short"}):
            assert submitting.poll() is None
        assert terminal.run("cancel", "3")[0] == 0
        assert "job 3 canceled" in submitting.communicate(timeout=90)[0]
    assert submitting.returncode == 5


def test_webhooks_are_made_and_handled(terminal: Terminal) -> None:
    assert terminal.run("webhooks")[1] == "You have no webhooks.\n"
    status, out, err = terminal.run(
        "webhooks", "make", "builds", "https://hook.test/x", "--type", "job.*", "--job-name", "nightly*"
    )
    assert (status, err) == (0, "")
    assert out.startswith("webhook 1 made. Its secret, shown this once:\nwhsec_")
    assert "https://hook.test/x" in terminal.run("webhooks")[1]
    assert "only     job_name nightly*" in terminal.run("webhooks", "show", "1")[1]
    assert terminal.told("webhooks", "off", "1")["state"] == "off"
    assert terminal.run("webhooks", "on", "1", "--skip")[1] == "webhook 1 is on; 0 messages wait\n"
    sent = terminal.told("webhooks", "test", "1")
    assert sent["type"] == "webhook.test"
    assert sent["id"] in terminal.run("webhooks", "messages", "1")[1]
    HookMessage.objects.update(state="failed", due=None)
    assert terminal.run("webhooks", "messages", "1", "--state", "failed")[0] == 1
    assert terminal.run("webhooks", "again", "1", sent["id"])[0] == 0
    assert terminal.run("webhooks", "secret", "1")[1].startswith("whsec_")
    assert terminal.run("webhooks", "remove", "1")[1] == "webhook 1 is gone\n"
    assert terminal.run("webhooks", "show", "1")[::2] == (1, "You have no webhook 1.\n")
    refused = terminal.run("webhooks", "make", "x", "ftp://x/")
    assert refused[0] == 1
    assert "must be an http" in refused[2]


def test_tokens_are_made_and_revoked(terminal: Terminal) -> None:
    assert "terminal  read, submit, admin, account" in terminal.run("tokens")[1]
    status, out, err = terminal.run("tokens", "make", "nightly builds", "--scope", "submit", "--days", "30")
    assert (status, err) == (0, "")
    head, secret = out.splitlines()
    assert head.startswith("token 2 made, for submit, good until 20")
    assert secret.startswith("labbook_")
    refused = terminal.run("list", LABBOOK_TOKEN=secret)
    assert refused[::2] == (1, "This token is not for that: it lacks the scope read.\n")
    assert terminal.told("tokens", "make", "reader")["scopes"] == ["read"]
    assert terminal.run("tokens", "revoke", "2")[1] == "token 2 opens nothing any more\n"
    assert terminal.run("tokens", "revoke", "2")[::2] == (1, "You have no token 2.\n")
    assert "not valid" in terminal.run("list", LABBOOK_TOKEN=secret)[2]
    assert {one["name"] for one in terminal.told("tokens")} == {"terminal", "reader"}
    assert terminal.run("tokens", "make", "x", "--days", "0")[0] == 1


def test_views_are_kept_and_filter_the_list(terminal: Terminal) -> None:
    assert terminal.run("views")[1] == "You have no saved views.\n"
    for name in ("green", "blue"):
        submit(User.objects.get(), definition(name))
    assert terminal.run("cancel", "1")[0] == 0
    assert terminal.run("views", "keep", "given up", "--state", "canceled")[0] == 0
    assert terminal.told("views", "keep", "old first", "--q", "blue", "--sort", "oldest")["filters"] == {
        "q": "blue",
        "sort": "oldest",
    }
    assert "given up   state canceled" in terminal.run("views")[1]
    assert [one["id"] for one in terminal.told("list", "--view", "given up")] == [1]
    assert [one["id"] for one in terminal.told("list", "--view", "given up", "--state", "open")] == [2]
    assert [one["id"] for one in terminal.told("list", "--view", "old first")] == [2]
    assert terminal.run("list", "--view", "none")[::2] == (1, "You have no view 'none'.\n")
    assert terminal.run("views", "keep", "all")[0] == 1
    assert terminal.run("views", "forget", "given up")[1] == "view 'given up' is forgotten\n"
    assert terminal.run("views", "forget", "given up")[0] == 1


def test_a_node_is_typed_on(terminal: Terminal) -> None:
    user = User.objects.get()
    with running(user) as job:
        status, out, err = terminal.run("type", "1", "guest", "ls /", "--ctrl", "c", "--show", "1")
        assert (status, out, err) == (0, "\x03ls /\n", "")
        assert bytes(job.console.typed) == b"\x03ls /\r"
        assert job.row.keyboards == []
        assert terminal.run("type", "1", "guest", "-", stdin="one\ntwo\n")[0] == 0
        until(lambda: bytes(job.console.typed).endswith(b"one\rtwo\r"))
        status, out, err = terminal.run("keyboard", "1", "guest")
        assert (status, err) == (1, "This is no terminal. From a script: labbook type JOB NODE TEXT\n")
        assert terminal.run("type", "1", "host", "x")[0] == 1, "nobody can type there"
        job.writer.write(1, b"\x1b[6n\x1b[2Jlogin: ")
        window = terminal.window("keyboard", "1", "guest")
        try:
            window.until(b"Ctrl-] gives it back")
            window.until(b"\x1b[2Jlogin: ")
            assert b"\x1b[6n" not in window.seen, "the terminal would answer, and that be typed"
            os.write(window.end, b"root\r")
            window.until(b"root")
            until(lambda: bytes(job.console.typed).endswith(b"root\r"))
            assert [one["user"] for one in job.row.keyboards] == ["erika"]
            os.write(window.end, b"\x1d")
            window.until(b"given back")
            assert window.process.wait(20) == 0
        finally:
            window.close()
        assert job.row.keyboards == []
        window = terminal.window("keyboard", "1", "1")
        try:
            window.until(b"Ctrl-] gives it back")
            hand_commands.give_keyboard(1, 1, reason="enough", user=user, cause="web")
            window.until(b"given back or taken away")
            assert window.process.wait(20) == 1
        finally:
            window.close()


def test_what_goes_wrong_is_said_and_told_apart_by_the_exit_status(terminal: Terminal) -> None:
    bad = terminal.folder / "bad.yaml"
    bad.write_text("job_name: x\ntimeout: soon\n")
    for command in ("submit", "validate"):
        status, out, err = terminal.run(command, "bad.yaml")
        assert (status, out) == (2, "")
        assert "bad.yaml:2:10: timeout: " in err
    status, _, err = terminal.run("submit", "none.yaml")
    assert (status, err) == (1, "none.yaml cannot be read: No such file or directory.\n")
    status, _, err = terminal.run("show", "77")
    assert (status, err) == (1, "There is no job 77, or you may not see it.\n")
    status, _, err = terminal.run("list", LABBOOK_TOKEN="labbook_old")
    assert status == 1
    assert "This token is not valid (any more). Make one on http://127.0.0.1:" in err
    assert "BOARD" in terminal.run("boards")[1]
    assert [(one["name"], one["state"]) for one in terminal.told("boards")] == [("alpha", "free")]
    assert "state    free" in terminal.run("boards", "alpha")[1]
    assert terminal.run("boards", "beta")[::2] == (1, "There is no board 'beta'.\n")
    assert terminal.run("list")[1] == "There are no jobs yet.\n"
