"""A real browser on a real server, with a small lab behind it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import global_settings
from django.contrib.auth.models import User
from pytest_django import Settings
from selenium import webdriver

from tests.support.browser import PASSWORD, ROOT, Site, console
from tests.support.databases import Database
from tests.support.jobs import make_inventory
from tests.support.web import WebServer

__all__ = ["PASSWORD", "Site"]


class StaticFiles(SimpleHTTPRequestHandler):
    """The static files and nothing else."""

    def translate_path(self, path: str) -> str:
        return str(ROOT) + path.split("?")[0]

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture(scope="session")
def modules(chromium: webdriver.Chrome) -> Iterator[Site]:
    """A bare page of a server that has only the static files: enough to try JavaScript modules."""
    StaticFiles.extensions_map = {".js": "text/javascript", "": "text/html"}
    with ThreadingHTTPServer(("127.0.0.1", 0), StaticFiles) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield Site(chromium, server.server_port)
        finally:
            server.shutdown()
            serving.join()


@pytest.fixture
def web(sqlite_database: Database, tmp_path: Path) -> Iterator[WebServer]:
    make_inventory("bench-01", "bench-02")
    with WebServer(sqlite_database.url, tmp_path / "web.log") as server:
        yield server


@pytest.fixture
def asha(web: WebServer, settings: Settings) -> User:
    """A user of the lab. The server knows Django's own hashers, not the cheap one of the tests."""
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS
    return User.objects.create_user("asha", password=PASSWORD)


@pytest.fixture
def site(chromium: webdriver.Chrome, web: WebServer) -> Iterator[Site]:
    site = Site(chromium, web.port)
    site.resize(1440, 1000)
    console(chromium)  # what earlier tests left
    try:
        yield site
        assert site.complaints() == []
    finally:
        with contextlib.suppress(Exception):
            chromium.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
            chromium.execute_script("localStorage.clear()")
        chromium.delete_all_cookies()
        chromium.get("about:blank")  # ends its sockets before the server goes
