"""The REST API on the real commands, queries and database: submitting."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.test import Client

from tests.integration.api.client import JOBS, VALIDATE, post
from tests.support.jobs import definition

pytestmark = pytest.mark.django_db

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
