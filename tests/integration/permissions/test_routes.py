"""Every address, for every kind of user: what is shown and what is done. The table is in `table`."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.test import Client

from lab.eventstore.store import store
from tests.integration.permissions.own import own
from tests.integration.permissions.scene import KINDS, MARKS, Kind, Scene
from tests.integration.permissions.table import JSON, OPEN_TO_STAFF, Case, admin_paths, pages, routes

pytestmark = pytest.mark.django_db
REFUSED = (401, 403, 404)
SOME = [KINDS[first : first + 3] for first in range(0, len(KINDS), 3)]
"""Kinds of users that share a lab: to make one takes as long as some dozens of requests."""


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_every_route_is_in_the_table(scene: Scene) -> None:
    known = set(whole(scene))
    there = {route for route in routes() if not route.startswith("admin/")}
    assert there - known == set(), "say in tests/integration/permissions/table.py for whom they are"
    assert known - there == set(), "the table tells of what is no more"


@pytest.mark.parametrize("kinds", SOME, ids=lambda kinds: ", ".join(map(str, kinds)))
def test_pages_and_api_show_and_do_what_the_table_says(
    kinds: list[Kind], scene: Scene, settings: Any
) -> None:
    """What a request does is undone, so that all find the same."""
    table = whole(scene)
    wrong: list[str] = []
    for kind in kinds:
        client = _client(kind, scene, settings)
        for route, cases in table.items():
            if kind.token and not route.startswith("api/"):
                continue  # a token opens nothing but the API
            for case in cases:
                wrong += _problems(kind, case, client)
                if case.path == "logout/":
                    client = _client(kind, scene, settings)
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_admin_shows_what_the_table_says(scene: Scene, settings: Any) -> None:
    paths = [path for route in routes() if route.startswith("admin/") for path in admin_paths(route)]
    wrong: list[str] = []
    for kind in KINDS:
        client = _client(kind, scene, settings)
        for path in paths:
            status, text, _ = _asked(client, Case(path=path))
            is_thing = not OPEN_TO_STAFF.fullmatch(path)
            if status >= 500 or (status == 200 and is_thing and not _enters(kind, path)):
                wrong.append(f"GET {path}: {status} for {kind}")
            wrong += [f"GET {path}: tells {kind} of {mark!r}" for mark in _told(kind, text, path)]
    assert not wrong, "\n" + "\n".join(wrong)


def whole(scene: Scene) -> dict[str, list[Case]]:
    return pages(scene) | own(scene)


def _client(kind: Kind, scene: Scene, settings: Any) -> Client:
    settings.LABBOOK = settings.LABBOOK | {"ANONYMOUS_READ": kind.reading}
    if kind.token:
        return Client(headers={"Authorization": f"Token {scene.token(kind)}"}, raise_request_exception=False)
    client = Client(raise_request_exception=False)
    if kind.user:
        client.force_login(scene.users[kind.user])
    return client


def _enters(kind: Kind, path: str) -> bool:
    """Whether it is for this kind, as far as the address says; the marks say the rest."""
    return kind.user == "root" or (kind.user == "inge" and path.startswith("admin/devices/"))


def _problems(kind: Kind, case: Case, client: Client) -> list[str]:
    """Ask once, and undo what it did."""
    head = store.head()
    with transaction.atomic():
        status, text, where = _asked(client, case)
        moved = store.head() != head
        transaction.set_rollback(True)
    allowed = _is_allowed(kind, case)
    login = status == 302 and where.startswith("/login/")
    found = []
    if status >= 500:
        found.append(f"{case}: {status}")
    elif allowed and (status not in case.ok or login):
        found.append(f"{case}: {status} {where} though {kind} may: {text[:300]}")
    elif not (allowed or login or status in REFUSED + case.otherwise + _invalid(case)):
        found.append(f"{case}: {status} {where} though {kind} may not")
    if not allowed and moved:
        found.append(f"{case}: something was done for {kind}")
    asked = unquote(case.path) + str(case.body or "")
    found += [f"{case}: tells {kind} of {mark!r}" for mark in _told(kind, text, asked)]
    return found


def _is_allowed(kind: Kind, case: Case) -> bool:
    if case.knows and case.knows not in kind.knows:
        return False
    if case.may and case.may not in kind.may:
        return False
    return not kind.token or case.scope in kind.token.split() or case.knows == ""


def _invalid(case: Case) -> tuple[int, ...]:
    """A definition that asks for what one may not use is refused like one that asks for what is not there."""
    return (400, 422) if case.may == "submit hush" else ()


def _asked(client: Client, case: Case) -> tuple[int, str, str]:
    options: dict[str, Any] = {"headers": case.headers}
    if isinstance(case.body, str):
        options |= {"data": case.body, "content_type": JSON}
    elif case.body is not None:
        options["data"] = case.body
    answer = getattr(client, case.method)("/" + case.path, **options)
    content = async_to_sync(_streamed)(answer) if getattr(answer, "is_async", False) else answer.getvalue()
    return answer.status_code, content.decode(errors="replace"), answer.headers.get("Location", "")


async def _streamed(answer: Any) -> bytes:
    return b"".join([piece async for piece in answer.streaming_content])


def _told(kind: Kind, text: str, asked: str) -> list[str]:
    """Return the marks in an answer of what this kind may not know of, but for what was in the question."""
    return [
        mark
        for mark, thing in MARKS.items()
        if thing not in kind.knows and mark in text and mark not in asked
    ]
