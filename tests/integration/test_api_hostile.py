"""Whatever is sent to the API, it answers in words; nothing ends in a fault."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.models import Job
from lab.tokens.models import make_token
from tests.support.jobs import definition, make_inventory, make_user, submit

TYPES = [
    "application/json",
    "application/yaml",
    "text/plain; charset=utf-16",
    "multipart/form-data; boundary=x",
    "x",
    "",
]
TYPES += [
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/json; charset=\x7f",
    "*/*",
    "a/b;c=d",
]
SHARDS = [
    b"{",
    b"}",
    b'"definition"',
    b":",
    b'"',
    b"\\ud800",
    b"\0",
    b"\xff",
    b"[",
    b"9" * 40,
    b"--x\r\n",
    b"\r\n\r\n",
    b"&a",
]
SHARDS += [
    b'Content-Disposition: form-data; name="definition"',
    b"definition=",
    b"%00",
    b"%ff",
    definition().encode(),
    b"- ",
]
bodies = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(SHARDS), max_size=12).map(b"".join))
texts = st.text(st.characters(codec="utf-8"), max_size=30)
PARAMETERS = [
    "after",
    "limit",
    "before",
    "offset",
    "lines",
    "state",
    "text",
    "board",
    "outcome",
    "submitter",
    "host_type",
]
numbers = st.one_of(
    st.integers().map(str), texts, st.sampled_from(["0:5", "-1:1", "9223372036854775807", "1e3", "²", "\0"])
)
parts = st.one_of(
    texts, st.integers(0, 2**70).map(str), st.sampled_from(["jobs", "1", "nodes", "0", "console", "events"])
)


# One database for all examples of a test: what one leaves behind must not hurt the next.
many = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
pytestmark = pytest.mark.django_db


@dataclass
class Lab:
    api: Client
    number: int


@pytest.fixture
def lab() -> Lab:
    make_inventory()
    erika = make_user(is_superuser=True)
    headers = {"Authorization": f"Token {make_token(erika, 't')}"}
    return Lab(Client(raise_request_exception=False, headers=headers), submit(erika))


def refused_in_words(answer: Any) -> None:
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400 and answer["Content-Type"].startswith("application/json"):
        body = json.loads(answer.content)
        assert body["detail"]
        assert all({"path", "line", "column", "message", "hint"} == set(p) for p in body.get("problems", []))


@settings(many, max_examples=150)
@given(bodies, st.sampled_from(TYPES), st.sampled_from(["", "validate", "cancel", "resubmit"]))
def test_any_body_is_answered(lab: Lab, body: bytes, kind: str, what: str) -> None:
    path = {"": "jobs/", "validate": "validate/"}.get(what, f"jobs/{lab.number}/{what}/")
    refused_in_words(lab.api.generic("POST", f"/api/v1/{path}", body, content_type=kind))


@settings(many, max_examples=150)
@given(
    st.sampled_from(["", "{n}/", "{n}/events/", "{n}/results/", "{n}/nodes/0/console/", "{n}/definition/"]),
    st.dictionaries(st.one_of(st.sampled_from(PARAMETERS), texts), numbers, max_size=3),
)
def test_any_parameters_are_answered(lab: Lab, path: str, parameters: dict[str, str]) -> None:
    refused_in_words(lab.api.get("/api/v1/jobs/" + path.format(n=lab.number), parameters))


@settings(many, max_examples=150)
@given(
    st.lists(parts, max_size=6),
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"]),
)
def test_any_address_is_answered(lab: Lab, steps: list[str], method: str) -> None:
    path = "/".join(["/api/v1", *(quote(step, safe="") for step in steps), ""])
    answer = lab.api.generic(method, path)
    assert answer.status_code < 500, path


@settings(many, max_examples=60)
@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=80))
def test_any_authorization_is_answered(lab: Lab, header: str) -> None:
    answer = Client(raise_request_exception=False).get("/api/v1/jobs/", headers={"Authorization": header})
    assert answer.status_code in (200, 401)


@settings(many, max_examples=60)
@given(texts)
def test_any_name_and_reason_come_back_as_they_were(lab: Lab, text: str) -> None:
    source = definition(name=text or "x")
    answer = lab.api.post("/api/v1/jobs/", source, content_type="application/json")
    if answer.status_code == 201:
        job = lab.api.get(answer.json()["url"]).json()
        assert job["name"] == (text or "x")
    reason = lab.api.post(
        f"/api/v1/jobs/{Job.objects.latest('id').id}/cancel/",
        json.dumps({"reason": text}),
        "application/json",
    )
    assert reason.status_code in (202, 400)


def test_a_fault_would_be_noticed_by_these_tests() -> None:
    client = Client(raise_request_exception=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.queries.job_list", lambda *args, **kwargs: 1 / 0)
        assert client.get("/api/v1/jobs/").status_code == 500
