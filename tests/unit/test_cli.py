"""The ``labbook`` command without a lab: whom it talks to, what it tells, how it takes bad answers."""

from __future__ import annotations

import ast
import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from lab.cli import api, commands, keyboard, main
from lab.cli.api import Api
from lab.cli.failing import INVALID, Failed, Unreachable
from lab.cli.settings import Access, access

ROOT = Path(__file__).resolve().parents[2]
HERE = Access(url="http://lab.test", token="labbook_x")


def kept(folder: Path, text: str, mode: int = 0o600) -> dict[str, str]:
    file = folder / "labbook.toml"
    file.write_text(text)
    file.chmod(mode)
    return {"XDG_CONFIG_HOME": str(folder)}


def lab(answer: Callable[[httpx.Request], httpx.Response]) -> Api:
    return Api(HERE, transport=httpx.MockTransport(answer), sleep=lambda seconds: None)


def test_the_environment_says_more_than_the_file(tmp_path: Path) -> None:
    environment = kept(tmp_path, 'url = "https://one.test/"\ntoken = "labbook_one"\n')
    assert access(environment) == Access(url="https://one.test", token="labbook_one")
    assert access(environment | {"LABBOOK_TOKEN": "labbook_two"}).token == "labbook_two"
    assert access({"HOME": str(tmp_path / "none")}) == Access(url="http://127.0.0.1:8000", token="")
    assert "labbook_one" not in repr(access(environment))


def test_the_token_of_the_file_is_for_the_lab_of_the_file_only(tmp_path: Path) -> None:
    environment = kept(tmp_path, 'url = "https://one.test"\ntoken = "labbook_one"\n')
    assert access(environment | {"LABBOOK_URL": "https://other.test"}).token == ""
    assert access(environment, "https://other.test").token == ""
    assert access(environment, "https://one.test/").token == "labbook_one"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_token_that_others_may_read_is_not_used(tmp_path: Path, mode: int) -> None:
    environment = kept(tmp_path, 'token = "labbook_one"', mode)
    with pytest.raises(Failed, match="chmod 600"):
        access(environment)
    assert access(kept(tmp_path, 'url = "https://one.test"', mode)).url == "https://one.test"


@pytest.mark.parametrize("text", ["token = 7", 'tokn = "x"', "url =", 'url = "lab.test"'])
def test_what_the_file_says_wrong_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(Failed, match=r"labbook\.toml|begins with http"):
        access(kept(tmp_path, text))


def test_refusals_are_told_in_the_words_of_the_lab() -> None:
    problem = {"path": "timeout", "line": 3, "column": 5, "message": "must be a number", "hint": "60"}
    refusal = {"type": "urn:labbook:problem:invalid-definition", "detail": "…", "problems": [problem]}
    with pytest.raises(Failed) as invalid:
        lab(lambda request: httpx.Response(400, json=refusal)).post("jobs/", "x", source="job.yaml")
    assert str(invalid.value) == "job.yaml:3:5: timeout: must be a number (60)"
    assert invalid.value.status == INVALID
    with pytest.raises(Failed, match=r"no token\. Make one on http://lab\.test/profile/"):
        lab(lambda request: httpx.Response(401, json={"detail": "There is no token."})).get("jobs/")
    with pytest.raises(Failed, match="404 Not Found: is that the lab's address"):
        lab(lambda request: httpx.Response(404, text="<html>")).get("jobs/")
    with pytest.raises(Failed, match="is no Labbook"):
        lab(lambda request: httpx.Response(200, text="<html>")).get("jobs/")
    with pytest.raises(Failed, match="red"):
        lab(lambda request: httpx.Response(409, json={"detail": "\x1b[31mred"})).get("jobs/")


def test_a_lab_that_restarts_is_waited_for_and_the_same_job_asked_for_with_the_same_key() -> None:
    keys = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadTimeout("no answer", request=request)
        return httpx.Response(503) if len(keys) == 2 else httpx.Response(201, json={"id": 7})

    assert lab(answer).post("jobs/", "x", key="k") == {"id": 7}
    assert keys == ["k", "k", "k"]


def test_a_lab_that_was_never_there_is_not_waited_for() -> None:
    asked = []

    def nobody(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ConnectError("Connection refused", request=request)

    with pytest.raises(Unreachable, match="cannot be reached: Connection refused"):
        lab(nobody).patiently("GET", "jobs/")
    assert len(asked) == 1


def test_patience_ends() -> None:
    now = [0.0]

    def later(seconds: float) -> None:
        now[0] += seconds

    gone = httpx.MockTransport(lambda request: httpx.Response(502))
    with pytest.raises(Unreachable, match="502"):
        Api(HERE, transport=gone, sleep=later, clock=lambda: now[0]).patiently("GET", "jobs/")
    assert now[0] >= api.PATIENCE


def test_the_token_goes_to_no_address_that_an_answer_names() -> None:
    hosts = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        more = None if "before" in request.url.params else "http://evil.test/api/v1/jobs/?before=3&limit=1"
        return httpx.Response(200, json={"jobs": [{"id": len(hosts)}], "next": more})

    assert [one["id"] for one in lab(answer).pages("jobs/", "jobs", limit=1)] == [1, 2]
    assert hosts == ["lab.test", "lab.test"]


@pytest.mark.parametrize("words", [["submit"], ["show", "x"], ["nothing"], ["show", "1" * 30], []])
def test_a_command_line_that_is_wrong_is_no_invalid_definition(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(words)
    assert ended.value.code == 1
    assert "usage: labbook" in capsys.readouterr().err


def test_the_command_is_part_of_the_package() -> None:
    assert 'labbook = "lab.cli.main:main"' in (ROOT / "pyproject.toml").read_text()
    assert any(
        isinstance(node, ast.FunctionDef) and node.name == "main"
        for node in ast.parse((ROOT / "lab/cli/main.py").read_text()).body
    )


class Typewriter:
    """A lab where somebody types on the guest of job 1."""

    def __init__(self, *, reads: bool = True) -> None:
        self.reads = reads
        self.typed: list[str] = []
        self.given: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1/jobs/1/nodes/1/keyboard/")
        if request.method == "DELETE":
            self.given.append(request.url.params.get("ticket", "any"))
            return httpx.Response(204) if self.reads else httpx.Response(409, json={"detail": "not read"})
        if path == "keys/":
            self.typed.append(json.loads(request.content)["text"])
            return httpx.Response(202)
        return httpx.Response(201, json={"ticket": 7})


def test_characters_are_typed_whole_wherever_a_terminal_was_read() -> None:
    there = Typewriter()
    with lab(there) as api, keyboard.taken(api, 1, 1) as held:
        for byte in "žluť €\r".encode():
            held.type(bytes([byte]))
    assert there.typed == list("žluť €\r")
    assert there.given == ["7"], "the one that was taken, and no other"


def test_what_was_not_read_fails_the_command_that_typed_it() -> None:
    there = Typewriter(reads=False)
    options = Namespace(job=1, text=["ls"], ctrl=None, no_enter=False, show=0, json=False)
    with lab(there) as api, pytest.raises(Failed, match="not read"):
        keyboard.type_text(api, options, 1)
    assert (there.typed, there.given) == (["ls\r"], ["7"])


def test_older_jobs_of_a_view_are_listed_whichever_way_the_view_sorts() -> None:
    asked: list[httpx.QueryParams] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if "/views/" in request.url.path:
            return httpx.Response(200, json={"filters": {"sort": "oldest", "submitter": "erika"}})
        asked.append(request.url.params)
        return httpx.Response(200, json={"jobs": [], "next": None})

    options = Namespace(view="old first", before=5, limit=50, json=True, **dict.fromkeys(commands.FILTERS))
    with lab(answer) as api:
        commands.list_jobs(api, options)
        commands.list_jobs(api, Namespace(**vars(options) | {"before": None}))
    assert [one.get("order") for one in asked] == [None, "oldest"]
    assert [one.get("submitter") for one in asked] == ["erika", "erika"]


def test_the_help_says_who_else_sees_what_is_typed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["type", "--help"])
    assert "others on this machine can see it" in " ".join(capsys.readouterr().out.split())
