"""All that the site offers, and for whom: one row for each address and method.

A row names what must be known of to be shown it, or what must be allowed to do it (see `scene.Kind`). Every
route that there is must be in `PAGES` (or among the admin's, which `admin_paths` makes up); who adds one says
here for whom it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from tests.integration.permissions.scene import (
    CLOSED_TYPE,
    HIDDEN,
    HUSH,
    JOBS,
    PRIVATE,
    PUBLIC,
    RUN,
    VEILED,
    WAITING,
    Scene,
)
from tests.support.jobs import definition

READER, ANYONE = "anything", ""
"""Whoever may read at all; and everybody, also where reading is off."""
JSON = "application/json"
LISTS = {"use": ["nobody"], "handle": ["nobody"], "administer": ["user:ada", "user:inge"]}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request."""

    path: str
    method: str = "get"
    knows: str = READER
    """What must be known of to be answered."""
    may: str = ""
    """What must be allowed, besides."""
    body: Any = None
    """A form; or the text of a JSON body."""
    scope: str = "read"
    """The scope that a token needs."""
    ok: tuple[int, ...] = (200, 201, 202)
    """How it is answered to those."""
    otherwise: tuple[int, ...] = ()
    """How it may be answered to others, besides as a refusal."""
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


def routes() -> dict[str, URLPattern]:
    """Return every route that there is, by its pattern."""
    return dict(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for one in patterns:
        text = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _walk(one.url_patterns, text)
        else:
            yield text, one


# -- pages and API -------------------------------------------------------------------------------


def pages(scene: Scene) -> dict[str, list[Case]]:
    """Return what is asked of each route outside the admin, by the route's pattern."""
    api = {f"api/v1/{route}": cases for route, cases in _api(scene).items()}
    return _html(scene) | api


def _html(scene: Scene) -> dict[str, list[Case]]:
    number = scene.jobs
    public, hidden, private = number[PUBLIC], number[HIDDEN], number[PRIVATE]
    trend = "trends/?node=guest&suite=smoke&case=case-{0}&name={0}"
    return {
        "": [Case(path="")],
        "jobs/": [Case(path="jobs/"), Case(path="jobs/?sort=oldest"), Case(path="jobs/?q=mark")]
        + [
            Case(path=f"jobs/?q={number[job]}", knows=job, ok=(302,), otherwise=(200,))
            for job in (PUBLIC, HIDDEN)
        ],
        "jobs/views/": [_form("jobs/views/", "log in", {"name": "x", "query": "q=x"})],
        "jobs/<int:job_id>/": _jobs(number, "jobs/{}/", JOBS),
        "jobs/<int:job_id>/definition": _jobs(number, "jobs/{}/definition")
        + _jobs(number, "jobs/{}/definition?raw=1"),
        "jobs/<int:job_id>/nodes/<int:node>/console.log": _jobs(number, "jobs/{}/nodes/0/console.log"),
        "jobs/<int:job_id>/nodes/<int:node>/console.cast": _jobs(number, "jobs/{}/nodes/0/console.cast"),
        "jobs/<int:job_id>/replay/": _jobs(number, "jobs/{}/replay/"),
        "jobs/<int:job_id>/cancel": [
            _form(f"jobs/{number[WAITING]}/cancel", "cancel own", {"reason": "x"}),
            _form(f"jobs/{hidden}/cancel", "cancel hidden", {"reason": "x"}, HIDDEN),
        ],
        "jobs/<int:job_id>/hold": [
            _form(f"jobs/{hidden}/hold", "console hidden", {"minutes": "10"}, HIDDEN),
        ],
        "jobs/<int:job_id>/release": [_form(f"jobs/{hidden}/release", "console hidden", {}, HIDDEN)],
        "jobs/<int:job_id>/resubmit": [
            Case(path=f"jobs/{number[job]}/resubmit", knows=job, may="log in") for job in RUN
        ]
        + [
            _form(f"jobs/{public}/resubmit", "submit", _definition("again")),
            _form(f"jobs/{hidden}/resubmit", "submit hush", _definition("again", "hushhush"), HIDDEN),
        ],
        "jobs/<int:job_id>/compare/": [],  # it leads to the next one
        "compare/": [Case(path=f"compare/?job={public}&job={hidden}", knows=ANYONE, ok=(302,))],
        "compare/<int:a>/<int:b>/": [
            Case(path=f"compare/{public}/{public}/", knows=PUBLIC),
            Case(path=f"compare/{public}/{hidden}/", knows=HIDDEN),
            Case(path=f"compare/{private}/{public}/", knows=PRIVATE),
        ],
        "trends/": [
            Case(path=trend.format("mark-public"), knows=PUBLIC),
            Case(path=trend.format("mark-private"), knows=PRIVATE),
        ],
        "submit/": [
            Case(path="submit/", may="log in"),
            _form("submit/", "submit", _definition("new")),
            _form("submit/", "submit hush", _definition("new", "hushhush")),
        ],
        "boards/": [Case(path="boards/")],
        "boards/<str:name>/": [
            Case(path=f"boards/{name}/", knows=knows)
            for name, knows in {"alpha": READER, "hush": HUSH, "veiled": VEILED}.items()
        ],
        "boards/<str:name>/console/": _consoles("boards/{}/console/"),
        "boards/<str:name>/console/<int:errand>.cast": [
            _at_console(f"boards/{name}/console/{errand}.cast", name)
            for name, errand in scene.sittings.items()
        ],
        "boards/<str:name>/do/<slug:key>": [
            _form("boards/alpha/do/online", "handle alpha", {"reason": "x"}),
            _form("boards/hush/do/offline", "handle hush", {"reason": "x"}, HUSH),
        ],
        "types/": [Case(path="types/")],
        "types/<str:name>/": _types("types/{}/"),
        "login/": [Case(path="login/", knows=ANYONE, ok=(200, 302))],
        "logout/": [Case(path="logout/", method="post", knows=ANYONE, ok=(302,))],
        "profile/": [
            Case(path="profile/", knows=ANYONE, may="log in"),
            _form("profile/", "log in", {"name": "x", "scopes": ["read"], "days": "3"}, ANYONE),
        ],
        "profile/tokens/<int:token>/revoke": [_form("profile/tokens/1/revoke", "log in", {}, ANYONE)],
    }


def _api(scene: Scene) -> dict[str, list[Case]]:
    number = scene.jobs
    public, hidden, private = number[PUBLIC], number[HIDDEN], number[PRIVATE]
    trend = "trends/?node=guest&suite=smoke&case=case-{0}&name={0}"
    reason = {"reason": "for the test"}
    found = {
        "": [Case(path=""), Case(path="nowhere/", knows=ANYONE, ok=(404,))],
        "events/": [Case(path="events/?limit=5000")],
        "validate/": [_send("validate/", "log in", _text("x", "hushhush"), scope="submit")],
        "availability/": [Case(path="availability/")],
        "jobs/": [
            Case(path="jobs/"),
            Case(path="jobs/?text=mark&order=oldest"),
            _send("jobs/", "submit", _text("new"), scope="submit"),
            _send("jobs/", "submit hush", _text("new", "hushhush"), scope="submit"),
        ],
        "jobs/<number:number>/": _jobs(number, "jobs/{}/", JOBS),
        "jobs/<number:number>/definition/": _jobs(number, "jobs/{}/definition/"),
        "jobs/<number:number>/events/": _jobs(number, "jobs/{}/events/"),
        "jobs/<number:number>/results/": _jobs(number, "jobs/{}/results/"),
        "jobs/<number:number>/results.<report:form>": _jobs(number, "jobs/{}/results.tap"),
        "jobs/<number:number>/document/": _jobs(number, "jobs/{}/document/"),
        "jobs/<number:number>/cancel/": [
            _send(f"jobs/{number[WAITING]}/cancel/", "cancel own", reason, scope="submit"),
            _send(f"jobs/{hidden}/cancel/", "cancel hidden", reason, HIDDEN, scope="submit"),
        ],
        "jobs/<number:number>/hold/": [
            _send(f"jobs/{hidden}/hold/", "console hidden", {"seconds": 600}, HIDDEN, scope="submit"),
            _send(f"jobs/{hidden}/hold/", "console hidden", "", HIDDEN, scope="submit", method="delete"),
        ],
        "jobs/<number:number>/nodes/<number:index>/keyboard/": [
            _send(f"jobs/{hidden}/nodes/1/keyboard/", "console hidden", "", HIDDEN, scope="submit"),
            # Nobody has it: giving it back does nothing, for whom ever.
            Case(
                path=f"jobs/{hidden}/nodes/1/keyboard/",
                method="delete",
                knows=HIDDEN,
                may="log in",
                scope="submit",
                ok=(204,),
            ),
        ],
        "jobs/<number:number>/nodes/<number:index>/keyboard/keys/": [
            _send(
                f"jobs/{hidden}/nodes/1/keyboard/keys/",
                "console hidden",
                {"ticket": 1, "text": "x"},
                HIDDEN,
                scope="submit",
                ok=(409,),  # it is not theirs
            ),
        ],
        "jobs/<number:number>/search/": _jobs(number, "jobs/{}/search/?text=mark"),
        "jobs/<number:number>/resubmit/": [
            _send(f"jobs/{public}/resubmit/", "submit", _text("again"), scope="submit"),
            _send(
                f"jobs/{hidden}/resubmit/", "submit hush", _text("again", "hushhush"), HIDDEN, scope="submit"
            ),
        ],
        "jobs/<number:number>/nodes/<number:index>/console/": _jobs(number, "jobs/{}/nodes/0/console/"),
        "jobs/<number:number>/attachments/<str:sha256>/": [
            Case(path=f"jobs/{number[job]}/attachments/{scene.attachments[job]}/", knows=job) for job in RUN
        ],
        "compare/<number:a>/<number:b>/": [
            Case(path=f"compare/{public}/{hidden}/", knows=HIDDEN),
            Case(path=f"compare/{private}/{public}/", knows=PRIVATE),
        ],
        "trends/": [
            Case(path=trend.format("mark-public"), knows=PUBLIC),
            Case(path=trend.format("mark-private"), knows=PRIVATE),
        ],
        "boards/": [
            Case(path="boards/"),
            Case(path="boards/?retired=1&text=us"),
            _send("boards/", "register", {"name": "new", "device_type": "bench"}, scope="admin"),
        ],
        "boards/<str:name>/": _boards("boards/{}/")
        + _change("boards/{}/", "patch", "administer", {"description": "x"}),
        "boards/<str:name>/history/": _boards("boards/{}/history/"),
        "boards/<str:name>/reservations/": _boards("boards/{}/reservations/"),
        "boards/<str:name>/offline/": _change("boards/{}/offline/", "post", "handle", {"reason": "sand"}),
        "boards/<str:name>/online/": _change("boards/{}/online/", "post", "handle", reason, (200, 409)),
        "boards/<str:name>/release/": _change("boards/{}/release/", "post", "handle", reason, (200, 409)),
        "boards/<str:name>/clone/": [
            _send("boards/alpha/clone/", "register", {"name": "new"}, scope="admin"),
            _send("boards/hush/clone/", "register", {"name": "new"}, HUSH, scope="admin"),
        ],
        "boards/<str:name>/errands/": _boards("boards/{}/errands/")
        + _change("boards/{}/errands/", "post", "handle", {"what": "test"}, (202, 409)),
        "inventory/": [Case(path="inventory/")]
        + [
            _send(
                "inventory/",
                f"administer {name}",
                {"text": f"inventory: 1\nboards: {{{name}: {{description: new, config: {{}}}}}}"},
                knows,
                scope="admin",
                otherwise=(200,),
            )
            for name, knows in {"alpha": READER, "hush": HUSH}.items()
        ],
        "boards/<str:name>/console/": [
            _send(
                f"boards/{name}/console/",
                f"console {name}",
                "",
                knows,
                scope="admin",
                method=method,
                ok=(201, 204, 409),
            )
            for name, knows in {"alpha": READER, "hush": HUSH}.items()
            for method in ("post", "delete")
        ],
        "boards/<str:name>/console/keys/": [
            _send(
                f"boards/{name}/console/keys/",
                f"console {name}",
                {"errand": errand, "text": "x"},
                {"alpha": READER, "hush": HUSH}[name],
                scope="admin",
                ok=(202, 409),
            )
            for name, errand in scene.sittings.items()
        ],
        **{
            f"boards/<str:name>/console/<number:errand>{end}": [
                _at_console(f"boards/{name}/console/{errand}{end}", name)
                for name, errand in scene.sittings.items()
            ]
            for end in ("/", ".cast")
        },
        "boards/<str:name>/retire/": _change("boards/{}/retire/", "post", "administer", reason, (200, 409)),
        "boards/<str:name>/health/": _change("boards/{}/health/", "post", "handle", {"health": "good"}),
        "boards/<str:name>/health-check/": _change(
            "boards/{}/health-check/", "post", "handle", reason, (409,)
        ),
        "boards/<str:name>/power/": _change("boards/{}/power/", "post", "handle", {"action": "on"}, (409,)),
        "boards/<str:name>/access/": _boards("boards/{}/access/")
        + _change("boards/{}/access/", "put", "administer", {"access": LISTS}),
        "device-types/": [
            Case(path="device-types/"),
            Case(path="device-types/?retired=1"),
            _send("device-types/", "register", {"name": "new", "kind": "board"}, scope="admin"),
        ],
        "device-types/<str:name>/": _types("device-types/{}/")
        + _type_changes("device-types/{}/", "patch", {"description": "x"}),
        "device-types/<str:name>/history/": _types("device-types/{}/history/"),
        "device-types/<str:name>/access/": _types("device-types/{}/access/")
        + _type_changes("device-types/{}/access/", "put", {"access": LISTS}),
        "device-types/<str:name>/retire/": _type_changes(
            "device-types/{}/retire/", "post", reason, (200, 409)
        ),
        "images/": [
            Case(path="images/"),
            Case(path="images/", method="post", may="upload", scope="admin", ok=(400,), body={"name": ["x"]}),
        ],
        "images/<str:name>/": [
            Case(path="images/guest/"),
            Case(path="images/guest/", method="put", may="upload", scope="admin", body="new bytes"),
        ],
        "images/<str:name>/content/": [Case(path="images/guest/content/", may="log in")],
        "schema/": [Case(path="schema/", knows=ANYONE)],
        "docs/": [Case(path="docs/", knows=ANYONE)],
    }
    return {route: [_below("api/v1/", one) for one in cases] for route, cases in found.items()}


def _below(prefix: str, one: Case) -> Case:
    return Case(**{**vars(one), "path": prefix + one.path})


def _jobs(numbers: dict[str, int], path: str, jobs: tuple[str, ...] = RUN) -> list[Case]:
    return [Case(path=path.format(numbers[job]), knows=job) for job in jobs]


def _boards(path: str) -> list[Case]:
    known = {"alpha": READER, "hush": HUSH, "veiled": VEILED}
    return [Case(path=path.format(name), knows=knows) for name, knows in known.items()]


def _consoles(path: str) -> list[Case]:
    return [_at_console(path.format(name), name) for name in ("alpha", "hush")]


def _at_console(path: str, board: str) -> Case:
    return Case(path=path, knows={"alpha": READER, "hush": HUSH}[board], may=f"console {board}")


def _types(path: str) -> list[Case]:
    known = {"bench": READER, "kvm": READER, "hushhush": CLOSED_TYPE}
    return [Case(path=path.format(name), knows=knows) for name, knows in known.items()]


def _change(
    path: str, method: str, right: str, body: dict[str, Any], ok: tuple[int, ...] = (200,)
) -> list[Case]:
    return [
        _send(path.format(name), f"{right} {name}", body, knows, scope="admin", method=method, ok=ok)
        for name, knows in {"alpha": READER, "hush": HUSH}.items()
    ]


def _type_changes(path: str, method: str, body: dict[str, Any], ok: tuple[int, ...] = (200,)) -> list[Case]:
    return [
        _send(path.format(name), "administer types", body, knows, scope="admin", method=method, ok=ok)
        for name, knows in {"bench": READER, "hushhush": CLOSED_TYPE}.items()
    ]


def _form(path: str, may: str, body: dict[str, Any], knows: str = READER) -> Case:
    return Case(path=path, method="post", may=may, body=body, knows=knows, ok=(200, 302))


def _send(
    path: str,
    may: str,
    body: dict[str, Any] | str,
    knows: str = READER,
    *,
    scope: str,
    method: str = "post",
    ok: tuple[int, ...] = (200, 201, 202),
    otherwise: tuple[int, ...] = (),
) -> Case:
    text = body if isinstance(body, str) else json.dumps(body)
    return Case(
        path=path,
        method=method,
        may=may,
        body=text,
        knows=knows,
        scope=scope,
        ok=ok,
        otherwise=otherwise,
        headers={"If-Match": "*"},
    )


def _text(name: str, host_type: str = "bench") -> str:
    return definition(name, host_type=host_type)


def _definition(name: str, host_type: str = "bench") -> dict[str, Any]:
    return {"definition": _text(name, host_type)}


# -- the admin -----------------------------------------------------------------------------------

OPEN_TO_STAFF = re.compile(r"admin/(|login/|logout/|password_change/(done/)?|jsi18n/|autocomplete/)")
"""What is no thing of the lab; the rest needs a permission, or a right on the very thing."""
OBJECTS = {
    "devices/board": ("hush", "alpha"),
    "devices/devicetype": ("hushhush", "bench"),
    "images/image": ("guest",),
}


def admin_paths(route: str) -> list[str]:
    """Return addresses that a route of the admin stands for. `KeyError`: a part is not known."""
    if "(?P" in route:
        return ["admin/devices/", "admin/nowhere"] if "app_label" in route or "url" in route else []
    model = "/".join(route.split("/")[1:3])
    parts = {"content_type_id": ("1",), "id": ("1",), "key": ("offline", "delete")}
    parts["object_id"] = OBJECTS.get(model, ("1",))
    found = [route]
    for kind, name in re.findall(r"<(?:(\w+):)?(\w+)>", route):
        shape = f"<{kind}:{name}>" if kind else f"<{name}>"
        found = [one.replace(shape, value) for one in found for value in parts[name]]
    return found
