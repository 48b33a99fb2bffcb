"""The REST API behind the real web server, as programs reach it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobs import queries
from lab.tokens.models import make_token
from tests.support.databases import Database
from tests.support.jobs import definition, make_inventory, make_user
from tests.support.web import WebServer


@pytest.fixture
def server(sqlite_database: Database, tmp_path: Path) -> Iterator[WebServer]:
    make_inventory()
    with WebServer(sqlite_database.url, tmp_path / "web.log") as one:
        yield one


def test_a_body_whose_length_is_not_announced_is_read_to_its_end(server: WebServer) -> None:
    erika = make_user()
    text = definition("sent in pieces")
    pieces = [text[start : start + 100].encode() for start in range(0, len(text), 100)]
    headers = {"Authorization": f"Token {make_token(erika, 't')}", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=90)) as connection:
        connection.request("POST", "/api/v1/jobs/", iter(pieces), headers, encode_chunked=True)
        with connection.getresponse() as answer:
            body = json.loads(answer.read())
        assert answer.status == 201, body
        assert queries.definition_text(body["id"]) == text
        connection.request(
            "POST", "/api/v1/validate/", iter([b"x" * 2**20] * 4), headers, encode_chunked=True
        )
        with connection.getresponse() as answer:
            assert answer.status == 413
