"""Looking for a text in the consoles of a job."""

from __future__ import annotations

import pytest
from django.test import Client

from jobs import console_log, console_search
from tests.support.jobs import definition, make_inventory, make_user, started, submit

pytestmark = pytest.mark.django_db
JOB = 1


def printed(node: int, *pieces: bytes) -> None:
    console_log.append(JOB, [(node, piece, 1.0) for piece in pieces])


def found(text: str, *nodes: int) -> dict[int, tuple[int, list[int]]]:
    return {one.node: (one.count, one.lines) for one in console_search.search(JOB, nodes or (0, 1), text)}


def test_lines_are_found_by_number_on_every_node() -> None:
    printed(0, b"one\r\ntwo needle needle\r\n", b"three\r\nNEE", b"DLE in two pieces\r\nlast nee")
    printed(1, b"nothing here\r\n")
    assert found("Needle") == {0: (2, [1, 3]), 1: (0, [])}
    assert found("last nee", 0) == {0: (1, [4])}


def test_what_a_page_does_not_show_does_not_hide_it() -> None:
    printed(0, "\x1b[32mgr\x1b[0müße\r\n".encode(), b"\xff\xfe needle\n")
    assert found("grüße", 0) == {0: (1, [0])}
    assert found("needle", 0) == {0: (1, [1])}


def test_long_consoles_are_searched_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_search, "BLOCK", 1000)
    monkeypatch.setattr(console_search, "MOST_LINES", 5)
    lines = [b"line %d%s\n" % (n, b" needle" if n % 100 == 7 else b"") for n in range(1000)]
    data = b"".join(lines) + b"x" * 5000 + b" needle\n"
    printed(0, *(data[at : at + 333] for at in range(0, len(data), 333)))
    assert found("needle", 0) == {0: (11, [7, 107, 207, 307, 407])}
    monkeypatch.setattr(console_search, "MOST_LINES", 50)
    assert found("needle", 0)[0][1][-2:] == [907, 1000]


def test_a_search_that_takes_too_long_says_so() -> None:
    printed(0, b"needle\n")
    ticks = iter([0.0, 100.0])
    (one,) = console_search.search(JOB, [0], "needle", clock=lambda: next(ticks))
    assert (one.complete, one.count) == (False, 0)


def test_only_who_sees_the_job_searches_it() -> None:
    make_inventory()
    erika = make_user()
    number, _ = started(erika)
    printed(1, b"a needle\n")
    client = Client()
    path = f"/api/v1/jobs/{number}/search/"
    assert client.get(path, {"text": "needle"}).json()["nodes"] == [
        {"node": 0, "count": 0, "lines": [], "complete": True},
        {"node": 1, "count": 1, "lines": [0], "complete": True},
    ]
    for bad in ("", "x" * 201, "two\nlines"):
        assert client.get(path, {"text": bad}).status_code == 400
    private = submit(erika, definition(visibility="private"))
    assert client.get(f"/api/v1/jobs/{private}/search/", {"text": "needle"}).status_code == 404
