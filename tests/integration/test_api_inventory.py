"""Boards and device types by the REST API: seen, handled, changed without losing anybody's change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from devices import board_commands, queries, type_commands
from lab.tokens.models import make_token
from tests.support.jobs import add_board, make_inventory, make_user, started

pytestmark = pytest.mark.django_db
BOARDS = "/api/v1/boards/"
TYPES = "/api/v1/device-types/"


@pytest.fixture
def keeper() -> User:
    """May view and change boards and types, and register them."""
    make_inventory("alpha", "beta")
    add_board("gamma", tags=["usb", "fast"])
    user = make_user("keeper")
    wanted = [f"{do}_{what}" for do in ("add", "change", "view") for what in ("board", "devicetype")]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    return user


@pytest.fixture
def api(keeper: User) -> Client:
    return program(keeper)


def program(user: User, *scopes: str) -> Client:
    token = make_token(user, "test", scopes=scopes or ("read", "submit", "admin"))
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Token {token}"})


def send(api: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return api.generic(
        method,
        path,
        "" if body is None else json.dumps(body),
        content_type="application/json",
        headers=headers,
    )


def names(answer: Any) -> list[str]:
    return [one["name"] for one in answer.json()["boards"]]


def test_boards_are_listed_filtered_and_cut_into_pages(api: Client) -> None:
    assert names(api.get(BOARDS)) == ["alpha", "beta", "gamma"]
    assert names(api.get(f"{BOARDS}?tag=usb")) == ["gamma"]
    assert names(api.get(f"{BOARDS}?text=ET")) == ["beta"]
    assert names(api.get(f"{BOARDS}?state=offline")) == []
    assert names(api.get(f"{BOARDS}?device_type=bench&site=default&health=unknown")) == names(api.get(BOARDS))
    first = api.get(f"{BOARDS}?limit=2")
    assert names(first) == ["alpha", "beta"]
    second = api.get(first.json()["next"])
    assert names(second) == ["gamma"]
    assert second.json()["next"] is None
    wrong = api.get(f"{BOARDS}?sate=free")
    assert (wrong.status_code, "did you mean" in wrong.json()["detail"]) == (400, True)


def test_a_board_tells_its_configuration_only_to_who_keeps_boards(api: Client, keeper: User) -> None:
    told = api.get(f"{BOARDS}alpha/").json()
    assert told["state"] == "free"
    assert told["config"] == {}
    (host,) = [one for one in told["effective"] if one["path"] == "ssh.host"]
    assert (host["value"], host["source"]) == ("192.0.2.1", "device type bench")
    assert told["problems"] == []
    stranger = program(make_user("stranger")).get(f"{BOARDS}alpha/").json()
    assert (stranger["config"], stranger["effective"], stranger["problems"]) == (None, None, None)
    board_commands.change_board("alpha", config={"work_dir": "/tmp/secret"}, actor="lab")
    for user, shown in ((keeper, True), (User.objects.get(username="stranger"), False)):
        text = program(user).get(f"{BOARDS}alpha/history/").content.decode()
        assert ("/tmp/secret" in text) is shown
        assert "changed config" in text


def test_a_change_says_what_it_is_based_on_and_never_overwrites_one_of_somebody_else(api: Client) -> None:
    seen = api.get(f"{BOARDS}alpha/")
    tag = seen.headers["ETag"]
    blind = send(api, "PATCH", f"{BOARDS}alpha/", {"description": "mine"})
    assert blind.status_code == 428
    assert "If-Match" in blind.json()["detail"]
    board_commands.change_board("alpha", tags=["theirs"], actor="lab")
    late = send(api, "PATCH", f"{BOARDS}alpha/", {"description": "mine"}, **{"If-Match": tag})
    assert late.status_code == 412
    assert late.json()["type"] == "urn:labbook:problem:edited-meanwhile"
    assert "lab changed its tags" in late.json()["detail"]
    tag = api.get(f"{BOARDS}alpha/").headers["ETag"]
    done = send(
        api, "PATCH", f"{BOARDS}alpha/", {"description": "mine", "reason": "why"}, **{"If-Match": tag}
    )
    assert (done.status_code, done.json()["description"], done.json()["tags"]) == (200, "mine", ["theirs"])
    assert done.headers["ETag"] != tag
    (newest, *_) = api.get(f"{BOARDS}alpha/history/?limit=1").json()["history"]
    assert (newest["who"], newest["cause"], newest["why"]) == ("keeper", "api", "why")
    for wrong, status in (('"999"', 412), ("nonsense", 400)):
        answer = send(api, "PATCH", f"{BOARDS}alpha/", {"description": "x"}, **{"If-Match": wrong})
        assert answer.status_code == status
    assert send(api, "PATCH", f"{BOARDS}alpha/", {"tags": []}, **{"If-Match": "*"}).json()["tags"] == []


def test_jobs_that_come_and_go_do_not_spoil_a_change(api: Client, keeper: User) -> None:
    tag = api.get(f"{BOARDS}alpha/").headers["ETag"]
    number, _ = started(keeper)
    board = next(one.name for one in queries.board_list() if one.held_by_job == number)
    assert board == "alpha"
    done = send(api, "PATCH", f"{BOARDS}alpha/", {"description": "mine"}, **{"If-Match": tag})
    assert done.status_code == 200
    (held,) = api.get(f"{BOARDS}alpha/reservations/").json()["reservations"]
    assert (held["job"], held["until"]) == (number, None)


def test_a_wrong_configuration_is_told_problem_by_problem(api: Client) -> None:
    answer = send(
        api, "PATCH", f"{BOARDS}alpha/", {"config": {"ssh": {"port": "x", "hots": 1}}}, **{"If-Match": "*"}
    )
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:labbook:problem:invalid-configuration"
    assert {one["path"] for one in answer.json()["problems"]} == {"ssh.port", "ssh.hots"}
    assert send(api, "PATCH", f"{BOARDS}alpha/", {"config": "a: [b"}, **{"If-Match": "*"}).status_code == 400
    odd = send(api, "PATCH", f"{BOARDS}alpha/", {"tag": ["x"]}, **{"If-Match": "*"})
    assert "did you mean" in odd.json()["detail"]


def test_boards_are_handled_for_reasons(api: Client) -> None:
    blank = send(api, "POST", f"{BOARDS}alpha/offline/", {})
    assert (blank.status_code, "Say why" in blank.json()["detail"]) == (409, True)
    off = send(api, "POST", f"{BOARDS}alpha/offline/", {"reason": "new fan"})
    assert (off.status_code, off.json()["state"]) == (200, "offline")
    on = send(api, "POST", f"{BOARDS}alpha/online/")
    assert (on.status_code, on.json()["state"]) == (200, "free")
    bad = send(api, "POST", f"{BOARDS}alpha/health/", {"health": "bad", "reason": "smells"})
    assert (bad.json()["state"], bad.json()["health_reason"]) == ("unhealthy", "smells")
    power = send(api, "POST", f"{BOARDS}alpha/power/", {"action": "on"})
    assert power.status_code == 409
    assert "has no power switch" in power.json()["detail"]
    assert send(api, "POST", f"{BOARDS}alpha/power/", {"action": "up"}).status_code == 400
    may_not = send(api, "POST", f"{BOARDS}alpha/retire/", {"reason": "old"})
    assert (may_not.status_code, "devices.delete_board" in may_not.json()["detail"]) == (403, True)
    assert send(api, "POST", f"{BOARDS}none/offline/", {"reason": "x"}).status_code == 404


def test_boards_and_types_are_registered(api: Client) -> None:
    made = send(api, "POST", TYPES, {"name": "bench-2", "kind": "board", "base": "bench"})
    assert (made.status_code, made.json()["chain"]) == (201, ["bench-2", "bench"])
    made = send(
        api, "POST", BOARDS, {"name": "delta", "device_type": "bench-2", "config": "work_dir: /tmp/d"}
    )
    assert (made.status_code, made.json()["config"]) == (201, {"work_dir": "/tmp/d"})
    assert made.headers["Location"] == "http://testserver/api/v1/boards/delta/"
    assert api.get(made.headers["Location"]).json() == made.json()
    again = send(api, "POST", BOARDS, {"name": "delta", "device_type": "bench-2"})
    assert again.status_code == 409
    assert (
        send(api, "POST", BOARDS, {"name": "epsilon"}).json()["detail"].startswith("device_type is missing")
    )


def test_types_are_listed_changed_and_retired(api: Client, keeper: User) -> None:
    found = api.get(TYPES).json()["device_types"]
    assert [(one["name"], one["kind"], one["boards"]) for one in found] == [
        ("bench", "board", ["alpha", "beta", "gamma"]),
        ("kvm", "vm", []),
    ]
    assert [one["name"] for one in api.get(f"{TYPES}?kind=vm").json()["device_types"]] == ["kvm"]
    tag = api.get(f"{TYPES}kvm/").headers["ETag"]
    type_commands.change_device_type("kvm", description="theirs", actor="lab")
    late = send(api, "PATCH", f"{TYPES}kvm/", {"description": "mine"}, **{"If-Match": tag})
    assert (late.status_code, "lab changed its description" in late.json()["detail"]) == (412, True)
    tag = api.get(f"{TYPES}kvm/").headers["ETag"]
    done = send(api, "PATCH", f"{TYPES}kvm/", {"description": "mine"}, **{"If-Match": tag})
    assert (done.status_code, done.json()["description"]) == (200, "mine")
    assert api.get(f"{TYPES}kvm/history/").json()["history"][0]["text"] == "changed description"
    assert send(api, "POST", f"{TYPES}kvm/retire/", {"reason": "old"}).status_code == 403


def test_a_token_changes_the_inventory_only_with_the_scope_for_that(keeper: User) -> None:
    api = program(keeper, "read", "submit")
    assert api.get(f"{BOARDS}alpha/").status_code == 200
    for path in (f"{BOARDS}alpha/offline/", BOARDS, TYPES, "/api/v1/images/", f"{BOARDS}alpha/power/"):
        refused = send(api, "POST", path, {"reason": "x"})
        assert refused.status_code == 403
        assert refused.json()["detail"].endswith("it lacks the scope admin.")
    assert send(api, "PATCH", f"{BOARDS}alpha/", {"tags": []}).status_code == 403


def test_without_permission_nothing_is_changed(keeper: User) -> None:
    stranger = program(make_user("stranger"))
    refused = send(stranger, "POST", f"{BOARDS}alpha/offline/", {"reason": "fun"})
    assert refused.status_code == 403
    assert "devices.change_board" in refused.json()["detail"]
    assert send(Client(), "POST", f"{BOARDS}alpha/offline/", {"reason": "fun"}).status_code == 401
    assert queries.board("alpha").free
