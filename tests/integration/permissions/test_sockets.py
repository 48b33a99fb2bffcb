"""Every websocket, for every kind of user: what it sends, and whom it turns away."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from django.test import Client
from websockets.exceptions import ConnectionClosed

from jobs.routing import urlpatterns
from tests.integration.permissions.scene import HIDDEN, HUSH, JOBS, KINDS, MARKS, RUN, Kind, Scene
from tests.integration.permissions.table import READER
from tests.support.databases import Database
from tests.support.web import WebServer

PATIENCE = 30.0
LOG_IN, NOT_YOURS, NOT_NOW, NO_SUCH_JOB = 4401, 4403, 4409, 4404


@dataclass(frozen=True, kw_only=True)
class Case:
    """One socket: what must be known of, and what must be allowed, for it to stay open."""

    path: str
    knows: str = READER
    may: str = ""
    for_programs: bool = False
    """Whether a token opens it."""


def table(scene: Scene) -> dict[str, list[Case]]:
    """Return what is opened of each route, by the route's pattern."""
    hidden = scene.jobs[HIDDEN]
    return {
        "ws/jobs/<int:job>/": [
            Case(path=f"ws/jobs/{scene.jobs[job]}/?console=0:0", knows=job) for job in RUN
        ],
        "ws/jobs/<int:job>/nodes/<int:node>/keyboard/": [
            Case(path=f"ws/jobs/{hidden}/nodes/1/keyboard/", knows=HIDDEN, may="console hidden")
        ],
        "ws/boards/<str:board>/console/": [
            Case(path="ws/boards/alpha/console/?sit=1", may="console alpha"),
            Case(path="ws/boards/hush/console/?sit=1", knows=HUSH, may="console hush"),
        ],
        "ws/feed/": [Case(path="ws/feed/?after=0", for_programs=True)],
        "ws/events/": [Case(path="ws/events/?after=0")],
    }


def test_sockets_show_what_the_table_says(sqlite_database: Database, tmp_path: Path) -> None:
    scene = Scene()
    cases = table(scene)
    there = {str(route.pattern) for route in urlpatterns}
    assert set(cases) == there, "say in the table for whom each socket is"
    wrong: list[str] = []
    typed: set[str] = set()
    with (
        WebServer(sqlite_database.url, tmp_path / "open.log") as open_lab,
        WebServer(sqlite_database.url, tmp_path / "closed.log", LABBOOK_ANONYMOUS_READ="no") as closed_lab,
    ):
        for kind in KINDS:
            headers = _headers(kind, scene)
            for case in (one for found in cases.values() for one in found):
                if case.for_programs or not kind.token:
                    code, text = _first(open_lab if kind.reading else closed_lab, case.path, headers)
                    wrong += _judged(kind, case, code, text, scene)
                    if '"taken"' in text:
                        typed.add(kind.user)
    assert not wrong, "\n" + "\n".join(wrong)
    assert "kim" in typed, "that keyboards can be taken at all"


def _headers(kind: Kind, scene: Scene) -> dict[str, str]:
    if kind.token:
        return {"Authorization": f"Token {scene.token(kind)}"}
    if not kind.user:
        return {}
    client = Client()
    client.force_login(scene.users[kind.user])
    return {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}


def _first(web: WebServer, path: str, headers: dict[str, str]) -> tuple[int | None, str]:
    """Return with which code it is closed, if it is, and what comes first, or why it is closed."""
    with web.connect(path, additional_headers=headers) as socket:
        try:
            return None, str(socket.recv(PATIENCE))
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (0, "it broke off")


def _judged(kind: Kind, case: Case, code: int | None, text: str, scene: Scene) -> list[str]:
    wrong = []
    if (expected := _expected(kind, case)) != code and not (expected is None and code == NOT_NOW):
        wrong.append(f"{case.path}: {code} {text[:100]} for {kind}, not {expected}")
    for mark, thing in MARKS.items():
        if thing not in kind.knows and mark in text:
            wrong.append(f"{case.path}: tells {kind} of {mark!r}")
    if code is None and case.path.startswith("ws/events/"):
        hidden = {scene.jobs[job] for job in JOBS if job not in kind.knows}
        if told := hidden & set(json.loads(text)["jobs"]):
            wrong.append(f"{case.path}: tells {kind} of the jobs {told}")
    return wrong


def _expected(kind: Kind, case: Case) -> int | None:
    """Return the code with which it is closed; None: it stays open."""
    is_visitor = not kind.user or kind.user == "olga"
    if kind.token and "read" not in kind.token.split():
        return LOG_IN
    if is_visitor and not kind.reading:
        return LOG_IN
    if case.knows not in kind.knows:
        return NO_SUCH_JOB
    return None if not case.may or case.may in kind.may else NOT_YOURS
