"""Addresses that `table` has no room for: above all what is a user's own, not even the superuser's."""

from __future__ import annotations

from typing import Any

from tests.integration.permissions.scene import RUN, Scene
from tests.integration.permissions.table import ANYONE, Case, _below, _form, _send

HOOK = {"name": "new", "url": "https://hook.test/"}
TOKEN = {"name": "x", "scopes": ["read"]}


def own(scene: Scene) -> dict[str, list[Case]]:
    """Return what is asked of each route about one's own things, by the route's pattern."""
    api = {
        f"api/v1/{route}": [_below("api/v1/", one) for one in cases] for route, cases in _api(scene).items()
    }
    html = {f"profile/webhooks/{route}": cases for route, cases in _html(scene).items()}
    return html | api


def _html(scene: Scene) -> dict[str, list[Case]]:
    page = f"profile/webhooks/{scene.hook}/"
    filled = HOOK | {"common": ["job.finished"], "whose": "mine"}
    return {
        "": [
            Case(path="profile/webhooks/", knows=ANYONE, may="log in"),
            _form("profile/webhooks/", "log in", filled, ANYONE),
        ],
        "<int:hook>/": [Case(path=page, may="be erika"), _form(page, "be erika", filled)],
        "<int:hook>/test": [_form(f"{page}test", "be erika", {})],
        "<int:hook>/switch": [_form(f"{page}switch", "be erika", {"to": "off"})],
        "<int:hook>/secret": [_form(f"{page}secret", "be erika", {})],
        "<int:hook>/remove": [_form(f"{page}remove", "be erika", {})],
        "<int:hook>/messages/<str:key>/": [Case(path=f"{page}messages/{scene.message}/", may="be erika")],
        "<int:hook>/messages/<str:key>/again": [
            _form(f"{page}messages/{scene.message}/again", "be erika", {})
        ],
    }


def _api(scene: Scene) -> dict[str, list[Case]]:
    hook = f"webhooks/{scene.hook}/"
    message = f"{hook}messages/{scene.message}/"
    return {
        "jobs/<number:number>/nodes/<number:index>/console.cast": [
            Case(path=f"jobs/{scene.jobs[job]}/nodes/0/console.cast", knows=job) for job in RUN
        ],
        "images/<str:name>/history/": [Case(path="images/guest/history/")],
        "images/<str:name>/retire/": [
            _send("images/guest/retire/", "upload", {"reason": "old"}, scope="admin")
        ],
        "me/": [Case(path="me/", may="log in")],
        "tokens/": [Case(path="tokens/", may="log in"), _mine("tokens/", TOKEN, "log in")],
        # Whose token it is tells its number, which nobody knows: it is somebody else's, or gone.
        "tokens/<number:token>/": [
            Case(path=f"tokens/{10**6}/", may="log in", ok=(404,)),
            _mine(f"tokens/{10**6}/", {}, "log in", method="delete", ok=(404,)),
        ],
        "views/": [Case(path="views/", may="log in")],
        "views/<str:view>/": [
            Case(path="views/hers/", may="be erika"),
            _mine("views/new/", {"filters": {"q": "x"}}, "log in", method="put"),
            _mine("views/new/", {}, "log in", method="delete", ok=(204,)),
        ],
        "webhooks/": [Case(path="webhooks/", may="log in"), _mine("webhooks/", HOOK, "log in")],
        "webhooks/<number:hook>/": [
            Case(path=hook, may="be erika"),
            _mine(hook, {"name": "other"}, method="patch"),
            _mine(hook, {}, method="delete", ok=(204,)),
        ],
        "webhooks/<number:hook>/on/": [_mine(f"{hook}on/", {})],
        "webhooks/<number:hook>/off/": [_mine(f"{hook}off/", {})],
        "webhooks/<number:hook>/secret/": [_mine(f"{hook}secret/", {})],
        "webhooks/<number:hook>/test/": [_mine(f"{hook}test/", {})],
        "webhooks/<number:hook>/messages/": [Case(path=f"{hook}messages/", may="be erika")],
        "webhooks/<number:hook>/messages/<str:message>/": [Case(path=message, may="be erika")],
        "webhooks/<number:hook>/messages/<str:message>/again/": [
            _mine(f"{message}again/", {}, ok=(202, 409))
        ],
    }


def _mine(path: str, body: dict[str, Any], may: str = "be erika", **more: Any) -> Case:
    return _send(path, may, body, scope="account", **more)
