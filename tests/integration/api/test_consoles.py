"""The REST API on the real commands, queries and database: consoles and attachments."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs import commands, console_log
from jobs.domain.events import AttachmentKept
from jobs.files import Files
from jobs.recorder import Recorder
from tests.integration.api.client import JOBS
from tests.support.jobs import started, submit

pytestmark = pytest.mark.django_db


def printed(erika: User, *pieces: bytes) -> tuple[int, Recorder]:
    number, recorder = started(erika)
    for at, piece in enumerate(pieces):
        console_log.append(number, [(1, piece, float(at))])
    return number, recorder


def test_a_console_is_read_to_the_byte_from_any_offset(api: Client, erika: User) -> None:
    content = bytes(range(256)) * 3
    number, _ = printed(erika, content[:100], content[100:])
    url = f"{JOBS}{number}/nodes/1/console/"
    whole = api.get(url)
    assert whole.content == content
    assert (whole["X-Console-Offset"], whole["X-Console-Size"]) == ("0", str(len(content)))
    assert whole["X-Console-Complete"] == "false"
    assert whole["X-Content-Type-Options"] == "nosniff"
    part = api.get(f"{url}?offset=90&limit=20")
    assert part.content == content[90:110]
    assert (part["X-Console-Offset"], part["X-Console-Size"]) == ("90", str(len(content)))
    tail = api.get(f"{url}?offset=-10")
    assert (tail.content, tail["X-Console-Offset"]) == (content[-10:], str(len(content) - 10))
    beyond = api.get(f"{url}?offset=9000")
    assert (beyond.content, beyond["X-Console-Offset"]) == (b"", str(len(content)))
    assert api.get(f"{url}?offset=-99999").content == content


def test_a_console_is_complete_when_the_job_has_finished(api: Client, erika: User) -> None:
    number = submit(erika)
    url = f"{JOBS}{number}/nodes/0/console/"
    assert api.get(url)["X-Console-Complete"] == "false"
    commands.request_cancel(number, user=erika, cause="test")
    answer = api.get(url)
    assert (answer["X-Console-Complete"], answer["X-Console-Size"], answer.content) == ("true", "0", b"")
    no_such = api.get(f"{JOBS}{number}/nodes/7/console/")
    assert no_such.json()["detail"] == f"Job {number} has no node 7."
    assert api.get(f"{JOBS}{number}/nodes/{2**63 - 1}/console/").status_code == 404


def test_a_window_of_lines_has_their_offsets_and_times(api: Client, erika: User) -> None:
    number, _ = printed(erika, b"zero\r\none\rONE\ntw", b"o \xff\n\n", "fünf".encode())
    url = f"{JOBS}{number}/nodes/1/console/"
    window = api.get(f"{url}?lines=0:100").json()
    assert (window["first"], window["total"], window["size"]) == (0, 5, 26)
    assert [(row["line"], row["offset"], row["at"], row["text"]) for row in window["lines"]] == [
        (0, 0, 0.0, "zero"),
        (1, 6, 0.0, "one\rONE"),
        (2, 14, 0.0, "two \ufffd"),
        (3, 20, 1.0, ""),
        (4, 21, 2.0, "fünf"),
    ]
    assert [row["text"] for row in api.get(f"{url}?lines=1:2").json()["lines"]] == ["one\rONE", "two \ufffd"]
    assert [row["line"] for row in api.get(f"{url}?lines=-2:1").json()["lines"]] == [3]
    assert api.get(f"{url}?lines=5:1").json()["lines"] == []
    assert api.get(f"{JOBS}{number}/nodes/0/console/?lines=0:5").json() == {
        "first": 0, "total": 0, "size": 0, "lines": [],
    }  # fmt: skip


def test_a_console_that_ends_with_a_newline_has_no_line_after_it(api: Client, erika: User) -> None:
    number, _ = printed(erika, b"a\nb\n")
    window = api.get(f"{JOBS}{number}/nodes/1/console/?lines=-1:5").json()
    assert (window["total"], [row["text"] for row in window["lines"]]) == (2, ["b"])


@pytest.mark.parametrize(
    "query", ["lines=x", "lines=0:0", "lines=0:99999", "lines=1:2:3", "offset=x", "limit=0", "of=1"]
)
def test_a_window_that_makes_no_sense_is_refused(api: Client, erika: User, query: str) -> None:
    number, _ = printed(erika, b"a\n")
    assert api.get(f"{JOBS}{number}/nodes/1/console/?{query}").status_code == 400


def test_an_attachment_is_handed_out_as_a_file_never_as_a_page(api: Client, erika: User) -> None:
    number, recorder = started(erika)
    sha256, size = Files().keep(io.BytesIO(b"<script>alert(1)</script>"))
    recorder.record(
        [
            AttachmentKept(
                node=1,
                suite="s",
                case="c",
                name="../x y.html",
                mime="text/html",
                sha256=sha256,
                size=size,
                at=1,
            )
        ]
    )
    answer = api.get(f"{JOBS}{number}/attachments/{sha256}/")
    assert answer.getvalue() == b"<script>alert(1)</script>"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="x_y.html"'
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    for other in ("0" * 64, "..", "x"):
        assert api.get(f"{JOBS}{number}/attachments/{other}/").status_code == 404


def test_an_attachment_that_is_gone_says_so(api: Client, erika: User) -> None:
    number, recorder = started(erika)
    kept = AttachmentKept(node=1, suite="s", case="", name="n", mime="", sha256="ab" * 32, size=1, at=1)
    recorder.record([kept])
    answer = api.get(f"{JOBS}{number}/attachments/{'ab' * 32}/")
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        "The file is not kept on this machine (any more).",
    )
