"""What is one's own, by the API: webhooks, tokens, saved views; and that nothing shows a secret twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from jobs.hooks import collecting, courier, sending
from jobs.hooks import commands as hooks
from jobs.hooks.models import Hook
from lab.tokens.models import ApiToken, make_token
from tests.support.jobs import make_inventory, make_user, submit
from tests.support.receiver import Receiver

pytestmark = pytest.mark.django_db
API = "/api/v1/"
HOOK = {"name": "mine", "url": "https://h.test/"}


@pytest.fixture
def erika() -> User:
    make_inventory()
    return make_user()


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.LABBOOK = {**settings.LABBOOK, "ALLOW_LOCAL_HTTP": True, "WEBHOOK_DELAYS": [0.0] * 4}
    with Receiver() as one:
        yield one


class Program:
    """A program with a token."""

    def __init__(self, user: User, *scopes: str, days: int | None = None) -> None:
        token = make_token(user, "program", scopes=scopes or ("read", "account"), days=days)
        self._client = Client(headers={"Authorization": f"Token {token}"})

    def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = self._client.generic(
            method, API + path, json.dumps(body) if body is not None else "", content_type="application/json"
        )
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None


def deliver() -> None:
    while collecting.collect():
        pass
    for hook in courier.due():
        sending.drain(hook)


def test_a_webhook_from_its_making_to_its_end(erika: User, receiver: Receiver) -> None:
    program = Program(erika)
    made = program.ask("POST", "webhooks/", {"name": "mine", "url": receiver.url}, 201)
    receiver.secret = made["secret"]
    path = f"webhooks/{made['id']}/"
    assert (made["state"], made["mine"], made["types"][-1]) == ("on", True, "job.finished")
    assert "secret" not in program.ask("GET", path)
    assert receiver.secret not in str(program.ask("GET", "webhooks/"))
    number = submit(erika)
    receiver.answers = [500] * 5
    deliver()
    (message,) = program.ask("GET", f"{path}messages/?state=failed")["messages"]
    assert (message["job"], message["attempts"], message["due"]) == (number, 5, None)
    assert message["tries"][0]["status"] == 500
    assert message["tries"][0]["text"] == "said with 500"
    assert program.ask("GET", path)["state"] == "broken"
    whole = program.ask("GET", f"{path}messages/{message['id']}/")
    assert json.loads(whole["body"])["data"]["job"]["id"] == number
    program.ask("POST", f"{path}messages/{message['id']}/again/", status=202)
    deliver()
    assert program.ask("GET", f"{path}messages/{message['id']}/")["state"] == "delivered"
    assert program.ask("POST", f"{path}on/", {"skip": True})["state"] == "on"
    test = program.ask("POST", f"{path}test/", status=202)
    deliver()
    page = program.ask("GET", f"{path}messages/?limit=1")
    assert (page["messages"][0]["id"], page["messages"][0]["state"]) == (test["id"], "delivered")
    older = page["next"].partition(API)[2]
    assert program.ask("GET", older)["messages"][0]["id"] == message["id"]
    changed = program.ask("PATCH", path, {"types": ["*"], "mine": False, "board": "alpha"})
    assert (changed["types"], changed["mine"], changed["board"]) == (["*"], False, "alpha")
    assert program.ask("POST", f"{path}off/")["state"] == "off"
    old = receiver.secret
    receiver.secret = program.ask("POST", f"{path}secret/")["secret"]
    assert receiver.secret not in ("", old)
    program.ask("DELETE", path, status=204)
    assert program.ask("GET", "webhooks/") == {"webhooks": []}
    assert receiver.forged == []


def test_what_is_wrong_with_a_webhook_is_said_by_field(erika: User) -> None:
    program = Program(erika)
    refused = program.ask("POST", "webhooks/", {"url": "ftp://x/", "types": ["job.gone"]}, 400)
    assert refused["type"] == "urn:labbook:problem:invalid-webhook"
    assert {one["field"] for one in refused["problems"]} == {"url", "types", "name"}
    assert 'did you mean "types"' in program.ask("POST", "webhooks/", {"typs": []}, 400)["detail"]
    program.ask("POST", "webhooks/", {"name": "x", "url": "https://h.test/", "job": 99}, 404)
    program.ask("POST", "webhooks/", {"name": "x", "url": "https://h.test/", "mine": "perhaps"}, 400)


def test_webhooks_are_ones_own_and_need_the_right_token(erika: User) -> None:
    program = Program(erika)
    made = program.ask("POST", "webhooks/", {"name": "mine", "url": "https://h.test/"}, 201)
    path = f"webhooks/{made['id']}/"
    boss = Program(make_user("boss", is_superuser=True, is_staff=True))
    for method, rest, status in (("GET", "", 404), ("DELETE", "", 404), ("POST", "test/", 404)):
        boss.ask(method, path + rest, status=status)
    reader = Program(erika, "read", "submit", "admin")
    assert reader.ask("GET", path)["name"] == "mine"
    assert "lacks the scope account" in reader.ask("DELETE", path, status=403)["detail"]
    assert Client().get(API + "webhooks/").status_code == 401
    assert Hook.objects.count() == 1


def test_who_may_not_read_has_nothing_sent_either(erika: User) -> None:
    path = f"webhooks/{Program(erika).ask('POST', 'webhooks/', HOOK, 201)['id']}/"
    message = hooks.send_test(erika, Hook.objects.get().pk).key
    keeper = Program(erika, "account")
    for method, address, body in (
        ("POST", "webhooks/", HOOK),
        ("PATCH", path, {"url": "https://elsewhere.test/"}),
        ("POST", f"{path}on/", {}),
        ("POST", f"{path}secret/", None),
        ("POST", f"{path}test/", None),
        ("POST", f"{path}messages/{message}/again/", None),
    ):
        assert "the scope read" in keeper.ask(method, address, body, 403)["detail"]
    assert Hook.objects.get().url == HOOK["url"]
    keeper.ask("POST", f"{path}off/")
    keeper.ask("DELETE", path, status=204)


def test_a_program_makes_tokens_that_may_no_more_and_last_no_longer_than_its_own(erika: User) -> None:
    program = Program(erika, "read", "account", days=2)
    made = program.ask("POST", "tokens/", {"name": "less", "scopes": ["read"], "days": 300}, 201)
    mine = ApiToken.objects.get(name="program")
    assert made["expires_at"] == mine.expires_at.isoformat()  # type: ignore[union-attr]
    assert made["token"].startswith("labbook_")
    assert made["token"] not in str(program.ask("GET", "tokens/"))
    refused = program.ask("POST", "tokens/", {"name": "more", "scopes": ["read", "admin"]}, 403)
    assert "lacks admin" in refused["detail"]
    program.ask("POST", "tokens/", {"name": "x", "scopes": ["all"]}, 409)
    program.ask("DELETE", f"tokens/{made['id']}/", status=204)
    program.ask("GET", f"tokens/{made['id']}/", status=404)
    assert program.ask("GET", "me/")["scopes"] == ["read", "account"]
    browser = Client()
    browser.force_login(erika)
    answer = browser.post(
        API + "tokens/",
        json.dumps({"name": "all", "scopes": ["read", "submit", "admin", "account"]}),
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["expires_at"]) == (201, None)


def test_views_that_a_program_keeps_are_those_of_the_page(erika: User) -> None:
    program = Program(erika)
    kept = program.ask("PUT", "views/broken%20ones/", {"filters": {"state": "incomplete", "board": ""}})
    assert kept["filters"] == {"state": "incomplete"}
    assert kept["page"].endswith("/jobs/?state=incomplete")
    browser = Client()
    browser.force_login(erika)
    assert "broken ones" in browser.get("/jobs/").content.decode()
    browser.post("/jobs/views/", {"name": "mine", "query": "submitter=erika&evil=1"})
    assert [one["filters"] for one in program.ask("GET", "views/")["views"]] == [
        {"state": "incomplete"},
        {"submitter": "erika"},
    ]
    program.ask("PUT", "views/x/", {"filters": {"colour": "red"}}, 400)
    program.ask("PUT", "views/x/", {"filters": {}}, 409)
    program.ask("DELETE", "views/mine/", status=204)
    program.ask("GET", "views/mine/", status=404)
