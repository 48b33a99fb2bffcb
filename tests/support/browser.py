"""A real browser: Debian's Chromium, driven by Selenium."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a-long-enough-one"
PATIENCE = 15.0
"""Seconds until what a page must show is given up. Far more than it takes: machines may be busy."""
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Site:
    """The browser as somebody who uses the lab."""

    def __init__(self, driver: webdriver.Chrome, port: int) -> None:
        self.driver, self.port = driver, port

    def open(self, path: str) -> None:
        self.driver.get(f"http://127.0.0.1:{self.port}{path}")

    def resize(self, width: int, height: int) -> None:
        """Show pages in a window of exactly this size, as a phone does below 600 px."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def log_in(self, user: User) -> None:
        """Be logged in, without the way over the form."""
        client = Client()
        client.force_login(user)
        self.open("/login/nobody")  # a cookie belongs to the site that is shown
        self.driver.add_cookie({"name": "sessionid", "value": client.cookies["sessionid"].value})
        console(self.driver)

    @property
    def path(self) -> str:
        return self.driver.current_url.split(f":{self.port}", 1)[1]

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """The visible text of the first such element, or nothing."""
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return str(self.driver.execute_script(script, selector)).strip()

    def texts(self, selector: str) -> list[str]:
        """The text of all such elements, visible or not, in one go."""
        script = "return [...document.querySelectorAll(arguments[0])].map(one => one.textContent)"
        return [str(one).strip() for one in self.driver.execute_script(script, selector)]

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript that may await; `module` in it imports one of ours."""
        wrapped = (
            "const done = arguments[arguments.length - 1];"
            "const module = (path) => import(`/static/js/${path}`);"
            f"(async (...given) => {{ {script} }})(...arguments).then("
            "(value) => done({value}), (error) => done({error: String(error.stack ?? error)}));"
        )
        result = self.driver.execute_async_script(wrapped, *arguments)
        if "error" in result:
            raise AssertionError(result["error"])
        return result.get("value")

    def wait(self, holds: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Wait until it holds; fails with `what` was waited for."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
            time.sleep(0.02)

    def complaints(self) -> list[str]:
        """What the browser's console said that is no good: errors, refused contents, missing files."""
        return [entry["message"] for entry in console(self.driver) if entry["level"] == "SEVERE"]


def console(driver: webdriver.Chrome) -> list[dict[str, Any]]:
    """What the browser's console said since it was asked last."""
    return list(driver.get_log("browser"))  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser with a profile of its own for all tests of this process."""
    with a_browser(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@contextlib.contextmanager
def a_browser(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser with a profile of its own."""
    if not (CHROMIUM.exists() and DRIVER.exists()):
        pytest.fail("These tests need a browser: apt-get install chromium chromium-driver (or make setup).")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_script_timeout(30)
    try:
        yield driver
    finally:
        driver.quit()
