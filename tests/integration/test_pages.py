"""What pages answer, without a browser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client

from devices.models import Board
from jobs import console_log, queries
from jobs.views.submit import sent_text, text_lines
from tests.support import jobs
from tests.support.bare_jobs import append, submitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def erika() -> User:
    jobs.make_inventory()
    return jobs.make_user()


@pytest.fixture
def browser(client: Client, erika: User) -> Client:
    client.force_login(erika)
    return client


@pytest.mark.parametrize("path", ["/", "/jobs/", "/boards/", "/login/", "/jobs/7/", "/submit/", "/admin/"])
def test_every_answer_forbids_what_is_not_ours(client: Client, path: str) -> None:
    policy = client.get(path).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_what_a_command_refuses_is_a_page_with_its_sentence(browser: Client, erika: User) -> None:
    append("job/1", submitted(submitter="somebody"))
    answer = browser.post("/jobs/1/cancel", {"reason": "mine"})
    assert answer.status_code == 403
    assert "erika may not cancel job 1" in answer.content.decode()


def test_private_jobs_do_not_exist_for_others(client: Client, erika: User) -> None:
    append("job/1", submitted(submitter="somebody", visibility="private"))
    client.force_login(erika)
    for path in ("", "definition", "resubmit", "nodes/0/console.log"):
        answer = client.get(f"/jobs/1/{path}")
        assert answer.status_code == 404
        assert "There is no job 1, or you may not see it." in answer.content.decode()
    assert "example" not in client.get("/jobs/").content.decode()
    assert "example" not in client.get("/").content.decode()


def test_visitors_read_but_do_not_submit(client: Client, erika: User) -> None:
    number = jobs.submit(erika)
    assert client.get(f"/jobs/{number}/").status_code == 200
    for path in ("/submit/", f"/jobs/{number}/resubmit"):
        assert client.get(path).headers["Location"] == f"/login/?next={path}"
        assert client.post(path, {"definition": jobs.definition()}).status_code == 302
    assert client.post(f"/jobs/{number}/cancel").headers["Location"].startswith("/login/")
    assert len(queries.job_list(erika)) == 1


def test_problems_come_back_with_the_text_where_no_script_runs(browser: Client) -> None:
    answer = browser.post("/submit/", {"definition": '{"timeout": "</textarea><b>"}', "do": "submit"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "&lt;/textarea&gt;&lt;b&gt;" in page
    assert 'data-line="1"' in page
    assert 'class="er"' in page
    valid = browser.post("/submit/", {"definition": jobs.definition(), "do": "validate"})
    assert ">Valid<" in valid.content.decode()


@pytest.mark.parametrize("text", ["", "\n", "\x00", "{", "[]", "- a\n\t- b", "\ufeff{}", "�", "1" * 5000])
def test_any_text_is_answered_with_a_page(browser: Client, text: str) -> None:
    for do in ("validate", "submit"):
        assert browser.post("/submit/", {"definition": text, "do": do}).status_code == 422


def test_the_first_newline_of_a_text_survives_the_editor(browser: Client, erika: User) -> None:
    number = jobs.submit(erika, "\n" + jobs.definition())
    page = browser.get(f"/jobs/{number}/resubmit").content.decode()
    assert "aria-describedby" not in page
    assert ">\n\n{&quot;job_name&quot;" in page  # browsers drop the first of the two


def test_the_definition_is_sent_to_the_letter(browser: Client, erika: User) -> None:
    text = json.dumps(json.loads(jobs.definition("Größe")), ensure_ascii=False, indent=3) + "\r\n \r\n"
    number = jobs.submit(erika, text)
    answer = browser.get(f"/jobs/{number}/definition?raw=1")
    assert answer.content == text.encode()
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert f"job-{number}.json" in answer.headers["Content-Disposition"]


def test_the_raw_console_is_every_byte(browser: Client, erika: User) -> None:
    number = jobs.submit(erika)
    data = bytes(range(256)) * 3000
    console_log.append(number, [(1, data, 1.0)])
    answer: Any = browser.get(f"/jobs/{number}/nodes/1/console.log")

    async def sent() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    assert async_to_sync(sent)() == data
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert browser.get(f"/jobs/{number}/nodes/9/console.log").status_code == 404


def test_pages_of_the_list_fit_together_in_both_directions(browser: Client, erika: User) -> None:
    for number in range(1, 121):
        append(f"job/{number}", submitted(submitter="ann"))

    def shown(address: str) -> tuple[list[int], str, str]:
        answer = browser.get(f"/jobs/{address}")
        return [row["id"] for row in answer.context["jobs"]], answer.context["newer"], answer.context["older"]

    first, newer, older = shown("?submitter=ann")
    assert (first[0], first[-1], newer) == (120, 71, "")
    second, newer, older = shown(older)
    assert (second[0], second[-1]) == (70, 21)
    third, newest, nothing = shown(older)
    assert (third[0], third[-1], nothing) == (20, 1, "")
    assert shown(newest)[0] == second
    assert shown(newer)[0] == first
    assert shown(newer)[1] == ""
    assert shown("?before=1") == ([], "", "")


def test_a_number_in_the_search_leads_to_the_job(browser: Client, erika: User) -> None:
    number = jobs.submit(erika)
    for text in (str(number), f"#{number}"):
        assert browser.get("/jobs/", {"q": text}).headers["Location"] == f"/jobs/{number}/"
    assert browser.get("/jobs/", {"q": "99"}).status_code == 200
    for nonsense in ("?before=-1", "?before=x&after=²", "?state=nonsense", "?before=99999999999999999999"):
        assert browser.get(f"/jobs/{nonsense}").status_code == 200


@pytest.mark.parametrize(
    ("original", "posted", "kept"),
    [
        ("", "a\r\nb\r\n", "a\nb\n"),
        ("a\nb\n", "a\r\nb\r\n", "a\nb\n"),
        ("a\r\nb\r\n", "a\r\nb\r\n", "a\r\nb\r\n"),
        ("a\rb\r\nc\n", "a\r\nb\r\nc\r\n", "a\rb\r\nc\n"),
        ("a\r\nb\r\n", "a\r\nX\r\n", "a\r\nX\r\n"),
        ("a\r\nb\nc", "a\r\nX\r\nc", "a\nX\nc"),
        ("a\nb", "a\r\nX", "a\nX"),
    ],
)
def test_line_ends_are_kept_as_their_author_wrote_them(original: str, posted: str, kept: str) -> None:
    assert sent_text(posted, original=original) == kept


def test_lines_are_numbered_as_problems_count_them() -> None:
    assert text_lines("a\r\nb\rc\n") == [(1, "a", ""), (2, "b", ""), (3, "c", ""), (4, "", "")]


def test_only_who_keeps_boards_is_shown_how_they_are_reached(client: Client, erika: User) -> None:
    name = Board.objects.order_by("name").values_list("name", flat=True)[0]
    visitor = client.get(f"/boards/{name}/").content.decode()
    assert "registered" in visitor
    assert "site: default" not in visitor
    client.force_login(User.objects.create_superuser("root", "root@example.org", "secret"))
    assert "site: default" in client.get(f"/boards/{name}/").content.decode()
