"""The REST API on the real commands, queries and database."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.core.management import CommandError, call_command
from django.http import Http404
from django.test import Client
from django.utils import timezone

from jobs import commands, console_log
from jobs.api.errors import answer
from jobs.domain.events import AttachmentKept
from jobs.files import Files
from jobs.recorder import Recorder
from lab.kernel.errors import Conflict, Rejected
from lab.tokens.models import ApiToken, digest_of, make_token
from tests.support.jobs import definition, make_inventory, make_user, phase, result, started, submit

pytestmark = pytest.mark.django_db

JOBS = "/api/v1/jobs/"
VALIDATE = "/api/v1/validate/"


@pytest.fixture(autouse=True)
def inventory() -> None:
    make_inventory()


@pytest.fixture
def erika() -> User:
    return make_user()


@pytest.fixture
def api(erika: User) -> Client:
    return client(erika)


def client(user: User) -> Client:
    """A program with a token of the user, checked for cross-site requests as browsers are."""
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Token {make_token(user, 'test')}"})


def post(
    api: Client, path: str, body: str | bytes = "", kind: str = "application/json", **headers: str
) -> Any:
    return api.generic("POST", path, body, content_type=kind, headers=headers)


# -- who is asking -------------------------------------------------------------------------------


def test_a_token_is_printed_once_and_only_its_hash_is_kept(erika: User) -> None:
    out = io.StringIO()
    call_command("create_token", "erika", "--name", "nightly", stdout=out)
    token = out.getvalue().strip()
    row = ApiToken.objects.get()
    assert (row.name, row.user, row.digest, row.last_used_at) == ("nightly", erika, digest_of(token), None)
    assert token not in {str(value) for value in ApiToken.objects.values().get().values()}
    answer = Client(headers={"Authorization": f"Token {token}"}).post(
        VALIDATE, definition(), content_type="text/plain"
    )
    assert answer.status_code == 200
    row.refresh_from_db()
    assert row.last_used_at is not None
    assert str(row) == "nightly of erika"


def test_the_last_use_is_noted_once_a_minute(erika: User) -> None:
    api = client(erika)
    api.get(JOBS)
    first = ApiToken.objects.get().last_used_at
    api.get(JOBS)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    api.get(JOBS)
    assert first is not None
    assert (ApiToken.objects.get().last_used_at or first) > first


def test_tokens_for_nobody_are_not_made() -> None:
    with pytest.raises(CommandError, match="There is no account 'max'"):
        call_command("create_token", "max")
    make_user("max", is_active=False)
    with pytest.raises(CommandError, match="not active"):
        call_command("create_token", "max")


@pytest.mark.parametrize("header", ["Token wrong", "Token ", "Bearer labbook_x", "token \udc80"])
def test_a_wrong_token_is_refused_even_for_reading(header: str) -> None:
    answer = Client(headers={"Authorization": header}).get(JOBS)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Token realm="labbook"'
    assert answer.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "This token is not valid (any more).",
    }
    assert answer["WWW-Authenticate"] == 'Token realm="labbook"'


def test_a_token_ends_with_its_account(erika: User) -> None:
    api = client(erika)
    assert api.get(JOBS).status_code == 200
    User.objects.update(is_active=False)
    assert api.get(JOBS).status_code == 401


def test_visitors_may_read_what_is_public_and_do_nothing(erika: User) -> None:
    public, private = submit(erika), submit(erika, definition(visibility="private"))
    visitor = Client()
    assert [job["id"] for job in visitor.get(JOBS).json()["jobs"]] == [public]
    assert visitor.get(f"{JOBS}{public}/").status_code == 200
    for path in ("", "definition/", "events/", "results/", "nodes/0/console/", f"attachments/{'0' * 64}/"):
        answer = visitor.get(f"{JOBS}{private}/{path}")
        assert answer.status_code == 404, path
        assert answer.json()["detail"] == f"There is no job {private}, or you may not see it."
    for path in (JOBS, VALIDATE, f"{JOBS}{public}/cancel/", f"{JOBS}{public}/resubmit/"):
        answer = post(visitor, path, definition())
        assert answer.status_code == 401, path
        assert "Authorization: Token" in answer.json()["detail"]


def test_visitors_may_read_nothing_where_the_site_says_so(erika: User, settings: Any) -> None:
    settings.LABBOOK = settings.LABBOOK | {"ANONYMOUS_READ": False}
    assert Client().get(JOBS).status_code == 401
    assert client(erika).get(JOBS).status_code == 200


def test_a_browser_needs_the_forms_token_and_a_program_does_not(erika: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(erika)
    assert post(browser, JOBS, definition()).status_code == 403
    assert post(client(erika), JOBS, definition()).status_code == 201
    trusting = Client()
    trusting.force_login(erika)
    assert post(trusting, JOBS, definition()).status_code == 201


def test_the_admin_shows_and_revokes_tokens_but_never_the_secret(erika: User, admin_client: Client) -> None:
    token = make_token(erika, "nightly")
    row = ApiToken.objects.get()
    for path in ("", f"{row.pk}/change/"):
        page = admin_client.get(f"/admin/tokens/apitoken/{path}").content.decode()
        assert "nightly" in page
        assert token not in page
        assert row.digest not in page
    assert admin_client.get("/admin/tokens/apitoken/add/").status_code == 403
    assert admin_client.post(f"/admin/tokens/apitoken/{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert Client(headers={"Authorization": f"Token {token}"}).get(JOBS).status_code == 401


# -- submitting ----------------------------------------------------------------------------------

TEXT = definition("any form")
AS_YAML = yaml.safe_dump(json.loads(TEXT))
AS_FILE = io.BytesIO(TEXT.encode())
AS_FILE.name = "job.json"


@pytest.mark.parametrize(
    ("body", "kind", "kept"),
    [
        (TEXT, "application/json", TEXT),
        (TEXT, "application/x-whatever", TEXT),
        (("\ufeff" + TEXT).encode(), "text/plain; charset=nonsense", "\ufeff" + TEXT),
        (AS_YAML, "application/yaml", AS_YAML),
        (AS_YAML, "application/json", AS_YAML),
        (json.dumps({"definition": AS_YAML}), "application/json", AS_YAML),
        (
            json.dumps({"definition": json.loads(TEXT)}),
            "application/json",
            json.dumps(json.loads(TEXT), indent=2),
        ),
        ({"definition": AS_YAML}, None, AS_YAML),
        ({"definition": AS_FILE}, None, TEXT),
    ],
)
def test_a_definition_is_taken_in_any_form_and_kept_to_the_letter(
    api: Client, body: Any, kind: str | None, kept: str
) -> None:
    AS_FILE.seek(0)
    answer = post(api, JOBS, body, kind) if kind else api.post(JOBS, body)
    assert answer.status_code == 201, answer.content
    job = answer.json()
    assert answer["Location"] == job["url"] == f"http://testserver/api/v1/jobs/{job['id']}/"
    stored = api.get(f"{job['url']}definition/")
    assert stored.content.decode() == kept
    assert stored["Content-Type"] == "text/plain; charset=utf-8"


def test_a_form_of_a_browser_is_taken_too(api: Client) -> None:
    from urllib.parse import urlencode

    answer = post(api, JOBS, urlencode({"definition": AS_YAML}), "application/x-www-form-urlencoded")
    assert answer.status_code == 201


def test_the_problems_of_a_definition_come_with_their_places(api: Client) -> None:
    answer = post(api, JOBS, '{\n "timeout": 0\n}')
    assert answer.status_code == 400
    body = answer.json()
    assert body["detail"] == f"The definition has {len(body['problems'])} problems."
    assert body["problems"][-1] == {
        "path": "timeout",
        "line": 2,
        "column": 13,
        "message": f"must be 1 … {settings.LABBOOK['MAX_TIMEOUT']} seconds, not 0",
        "hint": "",
    }
    assert post(api, JOBS, "[").json()["detail"] == "The definition has 1 problem."


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        ("", "application/json", 400, "holds no definition"),
        (" \n", "text/plain", 400, "holds no definition"),
        ("other=1", "application/x-www-form-urlencoded", 400, "holds no definition"),
        ("x", "multipart/form-data", 400, "Multipart form parse error"),
        (b"\xff\xfe{", "application/json", 400, "not UTF-8: byte 0"),
        (b'{"definition": "\xc3("}', "application/json", 400, "not UTF-8: byte 16"),
        ("x" * (settings.LABBOOK["MAX_DEFINITION_BYTES"] + 1), "text/plain", 413, "may have 1048576 bytes"),
        ("x" * (3 * settings.LABBOOK["MAX_DEFINITION_BYTES"]), "text/plain", 413, "may have 1048576 bytes"),
        ('{"definition": ' + '"x' * 5, "application/json", 400, "1 problem"),
        ('{"definition": [1]}', "application/json", 400, "problems"),
        ('{"definition": "\\ud800"}', "application/json", 400, "1 problem"),
        ('{"definition": "\\u0000"}', "application/json", 400, "1 problem"),
        ("[" * 100_000, "application/json", 400, "1 problem"),
        ("{" + '"a":{' * 90_000, "application/json", 400, "1 problem"),
        ("9" * 10_000, "application/json", 400, "problem"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_definition_is_refused_in_words(
    api: Client, body: Any, kind: str, status: int, words: str
) -> None:
    answer = post(api, JOBS, body, kind)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.json()


def test_a_large_form_is_too_large_not_a_fault(api: Client) -> None:
    size = settings.LABBOOK["MAX_DEFINITION_BYTES"]
    answer = api.post(JOBS, {"definition": "x" * (size + 1)})
    assert answer.status_code == 413
    answer = post(api, JOBS, "definition=" + "x" * (size + 1), "application/x-www-form-urlencoded")
    assert answer.status_code == 413
    many = "&".join(f"f{n}=" for n in range(5000))
    assert post(api, JOBS, many, "application/x-www-form-urlencoded").status_code in (400, 413)


def test_a_body_longer_than_it_says_is_too_large(api: Client) -> None:
    size = settings.LABBOOK["MAX_DEFINITION_BYTES"]
    upload = io.BytesIO(b"x" * (2 * size + 70_000))
    upload.name = "big"
    assert api.post(JOBS, {"definition": upload}, headers={"Content-Length": "10"}).status_code in (400, 413)


def test_validate_answers_what_is_wrong_or_who_would_be_in_the_group(api: Client) -> None:
    good = post(api, VALIDATE, definition(vms=2)).json()
    assert good["valid"]
    assert [node["name"] for node in good["nodes"]] == ["host", "guest-1", "guest-2"]
    assert good["nodes"][1] == {"index": 1, "name": "guest-1", "role": "guest", "device_type": "kvm"}
    bad = post(api, VALIDATE, definition(vms=0)).json()
    assert not bad["valid"]
    assert [problem["path"] for problem in bad["problems"]] == ["vm_group.vms[0].count"]
    empty = post(api, VALIDATE)
    assert empty.status_code == 200
    assert [problem["message"] for problem in empty.json()["problems"]] == ["the definition is empty"]


# -- looking -------------------------------------------------------------------------------------


def test_the_list_goes_on_where_next_says(api: Client, erika: User) -> None:
    numbers = [submit(erika, definition(f"job {n}")) for n in range(5)]
    seen, url = [], f"{JOBS}?limit=2&submitter=erika"
    while url:
        page = api.get(url).json()
        seen += [job["id"] for job in page["jobs"]]
        url = page["next"]
    assert seen == numbers[::-1]
    found = api.get(f"{JOBS}?text=JOB%203&state=queued&host_type=bench").json()
    assert [job["name"] for job in found["jobs"]] == ["job 3"]
    assert found["next"] is None
    assert api.get(f"{JOBS}?outcome=complete").json()["jobs"] == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("submiter=x", "Unknown parameter 'submiter'; did you mean \"submitter\"?"),
        ("zzz=x", "known here: state, outcome"),
        ("limit=0", "limit must be a whole number from 1 to 500, not '0'"),
        ("limit=x", "limit must be a whole number"),
        ("limit=%C2%B2", "limit must be a whole number"),
        ("before=-1", "before must be a whole number from 0, not '-1'"),
        ("before=99999999999999999999", "before must be a whole number"),
        ("text=%00", "text is not a text to look for"),
        ("board=" + "x" * 1001, "board is not a text"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_in_words(api: Client, query: str, words: str) -> None:
    answer = api.get(f"{JOBS}?{query}")
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_a_job_can_be_looked_at_whole_or_since_a_position(api: Client, erika: User) -> None:
    number, recorder = started(erika)
    recorder.record([phase(0, "deploy", "the installed system"), result("first")])
    whole = api.get(f"{JOBS}{number}/").json()
    assert (whole["id"], whole["state"], whole["board"]) == (number, "running", "alpha")
    assert [one["case"] for one in whole["results"]] == ["first"]
    recorder.record([result("second", "fail")])
    since = api.get(f"{JOBS}{number}/?after={whole['position']}").json()
    assert [one["case"] for one in since["results"]] == ["second"]
    assert since["counts"] == {"pass": 1, "fail": 1, "skip": 0, "unknown": 0}
    found = api.get(f"{JOBS}{number}/results/").json()
    assert [one["case"] for one in found["results"]] == ["first", "second"]
    assert found["counts"] == since["counts"]


def test_events_can_be_followed_by_position(api: Client, erika: User) -> None:
    number, recorder = started(erika)
    recorder.record([result(f"case {n}") for n in range(5)])
    seen, after = [], 0
    while True:
        page = api.get(f"{JOBS}{number}/events/?after={after}&limit=3").json()
        seen += page["events"]
        after = page["position"]
        if not page["more"]:
            break
    assert [event["version"] for event in seen] == list(range(1, len(seen) + 1))
    assert seen[0]["type"] == "job.submitted"
    assert seen[-1]["data"]["case"] == "case 4"
    assert all(event["text"] for event in seen)
    assert api.get(f"{JOBS}{number}/events/?after={after}").json() == {
        "events": [],
        "position": after,
        "more": False,
    }


def test_there_is_nothing_at_other_addresses(api: Client) -> None:
    for path in ("nothing/", "jobs/x/", "jobs/99999999999999999999999/", "jobs/9223372036854775808/"):
        answer = api.get(f"/api/v1/{path}")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is nothing at this address.")
    for path in ("jobs/77/", "jobs/9223372036854775807/", "jobs/77/nodes/0/console/", "jobs/77/events/"):
        answer = api.get(f"/api/v1/{path}")
        assert answer.status_code == 404
        assert "There is no job" in answer.json()["detail"]
    assert post(api, f"{JOBS}77/cancel/").status_code == 404
    assert post(api, f"{JOBS}77/resubmit/").status_code == 404
    assert api.delete(JOBS).status_code == 405
    start = api.get("/api/v1/").json()
    assert start.items() >= {
        ("jobs", f"http://testserver{JOBS}"),
        ("validate", f"http://testserver{VALIDATE}"),
    }
    for address in start.values():
        assert api.get(address).status_code in (200, 405)


# -- consoles ------------------------------------------------------------------------------------


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


# -- acting --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        ('{"reason": "wrong image"}', "application/json", "wrong image"),
        ("reason=wrong+image", "application/x-www-form-urlencoded", "wrong image"),
        ("", "application/json", ""),
        ("{}", "application/json", ""),
    ],
)
def test_a_job_is_canceled_with_a_reason(api: Client, erika: User, body: str, kind: str, reason: str) -> None:
    number = submit(erika)
    answer = post(api, f"{JOBS}{number}/cancel/", body, kind)
    assert answer.status_code == 202
    job = answer.json()
    assert (job["state"], job["outcome"]) == ("finished", "canceled")
    assert (job["cancel"]["by"], job["cancel"]["reason"]) == ("erika", reason)
    assert post(api, f"{JOBS}{number}/cancel/").status_code == 202


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"reason": 5}', "reason must be a string"),
        ('{"reason": "\\u0000"}', "no text"),
        ('{"reason": "\\ud800"}', "no text"),
        ("[]", "must be a JSON object"),
        ("{", "cannot be read"),
    ],
)
def test_a_reason_must_be_text(api: Client, erika: User, body: str, words: str) -> None:
    answer = post(api, f"{JOBS}{submit(erika)}/cancel/", body)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_others_may_not_cancel_but_staff_with_the_permission_may(erika: User) -> None:
    number = submit(erika)
    other = client(make_user("max"))
    answer = post(other, f"{JOBS}{number}/cancel/")
    assert answer.status_code == 403
    assert "max may not cancel job" in answer.json()["detail"]
    boss = client(make_user("boss", is_superuser=True))
    assert post(boss, f"{JOBS}{number}/cancel/").status_code == 202


def test_a_job_is_run_again_as_it_was_or_changed(api: Client, erika: User) -> None:
    number = submit(erika, definition("once"))
    same = post(api, f"{JOBS}{number}/resubmit/")
    assert same.status_code == 201
    changed = post(api, f"{JOBS}{number}/resubmit/", definition("twice"))
    assert changed.status_code == 201
    again = [api.get(answer.json()["url"]).json() for answer in (same, changed)]
    assert [(job["name"], job["resubmitted_from"]) for job in again] == [("once", number), ("twice", number)]
    assert api.get(f"{JOBS}{number}/").json()["resubmitted_as"] == [job["id"] for job in again]
    assert post(api, f"{JOBS}{number}/resubmit/", "{").status_code == 400


def test_a_private_job_of_a_group_is_seen_by_its_members(erika: User) -> None:
    group = Group.objects.create(name="qa")
    max_ = make_user("max")
    number = submit(erika, definition(visibility=["qa"]))
    assert client(max_).get(f"{JOBS}{number}/").status_code == 404
    max_.groups.add(group)
    assert client(max_).get(f"{JOBS}{number}/").status_code == 200


# -- refusals that only a race or a rule can bring about ------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (Rejected("Board alpha is retired."), 409, "Board alpha is retired."),
        (Conflict("job/1", 3, 4), 409, "job/1 is at version 4, not at version 3. Try again."),
        (RequestDataTooBig("x"), 413, "The request is too large."),
        (TooManyFieldsSent("too many fields"), 400, "too many fields"),
        (Http404("x"), 404, "There is nothing at this address."),
    ],
)
def test_every_refusal_becomes_words(error: Exception, status: int, words: str) -> None:
    response = answer(error, {})
    assert response is not None
    assert response.status_code == status
    assert words in response.data["detail"]


def test_a_job_runs_again_on_the_board_it_had(api: Client, erika: User) -> None:
    number = submit(erika)
    assert "never had a board" in post(api, f"{JOBS}{number}/resubmit/?board=same").json()["detail"]
    commands.schedule()
    again = post(api, f"{JOBS}{number}/resubmit/?board=same").json()["id"]
    text = api.get(f"{JOBS}{again}/definition/").content.decode()
    assert json.loads(text)["vm_group"]["host"]["board"] == "alpha"
    assert post(api, f"{JOBS}{number}/resubmit/?board=other").status_code == 400
    page = client(erika).get(f"/jobs/{again}/definition").content.decode()
    assert "1 line differs" in page or "2 lines differ" in page
    assert 'href="/jobs/1/definition"' in page


def test_with_a_key_a_job_is_submitted_once(api: Client, erika: User) -> None:
    first = post(api, JOBS, definition(), **{"Idempotency-Key": "build 7"})
    again = post(api, JOBS, definition(), **{"Idempotency-Key": "build 7"})
    assert (first.status_code, first.json()["id"]) == (201, 1)
    assert again.json() == first.json()
    other = post(api, JOBS, definition("another"), **{"Idempotency-Key": "build 7"})
    assert other.status_code == 409
    assert "used for another definition, which became job 1" in other.json()["detail"]
    assert post(api, f"{JOBS}1/resubmit/", **{"Idempotency-Key": "again"}).json()["id"] == 2
    assert post(api, f"{JOBS}1/resubmit/", **{"Idempotency-Key": "again"}).json()["id"] == 2
    theirs = post(client(make_user("otto")), JOBS, definition(), **{"Idempotency-Key": "build 7"})
    assert theirs.json()["id"] == 3, "keys are each user's own"
    assert post(api, JOBS, definition(), **{"Idempotency-Key": "x" * 101}).status_code == 400


# -- results for other programs ------------------------------------------------------------------


def test_results_come_as_junit_tap_and_csv(api: Client, erika: User) -> None:
    number, recorder = started(erika)
    recorder.record([result("boots"), result("fast", "fail", measurement="3", units="MB/s")])
    answers = {form: api.get(f"{JOBS}{number}/results.{form}") for form in ("xml", "tap", "csv")}
    assert {form: one.status_code for form, one in answers.items()} == {"xml": 200, "tap": 200, "csv": 200}
    assert answers["xml"]["Content-Type"] == "application/xml; charset=utf-8"
    assert b'<testsuite name="guest.smoke" tests="2" failures="1"' in answers["xml"].content
    assert b"not ok 2 - guest.smoke: fast" in answers["tap"].content
    assert b"guest,smoke,,fast,fail,3,MB/s" in answers["csv"].content
    assert api.get(f"{JOBS}{number}/results.pdf").status_code == 404
    assert api.get(f"{JOBS}99/results.xml").status_code == 404


def test_a_private_job_has_no_report_for_others(api: Client, erika: User) -> None:
    number = submit(erika, definition(visibility="private"))
    assert api.get(f"{JOBS}{number}/results.csv").status_code == 200
    assert client(make_user("mallory")).get(f"{JOBS}{number}/results.csv").status_code == 404
