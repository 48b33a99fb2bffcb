"""What the API says of itself holds: every address is described, and answers are as they are described."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from jobs import saved_views
from jobs.api import openapi
from jobs.api.urls import urlpatterns
from jobs.domain.events import PhaseEnded
from jobs.hooks import commands as hooks
from lab.tokens.models import ApiToken, digest_of, make_token
from tests.support.jobs import make_inventory, make_user, phase, result, started

pytestmark = pytest.mark.django_db
BASE = "/api/v1/"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def boss() -> User:
    make_inventory("alpha", "beta")
    return make_user("boss", is_superuser=True, is_staff=True)


@pytest.fixture
def job(boss: User) -> int:
    number, recorder = started(boss)
    recorder.record([phase(1, "boot", "login"), PhaseEnded(node=1, at=2.0)])
    recorder.record([result("speed", measurement="12.5", units="MB/s"), result("other", "fail")])
    return number


def test_every_address_is_described() -> None:
    *described, nothing = urlpatterns
    assert nothing.name is None
    paths = {BASE + re.sub(r"<\w+:(\w+)>", r"{\1}", str(one.pattern)) for one in described}
    assert paths == set(openapi.document()["paths"])


def test_the_description_is_an_openapi_document_whose_operations_have_names_of_their_own() -> None:
    document = openapi.document()
    validate_schema(document)  # type: ignore[no-untyped-call]
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))
    assert all(
        one["summary"] and one["description"] for m in document["paths"].values() for one in m.values()
    )


def test_programs_get_the_description_and_people_a_page_without_inline_code(boss: User) -> None:
    answer = Client().get("/api/v1/schema/")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == openapi.document()
    page = Client(headers={"Accept": "text/html"}).get("/api/v1/docs/")
    assert page.status_code == 200
    text = page.content.decode()
    for methods in openapi.document()["paths"].values():
        for one in methods.values():
            assert f'id="{one["operationId"]}"' in text
    for name in re.findall(r'href="#([\w-]+)"', text):
        assert f'id="{name}"' in text, f"nothing is named {name}"
    assert "<script>" not in text
    assert " style=" not in text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]


@pytest.fixture
def kept_connection() -> Iterator[None]:
    """The end of a request closes no connection: it is the test's, with the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


schema = schemathesis.openapi.from_dict(openapi.document())
schema.app = WSGIHandler()


@pytest.fixture
def real(kept_connection: None, boss: User, job: int) -> dict[str, Any]:
    """What is there, by the names of parameters in addresses; and who asks."""
    token = make_token(boss, "explorer")
    revocable = ApiToken.objects.get(digest=digest_of(make_token(boss, "spare")))
    hook, _ = hooks.make_hook(boss, name="mine", url="http://192.0.2.1/")
    message = hooks.send_test(boss, hook.pk)
    saved_views.keep(boss, "ours", {"state": "open"})
    return {
        "path": {
            "number": job,
            "a": job,
            "b": job,
            "index": 1,
            "name": "alpha",
            "hook": hook.pk,
            "message": message.key,
            "token": revocable.pk,
            "view": "ours",
        },
        "headers": {"Authorization": f"Token {token}"},
    }


@schema.parametrize()
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_described_whatever_is_sent(case: Any, real: dict[str, Any]) -> None:
    for name in case.path_parameters or {}:
        if name in real["path"]:
            found = "kvm" if "device-types" in case.path else real["path"][name]
            case.path_parameters[name] = found
    case.call_and_validate(checks=CHECKS, headers=real["headers"])
